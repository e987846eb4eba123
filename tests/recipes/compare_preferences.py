#!/usr/bin/env python3
"""Comparing reward models by their scores through the program.

usage: compare_preferences.py SAFFRON RECIPE GOLDEN

The recipe gives what its comments promise; every number of the golden vectors of scores comes out of a run under
its key; and what must be refused is, with the place and the way out.
"""

import json
import pathlib
import re
import subprocess
import sys
import unittest

from program_case import PROGRAM, ProgramCase

RECIPE, GOLDEN = pathlib.Path(sys.argv[2]).resolve(), sys.argv[3]
VECTORS = {v["id"]: v for v in json.loads(pathlib.Path(GOLDEN).read_text("utf-8"))["vectors"]}
TABLE, TIES = VECTORS["G12_rlhf_contextual_bandit"], VECTORS["G13_rewardbench2_ties"]


def csv(header, rows):
    return "\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n"


def table():
    return csv("prompt_id,response_id,a,b",
               [(p, k, a, b) for p in range(3)
                for k, (a, b) in enumerate(zip(TABLE["scores_a"][p], TABLE["scores_b"][p]))])


def pairs(labels):
    """Each labelled pair as a prompt, what was chosen first."""
    return csv("prompt_id,response_id,a,b,label",
               [(i, r, TABLE["scores_a"][p][k], TABLE["scores_b"][p][k], label if r == 0 else 0)
                for i, ((p, *both), label) in enumerate(zip(TABLE["pairs_prompt_chosen_rejected"], labels))
                for r, k in enumerate(both)])


def ties():
    return csv("prompt_id,response_id,a,label",
               [(f"{kind}:{name}", f"{label}{i}", score, label) for kind, prompts in TIES["data"].items()
                for name, (correct, wrong) in prompts.items()
                for label, scores in ((1, correct), (0, wrong)) for i, score in enumerate(scores)])


class ComparePreferences(ProgramCase):
    def of(self, compare, node, a, b):
        (pair,) = [p for p in compare[node]["pairs"] if (p["a"], p["b"]) == (a, b)]
        return pair["metrics"]

    def number(self, compare, node, key, subject):
        (value,) = [m["value"] for m in compare[node]["metrics"] if (m["key"], m["subject"]) == (key, subject)]
        return value

    def intervals_are_told(self, node, document):
        """In a table, of pairs that are alike both ways once; not among the certificates in words."""
        (section,) = [s for s in document["sections"] if any(b["title"] == "d_starc" for b in s["blocks"])]
        (block,) = [b for b in section["blocks"] if b["title"] == "Intervals"]
        (words,) = [b["text"] for b in section["blocks"] if "d_starc: in [0, 1], a pseudometric" in b.get("text", "")]
        self.assertNotIn("/low", words)
        self.assertRegex(words, r"w12: in \[0, 1\], no pseudometric; it bounds worst-case regret.* Needs scores\.")
        names = list(dict.fromkeys(pair["a"] for pair in node["pairs"]))
        once = [(a, b) for i, a in enumerate(names) for b in names[i + 1:]]
        self.assertIn("drawn anew", block["caption"])
        (terms,) = [dict(b["rows"]) for b in section["blocks"] if b["title"] == "Terms"]
        self.assertIn("STARC", terms)
        self.assertNotIn("D_S, D_A", terms)
        for key in ("d_starc", "w12"):
            rows = {(row[1], row[2]): row[3:] for row in block["rows"] if row[0] == key}
            both = [(a, b) for a in names for b in names if a != b]
            self.assertEqual(list(rows), once if key == "d_starc" else both)
            for pair, (value, low, high) in rows.items():
                found = self.of({"node": node}, "node", *pair)
                self.assertEqual([value, low, high], [found[key], found[f"{key}/low"], found[f"{key}/high"]])

    def test_the_recipe_keeps_its_word(self):
        compare = self.results(RECIPE, RECIPE.parent.parent)
        text = re.sub(r"\s*#\s*", " ", RECIPE.read_text("utf-8"))
        alike, other = ("large", "large_next"), ("panel", "wordy")
        for key in ("d_starc", "span", "w12"):
            self.assertLess(self.of(compare, "distance", *alike)[key], 5e-4, key)
        self.assertAlmostEqual(self.of(compare, "agreement", *alike)["kendall_tau_b"], 1, delta=1e-12)
        for node, pair, key in (("agreement", alike, "pearson_pooled"), ("distance", other, "d_starc")):
            (said,) = re.findall(rf"{key} = ([0-9.]+\d)", text)
            value = self.of(compare, node, *pair)[key]
            self.assertEqual(f"{value:.{len(said) - 2}f}", said, key)
        self.assertLess(self.of(compare, "distance", *other)["d_starc/controlled"], 1e-3)
        for node in compare.values():
            keys = set(node["pairs"][0]["metrics"])
            for key in keys:
                pooled = key.endswith(("_pooled", "/low", "/high"))
                self.assertTrue(pooled or {f"{key}/low", f"{key}/high"} <= keys, key)
        (file,) = self.folder.glob("runs/*/report.json")
        document = json.loads(file.read_text("utf-8"))
        blocks = {b["title"]: b for s in document["sections"] for b in s["blocks"]}
        self.assertNotIn("d_starc/low", blocks)
        self.intervals_are_told(compare["distance"], document)
        verdicts = {(row[0], row[1]): row[-1] for row in blocks["Closest to 'panel': who is really ahead"]["rows"]}
        self.assertIn("is ahead of", verdicts["large", "wordy"])
        self.assertIn("do not tell", verdicts["wordy", "small"])

    def test_golden_vectors(self):
        for name, text in (("table", table()), ("pairs", pairs([1] * 8)), ("labels", pairs(TABLE["labels"])),
                           ("ties", ties())):
            (self.folder / f"{name}.csv").write_text(text, "utf-8")
        recipe = 'saffron = 1\nname = "golden"\nseed = 1\n'
        for name in ("table", "pairs", "labels", "ties"):
            recipe += f'[world.{name}]\nuse = "preferences"\npath = "{name}.csv"\n'
        for node, world, options in (("distance", "table", 'metrics = ["d_starc", "2-2", "span", "w12", "w21"]'),
                                     ("regret", "table", "betas = [1]"), ("agreement", "table", "pooled = true"),
                                     ("accuracy", "pairs", ""), ("tac", "labels", ""), ("ties", "ties", "ties = true")):
            use = {"tac": "accuracy", "ties": "accuracy"}.get(node, node)
            recipe += f'[compare.{node}]\nuse = "preference_{use}"\nworld = "{world}"\n{options}\n'
        (self.folder / "golden.toml").write_text(recipe, "utf-8")
        compare = self.results(self.folder / "golden.toml", self.folder)
        expected = TABLE["expected"]
        for node, a, b, key, name in (
                ("distance", "a", "b", "d_starc", "d_STARC_L2_half"), ("distance", "a", "b", "2-2", "d_STARC_L2_centred"),
                ("distance", "a", "b", "span", "d_span"), ("distance", "a", "b", "w12", "w12"),
                ("distance", "a", "b", "w21", "w21"),
                ("regret", "a", "b", "best_of_k/pessimistic", "best_of_k_regret_pessimistic"),
                ("regret", "b", "a", "kl_regret/beta=1", "mean_KL_gibbs_beta1_a_b"),
                ("agreement", "a", "b", "kendall_tau_b", "kendall_tau_b_within_prompt_mean"),
                ("agreement", "a", "b", "pearson", "pearson_centred"),
                ("agreement", "a", "b", "agreement", "pairwise_agreement_within_prompt_half_ties"),
                ("agreement", "a", "b", "preference_kl", "mean_KL_bernoulli_pref_a_b"),
                ("agreement", "a", "b", "pearson_pooled", "pearson_raw"),
                ("agreement", "a", "b", "spearman_pooled", "spearman_raw"),
                ("agreement", "a", "b", "kendall_tau_b_pooled", "kendall_tau_b_raw")):
            self.assertAlmostEqual(self.of(compare, node, a, b)[key], expected[name], delta=1e-10, msg=key)
        for node, key, subject, name in (
                ("accuracy", "accuracy", "b", "accuracy_b_on_pairs_half_ties"),
                ("accuracy", "accuracy_strict", "b", "accuracy_b_on_pairs_strict"),
                ("accuracy", "bt_nll", "a", "bt_nll_a"), ("accuracy", "bt_nll", "b", "bt_nll_b"),
                ("tac", "tac", "a", "tac_a_vs_labels"), ("tac", "tac", "b", "tac_b_vs_labels")):
            self.assertAlmostEqual(self.number(compare, node, key, subject), expected[name], delta=1e-10, msg=key)
        for key, name in (("score", "overall"), ("accuracy_tied", "tied_accuracy"), ("accuracy_ref", "ref_accuracy"),
                          ("preferred", "correctness_preferred"), ("preferred_hard", "correctness_preferred_hard"),
                          ("margin", "margin_score")):
            self.assertAlmostEqual(self.number(compare, "ties", f"ties_{key}", "a"), TIES["expected"][name],
                                   delta=1e-10, msg=key)

    def test_names_are_checked_before_anything_runs(self):
        (self.folder / "scores.csv").write_text(table(), "utf-8")
        (self.folder / "names.toml").write_text(
            'saffron = 1\nname = "names"\nseed = 1\n[world.w]\nuse = "preferences"\npath = "scores.csv"\n'
            '[compare.to]\nuse = "preference_distance"\nworld = "w"\nclosest_to = "aa"\n'
            '[compare.by]\nuse = "preference_distance"\nworld = "w"\nslices = "domain"\n'
            '[compare.without]\nuse = "preference_distance"\nworld = "w"\ncontrol = ["words"]\n'
            '[compare.reference]\nuse = "preference_distance"\nworld = "w"\nweights = "reference"\n'
            '[compare.right]\nuse = "preference_accuracy"\nworld = "w"\n', "utf-8")
        done = subprocess.run([PROGRAM, "check", "names.toml"], cwd=self.folder, text=True,
                              capture_output=True, timeout=60)
        self.assertNotEqual(done.returncode, 0)
        said = re.sub(r"\s+", " ", done.stderr)
        for words in ("compare.to", '"aa"', "compare.by", "'domain'", "compare.without", "'words'",
                      "compare.reference", "log_reference", "compare.right", "needs labels", "5 errors"):
            self.assertIn(words, said)

    def test_what_must_be_refused(self):
        (self.folder / "table.csv").write_text(table(), "utf-8")
        for use, options, said in (("preference_accuracy", "", "needs labels"),
                                   ("preference_regret", "betas = [0]", "betas"),
                                   ("preference_distance", 'closest_to = "judge"', "there are a, b"),
                                   ("preference_distance", 'weights = "reference"', "log_reference"),
                                   ("span", "", "span")):
            (self.folder / "bad.toml").write_text(
                'saffron = 1\nname = "bad"\nseed = 1\n[world.w]\nuse = "preferences"\npath = "table.csv"\n'
                f'[compare.c]\nuse = "{use}"\nworld = "w"\n{options}\n')
            done = self.saffron(self.folder / "bad.toml", self.folder)
            with self.subTest(use + options):
                self.assertIn(done.returncode, (1, 3), done.stderr)
                self.assertIn(said, done.stderr)
                self.assertIn("bad.toml:", done.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
