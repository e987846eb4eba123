#!/usr/bin/env python3
"""What a pair of rewards costs by the number of states: draws what the benchmark measured.

    build/release/benchmarks/reward_distances --benchmark_out=cost.json
    .venv-peers/bin/python benchmarks/plot_reward_distances.py cost.json docs/images/reward_cost.svg
"""

import json
import sys

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams["svg.hashsalt"] = "saffron"  # the same numbers make the same file
from matplotlib import pyplot  # noqa: E402


def main():
    measured, target = sys.argv[1:]
    with open(measured, encoding="utf-8") as file:
        rows = json.load(file)["benchmarks"]
    lines = {}
    for row in rows:
        _, name, states = row["name"].split("/")
        lines.setdefault(name, []).append((int(states), row["us_per_pair"]))
    figure, axes = pyplot.subplots(figsize=(7.5, 4.8))
    for name, points in lines.items():
        states, cost = zip(*sorted(points))
        axes.plot(states, cost, marker="o", markersize=3, label=name)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xticks([8, 16, 32, 64, 128, 256, 512], labels=["8", "16", "32", "64", "128", "256", "512"])
    axes.set_xlabel("states S (4 actions)")
    axes.set_ylabel("microseconds a pair, one thread")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(target, metadata={"Date": None})


if __name__ == "__main__":
    main()
