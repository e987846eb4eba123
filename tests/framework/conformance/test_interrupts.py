#!/usr/bin/env python3
"""Ctrl-C and SIGTERM during `saffron test-plugin`: exit code 130, one line, nothing left behind.

usage: test_interrupts.py SAFFRON PLUGIN [unittest's arguments]
"""

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
        output, errors = process.communicate(timeout=PATIENCE)
        self.assertEqual(process.returncode, STOPPED, errors)
        self.assertEqual(errors, "error: stopped on request\n")
        self.assertEqual(output, "")
        self.assertEqual(list(self.folder.iterdir()), [])

    def test_ctrl_c(self):
        """As a terminal sends it, to the whole group."""
        process = self.start()
        os.killpg(process.pid, signal.SIGINT)
        self.assert_stopped(process)

    def test_ctrl_c_in_a_check_that_hangs(self):
        """It is given up at its time-out; nothing more is begun."""
        process = self.start("--only", "defaults-valid", "--component", "regularizer/hang",
                             "--component", "regularizer/chatter", "--timeout", "1")
        time.sleep(0.3)
        os.killpg(process.pid, signal.SIGINT)
        self.assert_stopped(process)

    def test_term(self):
        process = self.start()
        process.send_signal(signal.SIGTERM)
        self.assert_stopped(process)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    Interrupts.program, Interrupts.plugin = sys.argv.pop(1), sys.argv.pop(1)
    unittest.main(verbosity=2)
