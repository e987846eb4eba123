#!/usr/bin/env python3
"""What cannot be written to standard output is an error: half a listing is never taken for whole.

usage: test_output.py SAFFRON PLUGIN [unittest's arguments]; a check of the plugin fails
"""

import os
import subprocess
import sys
import unittest

DONE, FAILED, OUTPUT = 0, 4, 5  # exit codes of docs/commands.md
FULL = r"error: cannot write to standard output(: No space left on device)?\n"


class Output(unittest.TestCase):
    program = plugin = ""

    def saffron(self, *words, **popen):
        done = subprocess.run([self.program, *words], stderr=subprocess.PIPE, text=True,
                              timeout=100, **popen)
        return done.returncode, done.stderr

    def assert_fails_on_full_disk(self, words, code):
        with open("/dev/full", "w", encoding="utf-8") as full:
            ended, errors = self.saffron(*words, stdout=full)
        self.assertEqual(ended, code, errors)
        self.assertRegex(errors, rf"\A{FULL}\Z")

    def test_every_command_that_says_something(self):
        for words in (["--version"], ["--help"], ["run", "--help"], ["plugins"],
                      ["plugins", "--json"], ["inspect"], ["inspect", "sae", "relu"], ["schema"],
                      ["test-plugin", "--list"]):
            with self.subTest(words=words):
                self.assert_fails_on_full_disk(words, OUTPUT)
                self.assertEqual(self.saffron(*words, stdout=subprocess.DEVNULL), (DONE, ""))

    def test_a_failure_keeps_its_code(self):
        words = ("test-plugin", self.plugin, "--only", "defaults-valid", "--component",
                 "regularizer/error")
        self.assert_fails_on_full_disk(words, FAILED)
        self.assertEqual(self.saffron(*words, stdout=subprocess.DEVNULL), (FAILED, ""))

    def test_closed(self):
        code, errors = self.saffron("plugins", preexec_fn=lambda: os.close(1))
        self.assertEqual(code, OUTPUT)
        self.assertEqual(errors, "error: cannot write to standard output: Bad file descriptor\n")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    Output.program, Output.plugin = sys.argv.pop(1), sys.argv.pop(1)
    unittest.main(verbosity=2)
