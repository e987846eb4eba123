#!/usr/bin/env python3
"""What the commands say of words that they do not know, and the exit codes of it.

usage: test_words.py SAFFRON PLUGIN [unittest's arguments]; PLUGIN has components `error`, `hang`
"""

import pathlib
import subprocess
import sys
import tempfile
import unittest

DONE, FAILED, USAGE, RECIPE, NO_PLUGIN, UNREADABLE = 0, 1, 2, 3, 4, 5  # docs/commands.md


class Words(unittest.TestCase):
    program = plugin = ""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="saffron-words-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def said(self, code, *words):
        """Standard error, or what a command that is done prints."""
        done = subprocess.run([self.program, *words], capture_output=True, text=True, timeout=100,
                              cwd=self.folder)
        self.assertEqual(done.returncode, code, done.stderr)
        return done.stdout if code == DONE else done.stderr

    def test_inspect_names_what_is_near(self):
        self.assertEqual(self.said(FAILED, "inspect", "topkk"),
                         "error: 'topkk' is no kind and no component\n"
                         "  help: did you mean: saffron inspect sae topk\n")
        self.assertIn("(did you mean 'sae'?)", self.said(FAILED, "inspect", "saes"))
        self.assertIn("saffron inspect lists every kind", self.said(FAILED, "inspect", "xyzzy"))

    def test_new_plugin_takes_no_empty_word(self):
        for option in ("--id", "--directory"):
            text = self.said(FAILED, "new-plugin", "mine", "--kind", "sae", option, "")
            self.assertIn("error: '' cannot be", text)
        self.assertEqual(list(self.folder.iterdir()), [])

    def test_lists_of_checks(self):
        everything = self.said(DONE, "test-plugin", "--list")
        own = self.said(DONE, "test-plugin", "--list", self.plugin)
        self.assertIn("\nscorer\n", everything)
        self.assertNotIn("\nscorer\n", own)
        self.assertIn("\nregularizer\n", own)
        self.assertLess(set(own.splitlines()), set(everything.splitlines()))
        self.assertIn("excludes", self.said(USAGE, "test-plugin", "--list", "--json"))
        self.assertIn("nowhere.so", self.said(UNREADABLE, "test-plugin", "--list", "nowhere.so"))

    def test_checks_that_there_are_not(self):
        text = self.said(FAILED, "test-plugin", self.plugin, "--only", "scale-degre",
                         "--component", "regularizer/errors")
        self.assertEqual(text, "error: there is no check 'scale-degre'\n"
                               "  help: did you mean 'scale-degree'? "
                               "saffron test-plugin --list FILE has them all\n"
                               "error: there is no component 'regularizer/errors'\n"
                               "  help: did you mean 'regularizer/error'?\n")

    def test_settings_with_errors(self):
        settings = self.folder / "test-plugin.toml"
        for text in ("strictnes = 3\n", "strictness = \n", "[options.\"regularizer/eror\"]\n",
                     "[off]\n\"scale-degre\" = \"why\"\n", "[options.\"regularizer/error\"]\na = 1\n"):
            settings.write_text(text)
            said = self.said(RECIPE, "test-plugin", self.plugin, "--config", str(settings))
            self.assertRegex(said, rf"\A{settings}:\d:\d+: error: ")
            self.assertTrue(said.endswith("\n1 error\n"), said)
        for name in ("", "none.toml", "."):
            said = self.said(RECIPE, "test-plugin", self.plugin, "--config", name)
            self.assertTrue(said.startswith("error: "), said)

    def test_settings_with_errors_of_several_sorts(self):
        settings = self.folder / "test-plugin.toml"
        settings.write_text("strictnes = 3\nmemory = 0\n[options.\"regularizer/eror\"]\n"
                            "[off]\n\"scale-degre\" = \"why\"\n\"float64\" = \" \"\n")
        said = self.said(RECIPE, "test-plugin", self.plugin, "--config", str(settings))
        self.assertTrue(said.endswith("\n5 errors\n"), said)
        self.assertIn("'float64' is switched off with a reason", said)

    def test_options_that_there_are_not(self):
        said = self.said(USAGE, "test-plugin", self.plugin, "--stricness", "3")
        self.assertIn("did you mean '--strictness'?", said)
        said = self.said(USAGE, "test-plugin", self.plugin, "--stricness=3")
        self.assertIn("did you mean '--strictness'?", said)
        self.assertNotIn("did you mean", self.said(USAGE, "run", "--xyzzy"))

    def test_command_lines_that_are_not_understood(self):
        for words, expected in (
            (["inspct"], "error: there is no command 'inspct'\n  help: did you mean 'inspect'?\n"),
            (["xyzzy"], "error: there is no command 'xyzzy'\n  help: run `saffron --help`\n"),
            (["new-plugin"], "error: name is required\n  help: run `saffron new-plugin --help`\n"),
            (["test-plugin", self.plugin, "--timeout", "0"],
             "error: --timeout: '0' is not a number from 0.05 to 86400\n"
             "  help: run `saffron test-plugin --help`\n"),
        ):
            self.assertEqual(self.said(USAGE, *words), expected)

    def test_a_crash_names_its_component(self):
        done = subprocess.run([self.program, "test-plugin", self.plugin, "--only", "defaults-valid",
                               "--component", "regularizer/crash"], capture_output=True, text=True,
                              timeout=100)
        self.assertIn("saffron: SIGSEGV in regularizer crash", done.stdout)

    def test_a_plugin_that_ends_the_program(self):
        recipe = self.folder / "exits.toml"
        recipe.write_text(f"""saffron = 1
name = "exits"
seed = 1
plugins = ["{self.plugin}"]
[source.toy]
use = "planted"
[sae.student]
use = "topk"
reads = ["toy"]
[train.all]
saes = ["student"]
rows = 4096
batch = 256
[train.all.regularizer.exit]
use = "exit"
coef = 1.0
""")
        done = subprocess.run([self.program, "run", str(recipe)], capture_output=True, text=True,
                              timeout=100, cwd=self.folder)
        self.assertEqual(done.returncode, NO_PLUGIN, done.stderr)
        self.assertIn("ended by exit() in regularizer exit", done.stderr)

    def test_files_that_are_no_plugins(self):
        text = self.folder / "text.so"
        text.write_text("no library\n")
        self.assertIn("not a shared library", self.said(NO_PLUGIN, "test-plugin", str(text)))
        self.assertIn("not a regular file", self.said(NO_PLUGIN, "test-plugin", str(self.folder)))

    def test_a_temporary_folder_that_is_not_there(self):
        done = subprocess.run([self.program, "test-plugin", self.plugin], capture_output=True,
                              text=True, timeout=100, env={"TMPDIR": "/proc/none"})
        self.assertEqual(done.returncode, UNREADABLE)
        self.assertRegex(done.stderr, r"\Aerror: cannot make a temporary folder in .*\n  help: .*TMPDIR")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    Words.program, Words.plugin = sys.argv.pop(1), sys.argv.pop(1)
    unittest.main(verbosity=2)
