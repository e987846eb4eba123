#!/usr/bin/env python3
"""Ctrl-C, SIGTERM and SIGHUP during `saffron test-plugin`: exit code 130, the report so far, nothing left
behind.

usage: test_interrupts.py SAFFRON PLUGIN [unittest's arguments]
"""

import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest

STOPPED = 130  # docs/commands.md
PATIENCE = 100  # seconds


class Interrupts(unittest.TestCase):
    program = plugin = ""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="saffron-interrupts-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def start(self, *options):
        """Begins a test, in a process group of its own, and waits until its checks have begun."""
        process = subprocess.Popen([self.program, "test-plugin", self.plugin, *options], text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   start_new_session=True,
                                   env={**os.environ, "TMPDIR": str(self.folder)})
        end = time.monotonic() + PATIENCE
        while not list(self.folder.glob("saffron-test-plugin-*")):
            self.assertIsNone(process.poll(), "it ended before it could be stopped")
            self.assertLess(time.monotonic(), end, "it does not begin")
            time.sleep(0.001)
        return process

    def assert_stopped(self, process):
        """What it had found out is reported. Gives the report."""
        output, errors = process.communicate(timeout=PATIENCE)
        self.assertEqual(process.returncode, STOPPED, errors)
        self.assertEqual(errors, "error: stopped on request\n")
        self.assertRegex(output, r"\Aorg\.example\.failing 0\.1\.0 ")
        self.assertRegex(output, r"(\A|, |\n)(the rest not run|stopped before any check ended)\n\Z")
        self.assertEqual(list(self.folder.iterdir()), [])
        return output

    def test_ctrl_c(self):
        """As a terminal sends it, to the whole group."""
        process = self.start()
        os.killpg(process.pid, signal.SIGINT)
        self.assert_stopped(process)

    def test_ctrl_c_in_a_check_that_hangs(self):
        """The check is given up at once, and nothing more is begun."""
        process = self.start("--only", "defaults-valid", "--component", "regularizer/runtime_error",
                             "--component", "regularizer/hang", "--timeout", "600")
        time.sleep(3)  # the first has failed by then
        os.killpg(process.pid, signal.SIGINT)
        begin = time.monotonic()
        output = self.assert_stopped(process)
        self.assertLess(time.monotonic() - begin, 30)
        self.assertIn("out of luck", output)
        self.assertIn("\n1 failed, the rest not run\n", output)

    def test_ctrl_c_and_json(self):
        process = self.start("--only", "defaults-valid", "--component", "regularizer/runtime_error",
                             "--component", "regularizer/hang", "--timeout", "600", "--json")
        time.sleep(3)
        os.killpg(process.pid, signal.SIGINT)
        output, _ = process.communicate(timeout=PATIENCE)
        self.assertEqual(process.returncode, STOPPED)
        report = json.loads(output)
        self.assertIs(report["stopped"], True)
        self.assertEqual([check["outcome"] for check in report["checks"]], ["failed"])

    def test_term(self):
        process = self.start()
        process.send_signal(signal.SIGTERM)
        self.assert_stopped(process)

    def test_term_of_timeout(self):
        """timeout(1) signals its command and then its group."""
        process = self.start()
        process.send_signal(signal.SIGTERM)
        os.killpg(process.pid, signal.SIGTERM)
        self.assert_stopped(process)

    def test_hangup(self):
        process = self.start()
        process.send_signal(signal.SIGHUP)
        self.assert_stopped(process)

    def test_what_was_found_is_told_at_once(self):
        process = self.start("--only", "defaults-valid", "--component", "regularizer/runtime_error",
                             "--component", "regularizer/hang", "--timeout", "600")
        found = "".join(process.stdout.readline() for _ in range(5))
        self.assertIn("out of luck", found)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=PATIENCE)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    Interrupts.program, Interrupts.plugin = sys.argv.pop(1), sys.argv.pop(1)
    unittest.main(verbosity=2)
