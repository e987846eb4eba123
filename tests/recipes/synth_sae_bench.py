#!/usr/bin/env python3
"""recipes/synth_sae_bench/small.toml on one seed: nested dictionaries find more of the planted features than
BatchTopK, and BatchTopK more than random directions, in F1 and MCC. The recipes at the published size have no
mistakes.

usage: synth_sae_bench.py SAFFRON FOLDER
"""

import json
import pathlib
import subprocess
import sys
import tempfile

SHORT = ["threads=1", "train.all.rows=600_000", "train.all.vary={ seed = [1] }", "score.recovery.rows=20_000"]
ORDER = ["matryoshka[seed=1]", "batch_topk[seed=1]", "random[seed=1]"]
MARGIN = 0.02  # seeds differ by less


def main():
    program, recipes = sys.argv[1], pathlib.Path(sys.argv[2]).resolve()
    wrong = 0
    for recipe in sorted(recipes.glob("*.toml")):
        checked = subprocess.run([program, "check", str(recipe)], timeout=100, capture_output=True, text=True)
        printed = checked.stdout + checked.stderr
        if checked.returncode != 0 or "warning:" in printed:
            print(f"check {recipe}: {checked.returncode}\n{printed}")
            wrong += 1
    with tempfile.TemporaryDirectory() as folder:
        command = [program, "run", "--quiet", str(recipes / "small.toml"), "--cache", ""]
        for change in SHORT:
            command += ["--set", change]
        subprocess.run(command, cwd=folder, check=True, timeout=580)
        (results,) = pathlib.Path(folder).glob("runs/*/results.json")
        scores = json.loads(results.read_text())["score"]["recovery"]
    found = {(m["subject"], m["key"]): m["value"] for m in scores}
    for key in ("f1", "mcc"):
        values = [found[sae, key] for sae in ORDER]
        print(key, ", ".join(f"{sae} {value:.4f}" for sae, value in zip(ORDER, values)))
        for better, worse in zip(values, values[1:]):
            wrong += not better > worse + MARGIN
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
