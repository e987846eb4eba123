#!/usr/bin/env python3
"""recipes/planted_flat.toml keeps its word, on one seed and, for TopK, a third of the rows.

usage: planted_flat.py SAFFRON RECIPE
"""

import json
import math
import pathlib
import subprocess
import sys
import tempfile

ONE_SEED = ["threads=1", "train.relu.vary={ seed = [1] }", "train.topk.vary={ seed = [1] }",
            "train.topk.rows=320_000"]
EXPECTED = {  # closed ranges
    "relu[seed=1]": {"mmcs": (0.97, 1), "l0": (11, 18), "f1": (0.40, 0.60)},
    "topk[seed=1]": {"mmcs": (0.95, 1), "l0": (4, 5), "f1": (0.68, 1)},
}
# The paper's own spelling of the penalty: l1 = .01 on the mean over latents, beside a mean error.
AS_PUBLISHED = ["name=as_published", "train.relu.rows=2560", "train.topk.rows=2560",
                "train.relu.objective={ use = 'mse', reduction = 'mean' }",
                "train.relu.regularizer.l1.convention=mean_over_latents",
                "train.relu.regularizer.l1.coef=0.01"]


def run(program, recipe, folder, changes):
    """The results of the recipe with these changes."""
    before = set(pathlib.Path(folder).glob("runs/*/results.json"))
    command = [program, "run", "--quiet", recipe, "--cache", ""]
    for change in changes:
        command += ["--set", change]
    subprocess.run(command, cwd=folder, check=True, timeout=580)
    (results,) = set(pathlib.Path(folder).glob("runs/*/results.json")) - before
    return json.loads(results.read_text())


def main():
    program, recipe = sys.argv[1], str(pathlib.Path(sys.argv[2]).resolve())
    wrong = 0

    def check(what, value, low, high):
        nonlocal wrong
        within = low <= value <= high
        wrong += not within
        print(f"{what} = {value:.4f}, expected {low} to {high}{'' if within else '  <- WRONG'}")

    with tempfile.TemporaryDirectory() as folder:
        shorter = run(program, recipe, folder, ONE_SEED)
        published = run(program, recipe, folder, ONE_SEED + AS_PUBLISHED)
    found = {(m["subject"], m["key"]): m["value"] for m in shorter["score"]["recovery"]}
    for sae, ranges in EXPECTED.items():
        for key, (low, high) in ranges.items():
            check(f"{sae} {key}", found[sae, key], low, high)
    for results in shorter, published:
        l1 = results["train"]["train.relu"]["relu[seed=1]"]["coefficients"]["l1"]
        check(f"canonical coefficient of {l1['coef']}", l1["canonical"],
              math.nextafter(0.005, 0), math.nextafter(0.005, 1))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
