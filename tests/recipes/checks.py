#!/usr/bin/env python3
"""`saffron check` finds nothing to say about these recipes, and they train a few steps.

usage: checks.py SAFFRON RECIPE...
"""

import pathlib
import subprocess
import sys
import tempfile

SHORT = ["threads=1", "train.toy.rows=1024", "score.recovery.rows=256"]


def main():
    program, recipes = sys.argv[1], [str(pathlib.Path(name).resolve()) for name in sys.argv[2:]]
    wrong = 0
    for recipe in recipes:
        with tempfile.TemporaryDirectory() as folder:
            checked = subprocess.run([program, "check", recipe], cwd=folder, timeout=100,
                                     capture_output=True, text=True)
            printed = checked.stdout + checked.stderr
            if checked.returncode != 0 or "warning:" in printed or "error:" in printed:
                print(f"check {recipe}: {checked.returncode}\n{printed}")
                wrong += 1
                continue
            command = [program, "run", "--quiet", recipe, "--cache", ""]
            for change in SHORT:
                command += ["--set", change]
            wrong += subprocess.run(command, cwd=folder, timeout=100).returncode != 0
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
