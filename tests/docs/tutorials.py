#!/usr/bin/env python3
"""Follows a tutorial to the letter, in an empty folder, with an installed Saffron.

usage: tutorials.py SOURCE_DIR BUILD_DIR PAGE [SECONDS]

The build is installed into a folder of its own, whose program stands first on the PATH; $SAFFRON is
that folder and $SAFFRON_SOURCE the repository, as the pages say. Then, from top to bottom:

- a fence below a line that ends with a file's name in backquotes and a colon is that file, as in
  The penalty, `hoyer.cpp`:
- with the language `diff` it is a change of that file: the lines that it shows without `+` must be
  there once, one after another, and become those that it shows without `-`;
- a fence with the language `console` has commands after `$ `. All run in one session (folder,
  variables). What stands below a command is all that it prints: a line `...` stands for any lines,
  `...` within a line for any text, and numbers may differ by a tenth. Nothing below it is no claim.
  A command that fails is followed by `$ echo $?` and its code.

Other fences are only shown. A table of seconds comes at the end; more than SECONDS in all is a
failure.
"""

import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile
import time

COMMAND_SECONDS = 600
TOLERANCE = 0.1
NUMBER = re.compile(r"(?<![\w.:/-])-?\d+(?:,\d{3})*(?:\.\d+)?(?:e[-+]?\d+)?(?![\w:/]|\.\d)")
# What a reader does not have set, or what would make a compilation look cheap. The last four are of
# a make that this runs under: one in another prints the folders that it enters.
NOT_THE_READERS = ("SAFFRON_PLUGIN_PATH", "CMAKE_PREFIX_PATH", "CMAKE_CXX_COMPILER_LAUNCHER",
                   "CMAKE_GENERATOR", "CMAKE_BUILD_TYPE", "CXXFLAGS", "LDFLAGS",
                   "MAKEFLAGS", "MFLAGS", "GNUMAKEFLAGS", "MAKELEVEL")


class Wrong(Exception):
    pass


def fences(text):
    """(line number, language, file named just above or None, lines) of each fenced block."""
    before, fence = "", None
    for number, line in enumerate(text.split("\n"), 1):
        if fence is None:
            if line.startswith("```"):
                named = re.search(r"`([^`\s]+)`:$", before)
                fence = (number, line[3:].strip(), named.group(1) if named else None, [])
            elif line.strip():
                before = line.rstrip()
        elif line == "```":
            yield fence
            before, fence = "", None
        else:
            fence[3].append(line)


def commands(number, lines):
    """(line number, command, the lines shown below it) of a console block."""
    found = []
    for number, line in enumerate(lines, number + 1):
        if line.startswith("$ "):
            found.append((number, line[2:], []))
        elif found and not found[-1][2] and found[-1][1].endswith("\\"):
            found[-1] = (found[-1][0], found[-1][1] + "\n" + line, [])
        elif found:
            found[-1][2].append(line)
        else:
            raise Wrong(f"line {number}: output that belongs to no command")
    return found


def pattern(shown):
    """A regular expression for a shown line, and the numbers in it, in the order of its groups."""
    out, numbers = "", []
    for i, part in enumerate(shown.split("...")):
        out, at = out + (".*?" if i else ""), 0
        for found in NUMBER.finditer(part):
            out += words(part[at:found.start()]) + r"(-?[\d.,e+-]*\d)"
            numbers.append(value(found.group()))
            at = found.end()
        out += words(part[at:])
    return re.compile(out), numbers


def words(text):
    """Spaces may be more or fewer: numbers of other lengths move what follows."""
    return re.sub(r"(?:\\ )+", r"\\s*", re.escape(text))


def value(text):
    return float(text.replace(",", ""))


def same(shown, printed):
    expression, numbers = pattern(shown.rstrip())
    found = expression.fullmatch(printed.rstrip())
    if not found:
        return False
    try:
        return all(abs(value(have) - want) <= TOLERANCE * max(abs(want), abs(value(have)))
                   for have, want in zip(found.groups(), numbers))
    except ValueError:
        return False


def differs(shown, printed):
    """None, or the first shown line that was not found; one after `...` may be further on."""
    at, anywhere = 0, False
    for line in shown:
        if line.strip() == "...":
            anywhere = True
            continue
        while anywhere and at < len(printed) and not same(line, printed[at]):
            at += 1
        if at == len(printed) or not same(line, printed[at]):
            return line
        at, anywhere = at + 1, False
    return None if anywhere or at == len(printed) else f"the end, instead of: {printed[at]}"


def changed(text, lines):
    """The text after a change as diffs show them."""
    old = "".join(line[1:] + "\n" for line in lines if not line.startswith("+"))
    new = "".join(line[1:] + "\n" for line in lines if not line.startswith("-"))
    if text.count(old) != 1:
        raise Wrong(f"what the change replaces is there {text.count(old)} times:\n{old}")
    return text.replace(old, new)


class Session:
    """Commands one after another, each in a shell that goes on where the last one stopped."""

    def __init__(self, folder, environment):
        self.folder, self.environment, self.code = folder, environment, 0
        self.state = folder.parent / "state"
        self.state.write_text(f"cd {shlex.quote(str(folder))}\n")

    def run(self, command):
        """What it prints, errors too."""
        state = shlex.quote(str(self.state))
        script = (f"set -a; source {state}; (exit {self.code})\n{command}\ncode=$?\n"
                  f"{{ export -p; printf 'cd %q\\n' \"$PWD\"; pwd > {state}.folder; }} > {state}\n"
                  f"exit $code")
        done = subprocess.run(["bash", "-c", script], env=self.environment, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=COMMAND_SECONDS)
        self.code = done.returncode
        where = pathlib.Path(f"{self.state}.folder")
        if where.exists():
            self.folder = pathlib.Path(where.read_text().rstrip("\n"))
        return done.stdout

    def try_block(self, block, done):
        for i, (number, command, shown) in enumerate(block):
            start = time.monotonic()
            printed = self.run(command)
            done(number, command, time.monotonic() - start)
            said = i + 1 < len(block) and block[i + 1][1] == "echo $?"
            if self.code != 0 and not said:
                raise Wrong(f"line {number}: {command}\nexit code {self.code}\n{printed}")
            missing = differs(shown, printed.splitlines()) if shown else None
            if missing is not None:
                raise Wrong(f"line {number}: {command}\nshown, but not printed:\n{missing}\n"
                            f"printed:\n{printed}")


def follow(page, session, done):
    for number, language, name, lines in fences(page.read_text("utf-8")):
        if language == "console":
            session.try_block(commands(number, lines), done)
        elif language == "diff":
            file = session.folder / name
            file.write_text(changed(file.read_text(), lines))
        elif name is not None:
            (session.folder / name).write_text("\n".join(lines) + "\n")


def main():
    source, build, page = map(pathlib.Path, sys.argv[1:4])
    limit = float(sys.argv[4]) if len(sys.argv) > 4 else None
    rows = []

    def done(number, what, seconds):
        rows.append((number, what.split("\n")[0], seconds))

    with tempfile.TemporaryDirectory() as work:
        prefix, folder = pathlib.Path(work, "saffron"), pathlib.Path(work, "empty")
        folder.mkdir()
        start = time.monotonic()
        subprocess.run(["cmake", "--install", build, "--prefix", prefix], check=True,
                       stdout=subprocess.DEVNULL)
        done(0, "(install)", time.monotonic() - start)
        kept = {k: v for k, v in os.environ.items() if k not in NOT_THE_READERS}
        session = Session(folder, kept | {
            "SAFFRON": str(prefix), "SAFFRON_SOURCE": str(source.resolve()),
            "PATH": f"{prefix}/bin:{os.environ['PATH']}", "XDG_DATA_HOME": f"{work}/none",
            "OMP_WAIT_POLICY": "passive"})
        problem = None
        try:
            follow(page, session, done)
        except Wrong as wrong:
            problem = str(wrong)
    total = sum(seconds for _, _, seconds in rows)
    for number, what, seconds in rows:
        print(f"{seconds:7.1f} s  line {number:3}  {what}")
    print(f"{total:7.1f} s  in all")
    if problem is None and limit is not None and total > limit:
        problem = f"that is more than {limit:.0f} s"
    if problem is not None:
        print(f"{page}: {problem}")
    return 1 if problem else 0


if __name__ == "__main__":
    sys.exit(main())
