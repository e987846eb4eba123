#!/usr/bin/env python3
"""`inspect`, `schema` and `reference` through the program, with the plugins that lie beside it.

usage: test_inspect.py SAFFRON [unittest's arguments]
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import tomllib
import unittest

PATIENCE = 100  # seconds; sanitizer builds on a busy machine are slow
DONE, NO, USAGE, PLUGIN = 0, 1, 2, 4


class Program(unittest.TestCase):
    path = ""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def saffron(self, *words, code=DONE):
        """What it prints to standard output, or where it must fail, the errors."""
        others = ("SAFFRON_PLUGIN_PATH", "XDG_DATA_HOME")
        environment = {k: v for k, v in os.environ.items() if k not in others}
        done = subprocess.run([self.path, *words], cwd=self.folder, text=True, timeout=PATIENCE,
                              capture_output=True, env=environment | {"HOME": str(self.folder)})
        self.assertEqual(done.returncode, code, done.stderr)
        return done.stdout if code == DONE else done.stderr


class Listings(Program):
    def test_everything_with_summaries_and_a_count(self):
        text = self.saffron("inspect")
        self.assertRegex(text, r"\n  topk +org\.saffron\.topk \S+ +Keeps the k largest")
        self.assertIn("\ntokenizer: token ids from text and back\n  (none)\n", text)
        self.assertRegex(text, r"\n\d+ components of \d+ kinds in \d+ plugins\n$")
        everything = json.loads(self.saffron("inspect", "--json"))
        kinds = {kind["kind"]: kind for kind in everything["kinds"]}
        self.assertIn("components", kinds["judge"])
        (mse,) = [c for c in kinds["objective"]["components"] if c["name"] == "mse"]
        self.assertEqual(mse["params"][0]["default"], "sum")
        self.assertEqual(everything["problems"], [])

    def test_one_kind(self):
        text = self.saffron("inspect", "score")
        self.assertEqual(text, self.saffron("inspect", "scorer"))
        self.assertIn("  split  string", text)
        about = json.loads(self.saffron("inspect", "tokenizer", "--json"))
        self.assertEqual(about["provided_by"], ["model"])
        takers = [(taker["kind"], taker["name"]) for taker in about["taken_by"]]
        self.assertIn(("dataset", "text"), takers)

    def test_one_component(self):
        text = self.saffron("inspect", "sae", "topk")
        self.assertEqual(text, self.saffron("inspect", "topk"))
        self.assertEqual(text, self.saffron("inspect", "sae", "org.saffron.topk::topk"))
        lines = text.splitlines()
        start = next(i for i, line in enumerate(lines) if line.startswith("  recipe:"))
        stop = next(i for i, line in enumerate(lines) if line.startswith("  file:"))
        snippet = "\n".join(line[14:] for line in lines[start:stop])
        self.assertEqual(tomllib.loads(snippet),
                         {"sae": {"NAME": {"use": "topk", "reads": ["SOURCE"]}}})
        self.assertIn("did you mean 'topk'?", self.saffron("inspect", "sae", "topkk", code=NO))
        self.assertIn("'spoon' is no kind", self.saffron("inspect", "spoon", code=NO))

    def test_tables_without_a_component(self):
        for section, key in (("train", "regularizer_keys"), ("recipe", "keys")):
            self.assertIn(key, json.loads(self.saffron("inspect", section, "--json")))
            self.assertIn("\n  recipe: ", self.saffron("inspect", section))


class Questions(Program):
    def ask(self, *words, code):
        """Answers with the exit code alone."""
        self.assertEqual(self.saffron("inspect", *words, code=code), "", words)

    def test_exists(self):
        for words in (("sae", "topk"), ("sae", "org.saffron.topk::topk"), ("score",), ("train",),
                      ("score", "reconstruction"), ("topk",)):
            self.ask(*words, "--exists", code=DONE)
        for words in (("sae", "topkk"), ("sae", "org.nobody::topk"), ("spoon",), ("judge",)):
            self.ask(*words, "--exists", code=NO)

    def test_atleast_version(self):
        for version, code in (("0.0.9", DONE), ("0.1.0", DONE), ("0.1.1", NO), ("10.0.0", NO)):
            self.ask("sae", "topk", "--atleast-version", version, code=code)
            self.ask("topk", "--atleast-version", version, code=code)
        self.ask("sae", "topkk", "--atleast-version", "0.0.1", code=NO)

    def test_wrong_questions(self):
        self.assertIn("X.Y.Z", self.saffron("inspect", "sae", "topk", "--atleast-version", "new",
                                            code=USAGE))
        self.saffron("inspect", "--exists", code=USAGE)
        self.saffron("inspect", "sae", "--atleast-version", "0.1.0", code=USAGE)


class Written(Program):
    def test_the_schema_is_that_of_the_plugins_found(self):
        printed = json.loads(self.saffron("schema"))
        self.assertEqual(self.saffron("schema", "-o", "s.json"), "schema: s.json\n")
        self.assertEqual(json.loads((self.folder / "s.json").read_text()), printed)
        self.assertIn("sae.topk", printed["definitions"])
        self.assertEqual(printed["definitions"]["sae.topk"]["properties"]["k"]["minimum"], 1)

    def test_a_plugin_that_somebody_named_must_be_usable(self):
        (self.folder / "broken.so").write_text("no library")
        for command in (("schema",), ("reference", "-o", "pages")):
            text = self.saffron(*command, "--plugin-path", "broken.so", code=PLUGIN)
            self.assertIn("not a shared library", text)
        self.assertFalse((self.folder / "pages").exists())

    def test_reference(self):
        self.saffron("reference", "-o", "docs/pages")
        self.assertIn("\n## topk\n", (self.folder / "docs/pages/sae.md").read_text())
        self.saffron("reference", code=USAGE)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(f"usage: {sys.argv[0]} SAFFRON [unittest's arguments]")
    Program.path = str(pathlib.Path(sys.argv.pop(1)).resolve())
    unittest.main(verbosity=2)
