#!/usr/bin/env python3
"""recipes/starc_protocol.toml with several seeds: time, memory, and every correlation of distances with regret beside
those of another program, which was written from the same description with other random numbers (C++, exact regrets,
46,525 pairs). Writes Markdown to standard output. Seven minutes on two cores.

A cell is the mean over the seeds; its error, one run's, is the jackknife's over environments where there is one, else
the standard deviation over the seeds. The difference is in standard errors of a difference between this mean and one
run. Extremes and variations of w12 / d have long tails: they are shown as the least, the median and the largest of as
many seeds of 128 environments, which have about as many ratios as the other program's 15,555.

usage: starc_protocol.py [--program SAFFRON] [--seeds N]
"""

import argparse
import json
import math
import os
import pathlib
import statistics
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
MEASURES = ("1-1", "2-2", "weighted_1-weighted_1", "weighted_2-weighted_2", "angle")
# Pearson with regret, the highest of all norms with regret, Pearson with worst-case regret (no highest).
OTHER = {
    "None": ((0.6465, 0.6135, 0.6561, 0.6402, 0.6190), 0.6561,
        (0.6274, 0.6476, 0.6331, 0.6667, 0.6461)),
    "EPIC": ((0.8571, 0.8365, 0.8685, 0.8842, 0.8442), 0.8925,
        (0.9361, 0.9233, 0.9455, 0.9690, 0.9185)),
    "DARD": ((0.8947, 0.8410, 0.9055, 0.8844, 0.8488), 0.9055,
        (0.9297, 0.9268, 0.9386, 0.9695, 0.9218)),
    "MinimalPotential_L2": ((0.8525, 0.8364, 0.8625, 0.8861, 0.8442), 0.8944,
        (0.9379, 0.9233, 0.9471, 0.9712, 0.9185)),
    "VALPotential": ((0.9029, 0.8416, 0.9091, 0.8951, 0.8495), 0.9091,
        (0.9455, 0.9272, 0.9656, 0.9780, 0.9222)),
    "VAL": ((0.9246, 0.9091, 0.9246, 0.9091, 0.9195), 0.9246,
        (0.9706, 0.9816, 0.9706, 0.9816, 0.9736)),
    "Minimal_L2": ((0.9165, 0.9057, 0.9186, 0.9082, 0.9158), 0.9274,
        (0.9741, 0.9796, 0.9753, 0.9813, 0.9718)),
    "Minimal_tauL2": ((0.9191, 0.9085, 0.9191, 0.9085, 0.9189), 0.9346,
        (0.9762, 0.9815, 0.9762, 0.9815, 0.9735)),
}
COLUMNS = ("pearson_regret", "pearson_w", "spearman_regret", "spearman_w")
OTHER_RANKS = {
    "EPIC/pearson-uniform": (0.8365, 0.9233, 0.8901, 0.9048),
    "EPIC/pearson-reachable": (0.8846, 0.9693, 0.9439, 0.9603),
    "DARD/pearson-uniform": (0.8410, 0.9268, 0.8943, 0.9087),
    "DARD/pearson-reachable": (0.8847, 0.9698, 0.9444, 0.9610),
    "VAL/2-2": (0.9091, 0.9816, 0.9676, 0.9877),
    "Minimal_tauL2/2-2": (0.9085, 0.9815, 0.9672, 0.9872),
    "VAL/angle": (0.9195, 0.9736, 0.9676, 0.9874),
    "span": (0.9431, 0.9723, 0.9799, 0.9891),
}
ROUNDING = 1e-9  # of constants that are exact
CONSTANTS = ("least_ratio", "largest_ratio", "variation_of_ratios")
OTHER_CONSTANTS = {
    "None/2-2": (0.002518, 321.6, 4.556),
    "EPIC/1-1": (0.07879, 108.3, 1.812),
    "EPIC/2-2": (0.08817, 162.4, 2.450),
    "EPIC/weighted_2-weighted_2": (0.2456, 28.81, 0.495),
    "EPIC/pearson-uniform": (0.1763, 324.9, 2.450),
    "EPIC/pearson-reachable": (0.4953, 54.98, 0.480),
    "DARD/2-2": (0.0931, 164, 2.454),
    "DARD/weighted_2-weighted_2": (0.2319, 1984, 21.830),
    "DARD/pearson-uniform": (0.1862, 327.9, 2.453),
    "DARD/pearson-reachable": (0.4681, 3629, 21.250),
    "MinimalPotential_L2/2-2": (0.08823, 162.6, 2.451),
    "VALPotential/2-2": (0.09439, 160.1, 2.416),
    "VALPotential/weighted_2-weighted_2": (0.2622, 3.49, 0.252),
    "VAL/1-1": (0.4695, 3.669, 0.289),
    "VAL/2-2": (0.393, 2.207, 0.198),
    "VAL/inf-inf": (0.1185, 8.421, 0.545),
    "Minimal_L2/2-2": (0.2987, 2.866, 0.222),
    "Minimal_tauL2/2-2": (0.382, 2.251, 0.200),
    "span": (0.5, 1, 0.164),
}


def run(program, folder, seed, *changes):
    """The cells of one run, its seconds, processor seconds and peak MB."""
    start = time.monotonic()
    arguments = [program, "run", "--quiet", str(ROOT / "recipes/starc_protocol.toml"), "--runs", str(folder),
                 "--cache", ""]
    for change in (f"seed={seed}", *changes):
        arguments += ["--set", change]
    child = os.posix_spawnp(program, arguments, os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, 2, 1)])
    _, status, used = os.wait4(child, 0)
    if status:
        sys.exit(f"{' '.join(arguments)}: {os.waitstatus_to_exitcode(status)}")
    (results,) = folder.glob("*/results.json")
    cells = {}
    for metric in json.loads(results.read_text())["compare"]["regret"]["metrics"]:
        cells.setdefault(metric["subject"], {})[metric["key"]] = metric["value"]
    return cells, (time.monotonic() - start, used.ru_utime + used.ru_stime, used.ru_maxrss / 1000)


def best(cells, form):
    return max((found["pearson_regret"] or -1, subject) for subject, found in cells.items()
               if subject.startswith(f"{form}/") and "pearson-" not in subject)


class Compared:
    """Ours beside theirs, and how many standard errors lie between them."""

    def __init__(self, runs):
        self.runs = runs
        self.distances = []

    def cell(self, values, other, errors=None):
        mean, spread = statistics.mean(values), statistics.stdev(values)
        error = statistics.mean(errors) if errors else spread
        away = abs(mean - other) / (error * math.sqrt(1 + 1 / len(values)))
        self.distances.append(away)
        return f"{mean:.4f} ± {error:.4f} ({other:.4f}; {away:.1f})"

    def of(self, subject, key, other):
        errors = [found[subject].get(f"{key}_error") for found in self.runs]
        return self.cell([found[subject][key] for found in self.runs], other, None if None in errors else errors)


def head(columns):
    print(f"\n| | {' | '.join(columns)} |\n| --- |{' --- |' * len(columns)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=str(ROOT / "build/release/bin/saffron"))
    parser.add_argument("--seeds", type=int, default=5)
    given = parser.parse_args()
    runs, small, costs = [], [], []
    for seed in range(1, given.seeds + 1):
        with tempfile.TemporaryDirectory() as folder:
            cells, cost = run(given.program, pathlib.Path(folder), seed)
        runs.append(cells)
        costs.append(cost)
        with tempfile.TemporaryDirectory() as folder:
            small.append(run(given.program, pathlib.Path(folder), seed, "world.mdp.environments=128")[0])
    seconds, processor, peak = (sorted(column) for column in zip(*costs))
    print(f"{given.seeds} runs of {min(int(r['VAL/2-2']['pairs']) for r in runs)} pairs and more: "
          f"{seconds[0]:.0f} to {seconds[-1]:.0f} s, {processor[0]:.0f} to {processor[-1]:.0f} s of a core, "
          f"{peak[-1]:.0f} MB.")
    print("Ours ± error (theirs; difference in standard errors).")
    compared = Compared(runs)
    for key, title, place in (("pearson_regret", "regret", 0), ("pearson_w", "worst-case regret", 2)):
        print(f"\nPearson with {title}:")
        head(MEASURES)
        for form, other in OTHER.items():
            cells = [compared.of(f"{form}/{measure}", key, other[place][i]) for i, measure in enumerate(MEASURES)]
            print(f"| {form} | {' | '.join(cells)} |")
    print("\nThe highest of a form with regret:")
    head(("correlation", "norms"))
    for form, (_, highest, _) in OTHER.items():
        values, subjects = zip(*(best(cells, form) for cells in runs))
        errors = [cells[subject]["pearson_regret_error"] for cells, subject in zip(runs, subjects)]
        print(f"| {form} | {compared.cell(values, highest, errors)} | {', '.join(sorted(set(subjects)))} |")
    print()
    head(COLUMNS)
    for subject, others in OTHER_RANKS.items():
        print(f"| {subject} | {' | '.join(compared.of(subject, *pair) for pair in zip(COLUMNS, others))} |")
    pairs = [int(cells["VAL/2-2"]["pairs"]) for cells in small]
    print(f"\nw12 / d where w12 is above 1e-5, of {min(pairs)} to {max(pairs)} pairs:")
    head(("least", "largest", "variation"))
    within = []
    for subject, others in OTHER_CONSTANTS.items():
        cells = []
        for key, other in zip(CONSTANTS, others):
            values = sorted(found[subject][key] for found in small)
            within.append(values[0] * (1 - ROUNDING) <= other <= values[-1] * (1 + ROUNDING))
            cells.append(f"{values[0]:.4g} to {statistics.median(values):.4g} to {values[-1]:.4g} ({other:.4g})")
        print(f"| {subject} | {' | '.join(cells)} |")
    print(f"\n{sum(within)} of {len(within)} of the other program's lie within the {given.seeds} of ours.")
    far = sorted(compared.distances)
    print(f"{len(far)} correlations: {sum(x < 1 for x in far)} within one standard error, "
          f"{sum(x < 2 for x in far)} within two, the farthest {far[-1]:.1f}.")


if __name__ == "__main__":
    main()
