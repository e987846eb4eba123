#!/usr/bin/env python3
"""Kills a training run at random moments, starts it again each time, and compares the end with an
uninterrupted run: weights and metrics (timings aside) must be equal to the last bit.

usage: kill_and_resume.py SAFFRON RECIPE KILLS
"""

import filecmp
import json
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time


def run(program, recipe, folder, cache, kill_after=None):
    command = [program, "run", "--quiet", recipe, "--runs", "runs", "--cache", cache]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE, text=True)
    if kill_after is None:
        _, errors = process.communicate(timeout=300)
        if process.returncode != 0:
            sys.exit(f"the run failed with {process.returncode}:\n{errors}")
        return True
    try:
        process.wait(timeout=kill_after)
        return True
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.communicate()
        return False


def metrics(folder):
    records = []
    for line in (folder / "metrics.jsonl").read_text().splitlines():
        record = json.loads(line)
        del record["time"]
        records.append(record)
    return records


def compare(a, b):
    """Weights and metrics of two run directories; the names of the SAEs."""
    names = sorted(p.name for p in (a / "saes").iterdir())
    if names != sorted(p.name for p in (b / "saes").iterdir()) or not names:
        sys.exit("the runs hold different SAEs")
    for name in names:
        if not filecmp.cmp(a / "saes" / name, b / "saes" / name, shallow=False):
            sys.exit(f"{name} differs from an uninterrupted run")
    if metrics(a) != metrics(b):
        sys.exit("metrics.jsonl differs from an uninterrupted run")
    return names


def kill_often(program, recipe, base, straight, seconds, kills, cache):
    killed = pathlib.Path(base, f"killed-{bool(cache)}")
    killed.mkdir()
    for number in range(kills):
        # From before it has read its recipe; short enough that every run needs several attempts.
        if run(program, recipe, killed, cache, random.uniform(0.02, 0.6 * seconds)):
            # Done early: start over, so that every kill hits a run at work.
            done = killed / f"done-{number}"
            done.mkdir()
            for part in [killed / "runs", *([killed / cache] if cache else [])]:
                part.rename(done / part.name)
    run(program, recipe, killed, cache)
    a, b = (next(folder.glob("runs/*/manifest.json")).parent for folder in (straight, killed))
    names = compare(a, b)
    leftovers = [p for p in b.rglob("*") if ".tmp" in p.name]
    if leftovers:
        sys.exit(f"temporary files are left: {leftovers}")
    resumed = sum(len(json.loads(manifest.read_text())["resumed"])
                  for manifest in killed.rglob("manifest.json"))
    if resumed == 0:
        sys.exit(f"{kills} kills, and no run was resumed: nothing was tested")
    print(f"{len(names)} SAEs equal after {kills} kills {'with' if cache else 'without'} a cache "
          f"({resumed} resumptions)")


def main():
    program, recipe, kills = sys.argv[1], str(pathlib.Path(sys.argv[2]).resolve()), int(sys.argv[3])
    random.seed(20)
    with tempfile.TemporaryDirectory() as base:
        straight = pathlib.Path(base, "straight")
        straight.mkdir()
        started = time.monotonic()
        run(program, recipe, straight, "")
        seconds = time.monotonic() - started
        kill_often(program, recipe, base, straight, seconds, kills, "")
        kill_often(program, recipe, base, straight, seconds, kills // 2, "cache")


main()
