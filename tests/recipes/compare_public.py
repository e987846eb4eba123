#!/usr/bin/env python3
"""Distances between rewards beside those of the authors' own code, which tests/peers/record_public_rewards.py
recorded: lucyfarnik/starc (its values are iterated to 1e-8) and the tabular part of evaluating-rewards (its NPEC
is what 100 alternating steps reach: no less than the least, which ours is).

usage: compare_public.py SAFFRON GOLDEN-FILE
"""

import json
import pathlib
import subprocess
import sys
import tempfile

RECIPE = """saffron = 1
name = "public"
seed = 1
[world.mdp]
use = "tabular"
path = "world.json"
"""
COMPARATORS = {
    "none": 'pairs = ["all", "pearson-uniform"]', "epic": 'pairs = ["all", "pearson-uniform"]',
    "dard": 'pairs = ["all"]', "val_potential": 'pairs = ["all"]', "val": 'pairs = ["all"]',
    "direct": 'distances = ["1-uniform", "2-uniform"]', "npec": "",
}
TOLERANCE = {"None": 1e-10, "EPIC": 1e-10, "DARD": 1e-10, "VALPotential": 1e-6, "VAL": 1e-6, "direct": 1e-10,
             "NPEC": 1e-5}


def distances(program, world):
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        (root / "world.json").write_text(json.dumps(world))
        recipe = RECIPE
        for name, options in COMPARATORS.items():
            recipe += f'[compare.{name}]\nuse = "{name}"\nworld = "mdp"\n{options}\n'
        (root / "recipe.toml").write_text(recipe)
        subprocess.run([program, "run", "--quiet", "recipe.toml", "--runs", "runs", "--cache", ""], cwd=root,
                       check=True, timeout=200, stdout=subprocess.DEVNULL)
        (results,) = root.glob("runs/*/results.json")
        found = {}
        for node in json.loads(results.read_text())["compare"].values():
            for pair in node["pairs"]:
                if (pair["a"], pair["b"]) == ("first", "second"):
                    found.update(pair["metrics"])
        return found


def main():
    program, golden = sys.argv[1], json.loads(pathlib.Path(sys.argv[2]).read_text())
    compared = 0
    for vector in golden:
        found = distances(program, vector["world"])
        for source in ("starc", "evaluating_rewards"):
            for key, expected in vector[source].items():
                allowed = TOLERANCE[key.split("/")[0]] * max(1, abs(expected))
                assert abs(found[key] - expected) <= allowed, f"{source}, {key}: {found[key]}, not {expected}"
                assert key != "NPEC" or found[key] <= expected + 1e-12, f"{found[key]} is no minimum"
                compared += 1
    assert compared == len(golden) * (5 * 42 + 5), compared
    print(f"{compared} numbers agree")


if __name__ == "__main__":
    main()
