#!/usr/bin/env python3
"""From a JSON world to results.json: every comparator of tabular rewards.

usage: compare_tabular.py SAFFRON RECIPE GOLDEN

recipes/compare_tabular.toml keeps its word; every distance, correlation and regret of the golden
vectors comes out of a run under its key; and the inputs that they say must be refused are.
"""

import json
import math
import pathlib
import re
import shlex
import subprocess
import sys
import unittest

from program_case import PROGRAM, ProgramCase

RECIPE, GOLDEN = pathlib.Path(sys.argv[2]).resolve(), sys.argv[3]
VECTORS = json.loads(pathlib.Path(GOLDEN).read_text("utf-8"))["vectors"]
PAIRS = {vector["id"]: vector for vector in VECTORS if vector["kind"] == "tabular_pair"}
FORMS = ["None", "EPIC", "DARD", "DARD_indepA", "MinimalPotential_L2", "VALPotential", "VAL",
         "Minimal_L2", "Minimal_tauL2"]
COMPARATORS = {
    "none": 'pairs = ["all", "pearson-uniform"]',
    "epic": 'pairs = ["all", "pearson-uniform", "pearson-reachable"]',
    "dard": 'pairs = ["all", "pearson-uniform", "pearson-reachable"]\n'
            'actions = ["shared", "independent"]',
    "minimal_potential": 'pairs = ["all"]',
    "val_potential": 'pairs = ["all"]',
    "val": 'pairs = ["all"]',
    "minimal": 'pairs = ["all"]\nweights = ["one", "tau"]',
    "span": "",
    "regret": "",
    "npec": "",
    "srrd": "",
}


def world_of(vector, **changes):
    document = {key: vector[key] for key in ("gamma", "mu0", "tau")}
    document["rewards"] = {"first": vector["R1"], "second": vector["R2"]}
    return {**document, **changes}


def expected_of(vector):
    """Keys of results.json with the golden values of (first, second)."""
    expected = vector["expected"]
    out = {f"{form}/{pair}": value for form in FORMS
           for pair, value in expected["distances"][form].items()}
    for form in FORMS:
        out[f"{form}/angle"] = expected["angle"][form]
        out[f"{form}/weighted_angle"] = expected["angle_tau_weighted"][form]
    for form in ("EPIC", "DARD"):
        for coverage in ("uniform", "reachable"):
            out[f"{form}/pearson-{coverage}"] = expected[f"D_{form}_{coverage}_coverage"]
    out["None/pearson-uniform"] = expected["raw_pearson_distance_uniform"]
    regret = expected["regret"]
    out["span"] = regret["d_span"]
    for key in ("w12", "w21", "regret1_pessimistic", "regret1_optimistic", "regret2_pessimistic",
                "regret2_optimistic", "regret_mean_pessimistic"):
        out[key] = regret[key]
    if "NPEC_1_to_2" in expected:
        out["NPEC"] = expected["NPEC_1_to_2"]
    if "SRRD_all_feasible_samples" in expected:
        out["SRRD"] = expected["SRRD_all_feasible_samples"]["D_SRRD"]
    return out


class CompareTabular(ProgramCase):
    def metrics(self, compare, a, b):
        out = {}
        for node in compare.values():
            (pair,) = [p for p in node["pairs"] if (p["a"], p["b"]) == (a, b)]
            for key in pair["metrics"]:
                self.assertNotIn(key, out)
            out.update(pair["metrics"])
        return out

    def test_the_recipe_keeps_its_word(self):
        compare = self.results(RECIPE, RECIPE.parent.parent)
        opposite = self.metrics(compare, "go_right", "stay_left")
        shaped = self.metrics(compare, "go_right", "go_right_shaped")
        for key, value in {"VAL/2-2": 2, "VAL/angle": math.pi, "Minimal_L2/2-2": 2, "span": 2,
                           "w12": 1, "regret1_pessimistic": 1}.items():
            self.assertAlmostEqual(opposite[key], value, delta=1e-10)
        for key, value in {"EPIC/pearson-uniform": "0.00055", "EPIC/pearson-reachable": "0.00075",
                           "DARD/pearson-uniform": "0.00043", "NPEC": "0.0012"}.items():
            self.assertIn(f"{key} = {value}", re.sub(r"\s*#\s*", " ", RECIPE.read_text("utf-8")))
            self.assertEqual(f"{opposite[key]:.2g}", value, key)
        for key, value in shaped.items():
            if not key.startswith("None/"):
                self.assertLess(abs(value), 1e-9, key)
        self.assertEqual(f"{shaped['None/2-2']:.2g}", "0.0067")
        certificates = {c["metric"]: c for node in compare.values() for c in node["certificates"]}
        self.assertEqual(set(certificates), set(opposite))
        bounds = certificates["span"]
        self.assertEqual((bounds["sound"], bounds["U"], bounds["complete"], bounds["L"]),
                         (True, 1, True, 0.5))
        self.assertFalse(certificates["EPIC/2-2"]["sound"])

    def test_the_report_says_what_it_means(self):
        """Who has not read the papers finds the terms, and which reward is which."""
        self.results(RECIPE, RECIPE.parent.parent)
        (file,) = self.folder.glob("runs/*/report.json")
        document = json.loads(file.read_text("utf-8"))
        self.assertEqual(document["headline"], ["Compared the rewards of 'switch' with val, minimal, span, regret, "
                                                "epic, dard, npec and none."])
        for section in document["sections"]:
            blocks = {block["title"]: block for block in section["blocks"]}
            terms = dict(blocks["Terms"]["rows"])
            words = blocks["What these distances promise"]["text"]
            for term in ("pseudometric", "potential shaping", "S'-redistribution", "mu0"):
                self.assertEqual(term in terms, term in words, f"{section['title']}: {term}")
            self.assertNotIn("D_A, D_S and D_A", words)
            if "w12" in blocks:
                self.assertIn("worst-case regret", terms)
            self.assertEqual("FORM/n-m" in terms, any(re.fullmatch(r"\w+/2-2", key) for key in blocks))
            if "VAL/2-2" in blocks:
                self.assertIn("advantage of a fixed policy", words)
                map_ = blocks["VAL/2-2"]
                at = [map_["row_labels"].index(name) for name in ("go_right", "go_right_shaped")]
                self.assertEqual(map_["cells"][at[0] * len(map_["row_labels"]) + at[1]], 0)

    def span_of(self, **changes):
        (self.folder / "world.json").write_text(
            json.dumps(world_of(PAIRS["G02_stochastic_2x2"], **changes)), "utf-8")
        (self.folder / "span.toml").write_text(
            'saffron = 1\nname = "span"\nseed = 1\n[world.w]\nuse = "tabular"\n'
            'path = "world.json"\n[compare.c]\nuse = "span"\nworld = "w"\n', "utf-8")
        (node,) = self.results(self.folder / "span.toml", self.folder).values()
        return node

    def test_which_reward_is_which(self):
        self.span_of()
        (file,) = self.folder.glob("runs/*/report.json")
        (section,) = json.loads(file.read_text("utf-8"))["sections"]
        captions = {block["title"]: block.get("caption", "") for block in section["blocks"]}
        self.assertIn("Rows are reward 1, columns reward 2.", captions["w12"])
        self.assertNotIn("Rows are", captions["span"])

    def test_the_command_can_be_copied(self):
        self.span_of()
        (file,) = self.folder.glob("runs/*/manifest.json")
        command = shlex.split(json.loads(file.read_text("utf-8"))["command"])
        self.assertEqual(command[command.index("--cache") + 1], "")

    def test_one_reward(self):
        node = self.span_of(rewards={"only": PAIRS["G02_stochastic_2x2"]["R1"]})
        self.assertEqual(node["degenerate"],
                         ["there is one reward, 'only', and nothing to compare it with"])

    def test_golden_vectors(self):
        text = 'saffron = 1\nname = "golden"\nseed = 1\n'
        for identity, vector in PAIRS.items():
            (self.folder / f"{identity}.json").write_text(json.dumps(world_of(vector)), "utf-8")
            text += f'[world.{identity}]\nuse = "tabular"\npath = "{identity}.json"\n'
            for name, options in COMPARATORS.items():
                text += f'[compare.{identity}_{name}]\nuse = "{name}"\nworld = "{identity}"\n'
                text += options + "\n"
        (self.folder / "golden.toml").write_text(text, "utf-8")
        compare = self.results(self.folder / "golden.toml", self.folder)
        compared = 0
        for identity, vector in PAIRS.items():
            mine = {name: node for name, node in compare.items() if name.startswith(identity)}
            found = self.metrics(mine, "first", "second")
            for key, value in expected_of(vector).items():
                if value is None:
                    self.assertIsNone(found[key], f"{identity} {key}")
                else:
                    self.assertAlmostEqual(found[key], value, delta=1e-10 * max(1, abs(value)),
                                           msg=f"{identity} {key}")
                compared += 1
        self.assertGreaterEqual(compared, 12 * (9 * 44 + 5 + 8))

    def test_inputs_that_must_be_refused(self):
        base = PAIRS["G02_stochastic_2x2"]
        (cases,) = [vector["cases"] for vector in VECTORS if vector["kind"] == "errors"]
        words = {"UNDISCOUNTED_NONTRANSIENT": "gamma = 1", "GAMMA_RANGE": "gamma = -0.1",
                 "NOT_STOCHASTIC": "sums to|is not a probability", "NON_FINITE": "NaN is not a finite number, in rewards.first",
                 "SHAPE": re.escape("has the shape [2, 2, 3], not [S, A, S] = [2, 2, 2]")}
        refused = 0
        for case in cases:
            changes = {}
            if case.get("gamma") is not None:
                changes["gamma"] = case["gamma"]
            if "tau_row" in case:
                changes["tau"] = [[case["tau_row"], *base["tau"][0][1:]], *base["tau"][1:]]
            if "policy_row" in case:
                changes["policy"] = [case["policy_row"], [0.5, 0.5]]
            if case["name"] == "nan_reward":
                changes["rewards"] = {"first": [[[math.nan, 0], [0, 0]], [[0, 0], [0, 0]]]}
            if "R_shape" in case:
                S, A, wrong = case["R_shape"]
                changes["rewards"] = {"first": [[[0.0] * wrong] * A] * S}
            if not changes:  # a distance is undefined: see test_golden_vectors
                self.assertTrue(case["error"].startswith("DEGENERATE_REWARD"))
                continue
            (self.folder / "world.json").write_text(json.dumps(world_of(base, **changes)))
            (self.folder / "bad.toml").write_text(
                'saffron = 1\nname = "bad"\nseed = 1\n[world.w]\nuse = "tabular"\n'
                'path = "world.json"\n[compare.c]\nuse = "span"\nworld = "w"\n')
            done = self.saffron(self.folder / "bad.toml", self.folder)
            with self.subTest(case["name"]):
                self.assertEqual(done.returncode, 3, done.stderr)
                self.assertIn("world.json", done.stderr)
                self.assertRegex(done.stderr, words[case["error"]])
            refused += 1
        self.assertEqual(refused, 7)

    # Said by `check`, before anything runs.
    def test_worlds_that_do_not_fit(self):
        (self.folder / "scores.csv").write_text(
            "prompt_id,response_id,a,b\nq,0,1,2\nq,1,2,1\n", "utf-8")
        tables = {"scores": 'use = "preferences"\npath = "scores.csv"\n',
                  "map": 'use = "gridworld"\nmap = "S..G"\ntransitions = "sparse"\n'
                         'rewards = [{ name = "goal", enter = [{ cell = "G", reward = 1 }] }]\n'}
        says = {("scores", "val"): "val needs a tabular world, with P(s' | s, a), and this is: "
                                   "2 responses to 1 prompt",
                ("scores", "span"): "docs/reward-files.md says which comparators take which world",
                ("map", "epic"): "epic needs the rewards of impossible transitions, which sparse",
                ("map", "dard"): "val, minimal, span and regret take sparse transitions"}
        for (world, comparator), words in says.items():
            (self.folder / "misfit.toml").write_text(
                f'saffron = 1\nname = "misfit"\nseed = 1\n[world.{world}]\n{tables[world]}'
                f'[compare.c]\nuse = "{comparator}"\nworld = "{world}"\n', "utf-8")
            done = subprocess.run([PROGRAM, "check", "misfit.toml"], cwd=self.folder, text=True,
                                  capture_output=True, timeout=60)
            with self.subTest(world=world, comparator=comparator):
                self.assertNotEqual(done.returncode, 0)
                self.assertIn(words, re.sub(r"\s+", " ", done.stderr))
                self.assertIn("compare.c", done.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
