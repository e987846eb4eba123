#!/usr/bin/env python3
"""docs/conformance.md lists every check of the kit as `saffron test-plugin --list` does.

usage: conformance.py SOURCE_DIR BUILD_DIR
"""

import difflib
import pathlib
import subprocess
import sys

source, build = map(pathlib.Path, sys.argv[1:3])
page = (source / "docs/conformance.md").read_text()
listed = subprocess.run([build / "bin/saffron", "test-plugin", "--list"], check=True,
                        capture_output=True, text=True).stdout
if listed in page:
    print("docs/conformance.md lists every check")
    sys.exit(0)
blocks = page.split("```")[1::2]
shown = max(blocks, key=lambda block: len(set(block.splitlines()) & set(listed.splitlines())),
            default="")
sys.stdout.writelines(difflib.unified_diff(shown.partition("\n")[2].splitlines(True),
                                           listed.splitlines(True), "docs/conformance.md",
                                           "saffron test-plugin --list"))
sys.exit("docs/conformance.md is stale: put the output of `saffron test-plugin --list` there")
