#!/usr/bin/env python3
"""docs/reference is what `saffron reference` writes.

usage: reference.py SAFFRON FOLDER
"""

import difflib
import os
import pathlib
import subprocess
import sys
import tempfile


def pages(folder):
    return {file.name: file.read_text("utf-8") for file in pathlib.Path(folder).iterdir()}


def main():
    program, folder = sys.argv[1:]
    others = ("SAFFRON_PLUGIN_PATH", "XDG_DATA_HOME")
    with tempfile.TemporaryDirectory() as home:
        environment = {k: v for k, v in os.environ.items() if k not in others} | {"HOME": home}
        subprocess.run([program, "reference", "-o", f"{home}/reference"], env=environment,
                       check=True, stdout=subprocess.DEVNULL, timeout=100)
        made = pages(f"{home}/reference")
    kept = pages(folder)
    stale = [name for name in sorted(made.keys() | kept.keys()) if made.get(name) != kept.get(name)]
    for name in stale:
        sys.stdout.writelines(difflib.unified_diff(
            kept.get(name, "").splitlines(True), made.get(name, "").splitlines(True),
            f"docs/reference/{name}" if name in kept else "/dev/null",
            f"made/{name}" if name in made else "/dev/null"))
    if stale:
        print(f"{len(stale)} of {len(made)} pages are stale; mend them with:  make docs")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
