#!/usr/bin/env python3
"""recipes/quickstart.toml keeps its word on an eighth of its rows and half of its latents.

usage: quickstart.py SAFFRON RECIPE

Smaller batches and larger steps make up for the missing rows. Model and text are those that
scripts/setup leaves in models/ and data/ beside the recipe's folder.
"""

import json
import math
import pathlib
import re
import subprocess
import sys
import tempfile

SHORTER = ["threads=2", "train.all.rows=32_512", "train.all.batch=256",
           "train.all.optimizer.lr=3e-3", "source.acts.normalise_contexts=32",
           "score.reconstruction.rows=8128", "score.loss.rows=8128", "score.loss.contexts=8",
           "score.contexts.rows=8128",
           *(f"sae.{name}.width=2048" for name in ("topk", "relu", "random"))]
TRAINED = ["topk[k=16]", "topk[k=32]"]
MODEL = "SmolLM2-135M-Instruct (Q4_1)"


def report_of(page):
    """The document that the page renders."""
    (documents,) = re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', page,
                              re.DOTALL)
    (report,) = json.loads(documents)
    return report


def run(program, recipe, folder):
    """The one run folder that the command leaves below `folder`."""
    command = [program, "run", "--quiet", recipe, "--runs", folder, "--cache", ""]
    for change in SHORTER:
        command += ["--set", change]
    subprocess.run(command, cwd=recipe.parent.parent, check=True, timeout=580)
    (results,) = pathlib.Path(folder).glob("*/results.json")
    return results.parent


def main():
    program, recipe = sys.argv[1], pathlib.Path(sys.argv[2]).resolve()
    with tempfile.TemporaryDirectory() as folder:
        directory = run(program, recipe, folder)
        results = json.loads((directory / "results.json").read_text())
        page = (directory / "report.html").read_text("utf-8")
    found = {(m["subject"], m["key"]): m["value"]
             for name in ("reconstruction", "loss") for m in results["score"][name]
             if m.get("subject")}
    wrong = 0

    def check(what, holds):
        nonlocal wrong
        wrong += not holds
        print(f"{what}{'' if holds else '  <- WRONG'}")

    def check_range(what, value, low, high):
        check(f"{what} = {value:.4f}, expected {low:.4f} to {high:.4f}", low <= value <= high)

    fvu, recovered = found["random", "fvu"], found["random", "loss_recovered_zero"]
    check_range("random fvu", fvu, 0.5, 1)
    for sae, k in zip(TRAINED, (16, 32)):
        check_range(f"{sae} l0", found[sae, "l0"], 0.9 * k, k)
        check_range(f"{sae} fvu", found[sae, "fvu"], 0, fvu / 2)
        check_range(f"{sae} loss recovered", found[sae, "loss_recovered_zero"],
                    math.nextafter(recovered, math.inf), 1)
    report = report_of(page)
    headline, notes = " ".join(report["headline"]), " ".join(report["notes"])
    check(f"report.html begins: {headline}", MODEL in headline)
    check(f"its notes: {notes}", MODEL in notes and "4-bit Q4_1" in notes)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
