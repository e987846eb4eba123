#!/usr/bin/env python3
"""recipes/synth_sae_bench/eighth.toml with two models of features, and its SAEs at other L0: which architecture
finds more of the planted features, and does that agree with the published order? Writes Markdown to standard
output. Half a day on two cores; a run that was stopped goes on where it was.

usage: synth_sae_bench.py [--program SAFFRON] [--folder RUNS] [--rows N]
"""

import argparse
import concurrent.futures
import itertools
import json
import pathlib
import statistics
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent
RECIPE = ROOT / "recipes/synth_sae_bench/eighth.toml"
MODELS = (42, 43)  # model_seed: features, hierarchy, correlations
SEEDS = (1, 2, 3)
BESIDE = (15, 40)  # the other L0 of the frontier, with the first seed
KEYS = {"f1": "F1", "mcc": "MCC", "uniqueness": "uniqueness", "explained_variance": "variance explained", "l0": "L0"}

# Chanin, Garriga-Alonso 2026, at L0 = 25: mean and standard deviation over five seeds.
PUBLISHED = {
    "batch_topk": {"f1": (0.7316, 0.0010), "mcc": (0.7574, 0.0003)},
    "matryoshka": {"f1": (0.8793, 0.0021), "mcc": (0.7927, 0.0006)},
    "matching_pursuit": {"f1": (0.4464, 0.0044), "mcc": (0.6930, 0.0030)},
    "relu": {"f1": (0.5562, 0.0020), "mcc": (0.6039, 0.0012)},
    "jumprelu": {"f1": (0.7317, 0.0034), "mcc": (0.7527, 0.0009)},
}
# What sets an SAE's L0.
SPARSITY = {
    "batch_topk": "batch_topk.k",
    "matryoshka": "matryoshka.k",
    "matching_pursuit": "matching_pursuit.k",
    "relu": "regularizer.l1.target_l0",
    "jumprelu": "jumprelu.target_l0",
}


def vary(l0s, seeds):
    lists = [f'"{key}" = [{", ".join(map(str, l0s))}]' for key in SPARSITY.values()]
    return f'{{ seed = [{", ".join(map(str, seeds))}], {", ".join(lists)} }}'


def run(program, folder, model, rows, grid):
    """What a run found: (architecture, seed, L0) -> key -> value."""
    command = [program, "run", "--quiet", str(RECIPE), "--runs", str(folder)]
    for change in (f"source.synth.model_seed={model}", f"train.all.vary={grid}"):
        command += ["--set", change]
    if rows:
        command += ["--set", f"train.all.rows={rows}"]
    subprocess.run(command, check=True)
    (results,) = folder.glob("*/results.json")
    results = json.loads(results.read_text())
    found = {}
    for metric in itertools.chain.from_iterable(results["score"].values()):
        found.setdefault(metric["subject"], {})[metric["key"]] = metric["value"]
    return found


def runs_of(program, folder, model, rows):
    """The two runs of one model: three seeds at the published L0, and one at each of the others."""
    at_25 = run(program, folder / f"model-{model}-25", model, rows, vary((25,), SEEDS))
    beside = run(program, folder / f"model-{model}-beside", model, rows, vary(BESIDE, SEEDS[:1]))
    return at_25, beside


def member(found, architecture, seed, l0):
    (name,) = [
        name
        for name in found
        if name.startswith(f"{architecture}[")
        and f"seed={seed}" in name
        and any(name.endswith(f"{SPARSITY[architecture].split('.', 1)[-1]}={text}]") for text in (l0, f"{l0}.0"))
    ]
    return found[name]


def spread(values):
    return f"{statistics.mean(values):.4f} ± {statistics.stdev(values):.4f}"


def table(title, at_25):
    print(f"\n{title}\n\n| | {' | '.join(KEYS.values())} |\n| --- |{' --- |' * len(KEYS)}")
    for architecture in PUBLISHED:
        cells = [spread([member(at_25, architecture, s, 25)[key] for s in SEEDS]) for key in KEYS]
        print(f"| {architecture} | {' | '.join(cells)} |")


def orders(by_model):
    """Every pair that the published table separates by more than three standard deviations."""
    print("\n| pair | published | " + " | ".join(f"model {m}" for m in by_model) + " | |\n| --- | --- | "
          + " --- |" * (len(by_model) + 1))
    for key in ("f1", "mcc"):
        for a, b in itertools.combinations(PUBLISHED, 2):
            (mean_a, sd_a), (mean_b, sd_b) = PUBLISHED[a][key], PUBLISHED[b][key]
            if abs(mean_a - mean_b) <= 3 * max(sd_a, sd_b):
                continue
            ours = [
                statistics.mean(member(at_25, a, s, 25)[key] for s in SEEDS)
                - statistics.mean(member(at_25, b, s, 25)[key] for s in SEEDS)
                for at_25, _ in by_model.values()
            ]
            same = all((own > 0) == (mean_a > mean_b) for own in ours)
            print(f"| {KEYS[key]}, {a} - {b} | {mean_a - mean_b:+.4f} | "
                  + " | ".join(f"{own:+.4f}" for own in ours) + f" | {'same' if same else 'OTHER'} |")


def frontier(by_model):
    l0s = sorted((25, *BESIDE))
    print("\n| seed 1 | " + " | ".join(f"L0 {l0}, model {m}" for l0 in l0s for m in by_model) + " |\n| --- |"
          + " --- |" * (len(l0s) * len(by_model)))
    for architecture in PUBLISHED:
        cells = []
        for l0 in l0s:
            for at_25, beside in by_model.values():
                of = member(at_25 if l0 == 25 else beside, architecture, SEEDS[0], l0)
                cells.append(f"{of['f1']:.3f} / {of['mcc']:.3f} / {of['explained_variance']:.3f} ({of['l0']:.1f})")
        print(f"| {architecture} | {' | '.join(cells)} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=str(ROOT / "build/release/bin/saffron"))
    parser.add_argument("--folder", type=pathlib.Path, default=pathlib.Path("runs/synth_sae_bench"))
    parser.add_argument("--rows", type=int, help="instead of the recipe's")
    given = parser.parse_args()
    with concurrent.futures.ThreadPoolExecutor(len(MODELS)) as pool:
        found = list(pool.map(lambda model: runs_of(given.program, given.folder, model, given.rows), MODELS))
    by_model = dict(zip(MODELS, found))
    for model, (at_25, _) in by_model.items():
        table(f"Model {model}, L0 = 25, {len(SEEDS)} seeds (mean ± standard deviation):", at_25)
    orders(by_model)
    frontier(by_model)


if __name__ == "__main__":
    main()
