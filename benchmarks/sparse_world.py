#!/usr/bin/env python3
"""Comparators in a random world with sparse transitions: seconds, memory, iterations and the error that the
report states. Needs NumPy. Writes Markdown to standard output.

usage: sparse_world.py [--program SAFFRON] [--states S] [--rewards R] [--gamma G ...] [--only NODE ...]
"""

import argparse
import json
import os
import pathlib
import subprocess
import tempfile

import numpy

ACTIONS, SUCCESSORS = 4, 5
NODES = {
    "val": 'use = "val"',
    "minimal": 'use = "minimal"',
    "minimal, tau": 'use = "minimal"\nweights = ["tau"]',
    "span": 'use = "span"\nmetrics = ["span"]',
    "w12": 'use = "span"\nmetrics = ["w12"]',
    "regret": 'use = "regret"',
}


def write_world(path, states, rewards, gamma):
    random = numpy.random.default_rng(1)
    rows = states * ACTIONS
    successors = random.integers(0, states, (rows, SUCCESSORS))
    while True:  # different ones in every row
        successors.sort(axis=1)
        twice = (successors[:, 1:] == successors[:, :-1]).any(axis=1)
        if not twice.any():
            break
        successors[twice] = random.integers(0, states, (twice.sum(), SUCCESSORS))
    p = random.exponential(size=(rows, SUCCESSORS))
    values = {f"rewards/r{i}": random.normal(size=rows * SUCCESSORS) for i in range(rewards)}
    numpy.savez(path, gamma=gamma, mu0=numpy.full(states, 1 / states),
                offsets=numpy.arange(rows + 1) * SUCCESSORS, successors=successors.ravel(),
                probabilities=(p / p.sum(axis=1, keepdims=True)).ravel(), **values)


def solved(report):
    """The rows of the report's table about solvers."""
    def look(value):
        if isinstance(value, dict):
            if value.get("title") == "How it was solved":
                yield from value["rows"]
            for item in value.values():
                yield from look(item)
        if isinstance(value, list):
            for item in value:
                yield from look(item)
    return list(look(report))


def measure(program, folder, node):
    recipe = folder / "recipe.toml"
    recipe.write_text('saffron = 1\nname = "sparse"\nseed = 1\n[world.w]\nuse = "tabular"\n'
                      f'path = "{folder}/world.npz"\n[compare.c]\nworld = "w"\n{NODES[node]}\n')
    child = subprocess.Popen([program, "run", "--quiet", recipe, "--cache", "", "--runs", folder / "runs"],
                             stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    assert status == 0, f"{node} ended with {status}"
    newest = max((folder / "runs").glob("*/report.json"), key=os.path.getmtime)
    rows = solved(json.loads(newest.read_text()))
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 2**20, sum(r[2] for r in rows), max(r[4] for r in rows)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--program", default="build/release/bin/saffron")
    arguments.add_argument("--states", type=int, default=100_000)
    arguments.add_argument("--rewards", type=int, default=8)
    arguments.add_argument("--gamma", type=float, nargs="+", default=[0.99, 0.999])
    arguments.add_argument("--only", nargs="+", choices=NODES, default=list(NODES))
    given = arguments.parse_args()
    program = str(pathlib.Path(given.program).resolve())
    print("| comparator | gamma | processor seconds | GiB | iterations | error at most |\n"
          "| --- | --- | --- | --- | --- | --- |")
    for gamma in given.gamma:
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            write_world(folder / "world.npz", given.states, given.rewards, gamma)
            for node in given.only:
                seconds, memory, iterations, error = measure(program, folder, node)
                print(f"| `{node}` | {gamma} | {seconds:.0f} | {memory:.2f} | {iterations:,} | {error:.0e} |",
                      flush=True)


if __name__ == "__main__":
    main()
