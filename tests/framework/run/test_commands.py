#!/usr/bin/env python3
"""`plan`, `report` and `export` through the program."""

import pathlib
import re
import shutil
import subprocess

from bad_days import DONE, INPUT, PATIENCE, RECIPE, BadDay, main

HOYER = '{ use = "hoyer", over = ["topk"], coef = 0.01 }'


class Commands(BadDay):
    def command(self, *words, code=DONE, cwd=None):
        """Runs the program; returns its standard output, or the one error where it must fail."""
        done = subprocess.run([self.program, *words], cwd=cwd or self.folder, text=True,
                              capture_output=True, timeout=PATIENCE)
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertEqual(done.stderr.count("error: "), int(code != DONE), done.stderr)
        return done.stdout if code == DONE else done.stderr

    def export(self, output, *options, **how):
        return self.command("export", str(self.run_folder()), output, "--sae", "topk", *options,
                            **how)

    def with_finished_run(self):
        for name in ("runs", "cache"):
            shutil.copytree(self.straight / name, self.folder / name)
        return f"runs/{self.run_folder().name}"


class Plan(Commands):
    def cached(self, *options):
        """{node or SAE: "hit" or "miss: why"} of a plan, which must change nothing."""
        before = sorted(self.folder.rglob("*"))
        text = self.command("plan", "recipe.toml", *options)
        self.assertEqual(sorted(self.folder.rglob("*")), before)
        lines = re.findall(r"^(?:(?:score|compare) +| +)(\S+) .*? (hit|miss: .*)$", text, re.M)
        self.assertEqual([name for name, _ in lines], ["topk", "relu", "recon", "epic"], text)
        return dict(lines)

    def test_says_what_is_cached_and_why_not(self):
        none = "miss: no earlier result"
        self.assertEqual(self.cached(), dict.fromkeys(("topk", "relu", "recon", "epic"), none))
        self.saffron()
        hits = dict.fromkeys(("topk", "relu", "recon", "epic"), "hit")
        self.assertEqual(self.cached(), hits)
        self.assertEqual(self.cached("--set", "score.recon.row_sample=512"),
                         {**hits, "recon": "miss: scorer.parameters.row_sample 16384 -> 512"})
        wider = self.cached("--set", "sae.relu.width=64")
        self.assertIn("width 96 -> 64", wider["relu"])
        self.assertIn("width 96 -> 64", wider["recon"])
        self.assertEqual((wider["topk"], wider["epic"]), ("hit", "hit"))
        shutil.rmtree(next(self.folder.glob("cache/compare/*/key.json")).parent)
        self.assertEqual(self.cached(), {**hits, "epic": "miss: the earlier result was removed"})

    def test_without_a_cache(self):
        text = self.command("plan", "recipe.toml", "--cache", "")
        self.assertEqual(text.count('not cached (cache = "")'), 4, text)


class Report(Commands):
    def test_two_runs_on_one_page(self):
        first = self.with_finished_run()
        self.saffron("--set", "score.recon.row_sample=512")
        (second,) = {f"runs/{run.name}" for run in (self.folder / "runs").iterdir()} - {first}
        self.assertEqual(self.command("report", first, second), "report: comparison.html\n")
        page = (self.folder / "comparison.html").read_text()
        for run in (first, second):
            self.assertIn(pathlib.Path(run).name, page)
        self.assertEqual(self.command("report", first, f"{second}/report.json", "-o", "both.html"),
                         "report: both.html\n")
        self.assertEqual((self.folder / "both.html").read_text(), page)
        alone = (self.folder / first / "report.html").read_bytes()
        (self.folder / first / "report.html").unlink()
        self.assertEqual(self.command("report", first), f"report: {first}/report.html\n")
        self.assertEqual((self.folder / first / "report.html").read_bytes(), alone)

    def test_of_no_run(self):
        self.assertIn("error: inputs: there is no report.json here",
                      self.command("report", "inputs", code=INPUT))


class Export(Commands):
    def test_into_a_folder(self):
        self.with_finished_run()
        for output, folder in (("flat", "flat"), ("new/deep", "new/deep"), ("slash/", "slash")):
            self.assertEqual(self.export(output), f"exported: {folder}\n")
            self.assertEqual(sorted(path.name for path in (self.folder / folder).iterdir()),
                             ["cfg.json", "sae_weights.safetensors"])
        self.assertIn("flat: exists already", self.export("flat", code=INPUT))
        self.assertEqual(list(self.folder.rglob("*.partial-*")), [])

    def test_where_nothing_can_be_written(self):
        self.with_finished_run()
        (self.folder / "file").write_text("")
        for place, reason in (("/proc/x/y", "No such file or directory"),
                              ("file/y", "Not a directory")):
            error = self.export(place, code=INPUT)
            self.assertIn(f"{place}: cannot write the folder: {reason}", error)
            self.assertIn("help: name a folder in a place that you may write to", error)
            self.assertNotIn("threw", error)


class ExportWithPlugins(Commands):
    """The loader's example plugin lies where the program does not look by itself."""

    def setUp(self):
        super().setUp()
        built = pathlib.Path(self.program).parent.parent / "tests" / "plugins"
        (self.folder / "mine").mkdir()
        shutil.copy(built / "libfixture_good.so", self.folder / "mine" / "libgood.so")
        self.saffron("--plugin-path", "mine", "--set", f"train.all.regularizer.h={HOYER}")

    def test_found_where_the_run_had_them(self):
        elsewhere = self.folder / "elsewhere"
        elsewhere.mkdir()
        shutil.copy(self.folder / "rows.npy", elsewhere)
        for folder in (self.folder, elsewhere):
            self.export("out", cwd=folder)
            self.assertTrue((folder / "out" / "cfg.json").exists())

    def test_that_are_gone(self):
        (self.folder / "mine").rename(self.folder / "moved")
        error = self.export("out", code=RECIPE)
        self.assertIn("there is no regularizer component 'hoyer'", error)
        self.assertRegex(error, r"help: the run had \S+ from \S+/mine/libgood\.so, which is not "
                                r"there any more; say with --plugin-path FOLDER where it is")
        self.export("out", "--plugin-path", "moved")


main()
