"""SynthSAEBench-16k made by us and by sae-lens, in turns of one batch of 1024 rows each.

The ratio is the median over the turns of (their seconds / ours), so that a busy machine slows both
alike. Making the model is timed apart; theirs is made without spreading out the features, which
changes nothing in the sampling and would take long.

  .venv-peers/bin/python benchmarks/peers/synth_generator.py [--threads 1] [--turns 20]
"""

import argparse
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import torch
from sae_lens.synthetic import (
    FoldedNormalMagnitudeConfig,
    HierarchyConfig,
    LinearMagnitudeConfig,
    LowRankCorrelationConfig,
    SyntheticModel,
    SyntheticModelConfig,
    ZipfianFiringProbabilityConfig,
)

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("SAFFRON_BUILD_DIR", ROOT / "build" / "release"))
BATCH = 1024
CONFIG = SyntheticModelConfig(
    num_features=16_384,
    hidden_dim=768,
    firing_probability=ZipfianFiringProbabilityConfig(0.5, 0.4, 5e-4),
    hierarchy=HierarchyConfig(
        total_root_nodes=128,
        branching_factor=4,
        max_depth=3,
        mutually_exclusive_portion=1.0,
        compensate_probabilities=True,
        scale_children_by_parent=True,
    ),
    mean_firing_magnitudes=LinearMagnitudeConfig(5.0, 4.0),
    std_firing_magnitudes=FoldedNormalMagnitudeConfig(0.5, 0.5),
    correlation=LowRankCorrelationConfig(rank=25, correlation_scale=0.1),
    bias=0.5,
    seed=42,
)


class Ours:
    """saffron_synth_rows, which makes a block of 1024 rows when asked and says how long it took."""

    def __init__(self, threads):
        with tempfile.NamedTemporaryFile("w", suffix=".json") as options:
            options.write("{}")  # the defaults are the benchmark's
            options.flush()
            self.process = subprocess.Popen(
                [BUILD / "bin" / "saffron_synth_rows", options.name, "--time", str(threads)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            self.features = float(self.process.stdout.readline())

    def batch(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())


def seconds(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--turns", type=int, default=20)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    ours, peer = Ours(options.threads), SyntheticModel(CONFIG)
    turns = []
    for turn in range(options.turns + 1):
        pair = ours.batch(), seconds(lambda: peer.sample_with_features(BATCH))
        if turn > 0:  # the first of each warms up
            turns.append(pair)
    own, theirs = (BATCH / statistics.median(column) for column in zip(*turns))
    ratio = statistics.median(their / our for our, their in turns)
    print(f"features spread out in {ours.features:.1f} s, once")
    print(f"rows/s: ours {own:,.0f}, sae-lens {theirs:,.0f}; ours is {ratio:.1f} x as fast, median")


if __name__ == "__main__":
    main()
