#!/usr/bin/env python3
"""What the recipes that compare rewards say of their own results.

usage: compare_worlds.py SAFFRON RECIPES-FOLDER
"""

import json
import pathlib
import subprocess
import sys
import tempfile


def distances(program, recipe, *changes):
    """{(a, b): {metric: value}} of every comparator of a recipe."""
    root = pathlib.Path(recipe).resolve().parent.parent
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([program, "run", "--quiet", recipe, "--runs", folder, "--cache", "", *changes],
                       cwd=root, check=True, timeout=200)
        (results,) = pathlib.Path(folder).glob("*/results.json")
        compared = json.loads(results.read_text())["compare"]
    pairs = {}
    for comparator in compared.values():
        for pair in comparator["pairs"]:
            pairs.setdefault((pair["a"], pair["b"]), {}).update(pair["metrics"])
    return pairs


def near(found, expected, tolerance):
    assert abs(found - expected) <= tolerance, f"{found} is not {expected} within {tolerance}"


def gridworld(program, recipes):
    pairs = distances(program, recipes / "compare_gridworld.toml")
    for metric in ["VAL/2-2", "EPIC/2-2"]:
        near(pairs["goal", "shaped"][metric], 0, 1e-9)
    near(pairs["goal", "progress"]["VAL/2-2"], 0.153, 5e-4)
    near(pairs["goal", "progress"]["EPIC/2-2"], 0.029, 5e-4)


def random_mdp(program, recipes):
    pairs = distances(program, recipes / "compare_random_mdp.toml")
    way = ["r0", *(f"r0 to r1, {i}/16" for i in range(1, 16)), "r1"]
    assert len(pairs) == len(way) ** 2, len(pairs)
    for metric in ["VAL/2-2", "EPIC/2-2", "VAL/angle", "EPIC/pearson-uniform"]:
        found = [pairs["r0", to][metric] for to in way]
        assert found[0] == 0 and found[-1] > 0.1, found
        assert found == sorted(found), f"{metric}: {found}"


def opposite_rewards(program, recipes):
    pairs = distances(program, recipes / "opposite_rewards.toml")
    for pair, expected in {("go_right", "stay_left"): (5.5446e-4, 7.4534e-4, 7.8959e-4, 2, 1.666e-3),
                           ("first", "opposite"): (5.7772e-4, 7.1608e-4, 6.8514e-4, 2.154e-3, 2.356e-3)}.items():
        found = pairs[pair]
        keys = ["EPIC/pearson-uniform", "EPIC/pearson-reachable", "DARD/pearson-reachable",
                "VALPotential/weighted_2-weighted_2", "MinimalPotential_L2/weighted_2-weighted_2"]
        for key, value in zip(keys, expected):
            near(found[key], value, 1e-3 * value)
        for key in ["VAL/2-2", "Minimal_L2/2-2", "span"]:
            near(found[key], 2, 1e-9)
        for key in ["w12", "regret1_pessimistic"]:
            near(found[key], 1, 1e-9)


def starc_protocol(program, recipes):
    pairs = distances(program, recipes / "starc_protocol.toml", "--set", "world.mdp.environments=4",
                      "--set", "world.mdp.draws=1")
    way = [f"r0 to r1, {i}/16" for i in range(1, 16)] + ["r1"]
    found = [pairs["r0", to]["w"] for to in way]
    assert all(0 < value <= 1 for value in found) and found == sorted(found), found
    assert pairs["r1", way[0]]["w"] is None


def noise_inflation(program, recipes):
    pairs = distances(program, recipes / "noise_inflation.toml")
    for sigma in [0.5, 1, 2]:
        found = pairs[f"sigma {sigma:g}, a", f"sigma {sigma:g}, b"]
        inflated = lambda variance: (2 * variance / (1 + variance)) ** 0.5
        near(found["Minimal_tauL2/2-2"], 0, 1e-5)
        near(found["LS_minimal/2-2"], inflated(sigma**2), 0.03)
        plain = found["LS_minimal_averaged/2-2"]
        # Potentials take 10 of 40 dimensions of the noise; what 30 squares leave spreads by an eighth.
        law = 0.75**0.5 * inflated(sigma**2 / 50)
        near(plain, law, 3 * law / 8)
        repaired = "LS_minimal_averaged/2-2/replicates"
        assert found[repaired] < 0.5 * plain, found
        assert found[repaired + "/low"] == 0, found


def main():
    program, recipes = sys.argv[1], pathlib.Path(sys.argv[2])
    gridworld(program, recipes)
    random_mdp(program, recipes)
    opposite_rewards(program, recipes)
    starc_protocol(program, recipes)
    noise_inflation(program, recipes)


if __name__ == "__main__":
    main()
