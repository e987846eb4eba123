#!/usr/bin/env python3
"""README.md prints what the program prints, its plugin builds and keeps the contract, and the recipes
of docs/recipes.md have no errors.

usage: readme.py BUILD_DIR README RECIPES_PAGE [plugin]

Of README's console lines `check` and `plan` are run; a `run` shows times. With `plugin` its plugin is
built and used as README says, against an installation at $HOME/saffron.
"""

import difflib
import os
import pathlib
import re
import subprocess
import sys
import tempfile

from tutorials import NOT_THE_READERS, fences

FREE = ("check", "plan")  # commands that train nothing
NEEDS_FILES = re.compile(r"^(extends|plugins|path|files)\s*=", re.MULTILINE)


def blocks(page, *language):
    text = pathlib.Path(page).read_text("utf-8")
    found = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return [block for kind, block in found if kind in language]


def commands(block):
    """(the words of a line that starts with `$ saffron`, what stands below it) of a block."""
    parts = re.split(r"^\$ saffron (.*)\n", block, flags=re.MULTILINE)
    return [(line.split(), shown) for line, shown in zip(parts[1::2], parts[2::2])]


def saffron(program, words, folder):
    """What the command prints, with the plugins that were built beside it and no others."""
    others = ("SAFFRON_PLUGIN_PATH", "XDG_DATA_HOME")
    environment = {k: v for k, v in os.environ.items() if k not in others} | {"HOME": folder}
    done = subprocess.run([program, *words], cwd=folder, env=environment, text=True, timeout=60,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.returncode, done.stdout


def plugin(build, readme, folder):
    """What went wrong with README's plugin: its files, its commands, its lines of a recipe."""
    kept = {k: v for k, v in os.environ.items() if k not in NOT_THE_READERS}
    environment = kept | {"HOME": str(folder)}
    subprocess.run(["cmake", "--install", build, "--prefix", folder / "saffron"], check=True,
                   stdout=subprocess.DEVNULL)
    text = pathlib.Path(readme).read_text("utf-8")
    text = text[text.index("\n## A plugin\n"):text.index("\n## What there is\n")]
    script, recipe = [], ""
    for _, language, name, lines in fences(text):
        if name is not None:
            (folder / name).write_text("\n".join(lines) + "\n")
        elif language == "toml":
            recipe = "\n".join(lines)
        else:
            script += [line for line in lines if not line.startswith("make install ")]
    top, _, rest = recipe.partition("\n")
    (folder / "used.toml").write_text(f"{top}\n{blocks(readme, 'toml')[0]}\n{rest}\n")
    script += ["$HOME/saffron/bin/saffron check used.toml",
               "$HOME/saffron/bin/saffron test-plugin build/libhoyer.so --only-failed"]
    for line in script:
        done = subprocess.run(["bash", "-c", line], cwd=folder, env=environment, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode != 0:
            return f"README's plugin: {line}\n{done.stdout}"
    return None


def main():
    build, readme, recipes_page = sys.argv[1:4]
    program = pathlib.Path(build, "bin", "saffron").resolve()
    wrong, tried = 0, []
    if sys.argv[4:] == ["plugin"]:
        with tempfile.TemporaryDirectory() as folder:
            said = plugin(build, readme, pathlib.Path(folder))
            if said is not None:
                wrong += 1
                print(said)
    with tempfile.TemporaryDirectory() as folder:
        first = pathlib.Path(folder, "first.toml")
        first.write_text(blocks(readme, "toml")[0])
        shown = [pair for block in blocks(readme, "", "console") for pair in commands(block)]
        for words, expected in shown:
            if words[0] not in FREE or words[1:] != [first.name]:
                continue
            tried.append(words[0])
            code, printed = saffron(program, words, folder)
            if code != 0 or printed != expected:
                wrong += 1
                print(f"saffron {' '.join(words)} (exit code {code}):")
                sys.stdout.writelines(difflib.unified_diff(
                    expected.splitlines(True), printed.splitlines(True), "README.md", "program"))
        if sorted(tried) != sorted(FREE):
            wrong += 1
            print(f"README.md shows {tried} of its first recipe instead of {list(FREE)}")

        whole = [text for text in blocks(recipes_page, "toml")
                 if re.search(r"^saffron\s*=\s*1\b", text, re.MULTILINE)
                 and not NEEDS_FILES.search(text)]
        for number, text in enumerate(whole, 1):
            pathlib.Path(folder, f"page{number}.toml").write_text(text)
            code, printed = saffron(program, ["check", f"page{number}.toml"], folder)
            if code != 0:
                wrong += 1
                print(f"whole recipe {number} of {recipes_page} (exit code {code}):\n{printed}")
        if not whole:
            wrong += 1
            print(f"{recipes_page} shows no whole recipe")
    print(f"{len(tried)} commands and {len(whole)} recipes tried, {wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
