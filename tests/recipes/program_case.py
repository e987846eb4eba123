"""A recipe run by the program, and what results.json says of its compare nodes."""

import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

PROGRAM = str(pathlib.Path(sys.argv[1]).resolve())


class ProgramCase(unittest.TestCase):
    def setUp(self):
        context = tempfile.TemporaryDirectory()
        self.folder = pathlib.Path(context.name)
        self.addCleanup(context.cleanup)

    def saffron(self, recipe, cwd):
        command = [PROGRAM, "run", "--quiet", recipe, "--cache", "", "--runs", self.folder / "runs"]
        return subprocess.run(command, cwd=cwd, timeout=200, capture_output=True, text=True)

    def results(self, recipe, cwd):
        done = self.saffron(recipe, cwd)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        (file,) = self.folder.glob("runs/*/results.json")
        return json.loads(file.read_text("utf-8"))["compare"]
