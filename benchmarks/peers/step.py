"""A training step of ours beside the libraries', at one shape, in the same run.

Each library's own trainer drives its own step (loss, clipping, optimiser, decoder) on Gaussian
rows, float32, in a process of its own; ours is benchmarks/step. Both take the dense encoder product
alone in turns with the step: the ratio is the median of step / product. Ours and theirs alternate,
each a few rounds at a time, so that a busy machine slows both alike: milliseconds are means of a
turn, as Google Benchmark has them, figures are medians over the turns, and "faster" is the median
of the turns' own quotients. MB is the most memory held over that after the first product.
Exit code 1 where a library's step is the faster one or takes less memory, or an entry fails.

  .venv-peers/bin/python benchmarks/peers/step.py [--threads 1] [--large] [--only overcomplete]
"""

import argparse
import json
import os
import subprocess
import sys
from importlib.metadata import version
from statistics import mean, median
from typing import NamedTuple

from kept_activations import BUILD
from peer import EntryFailed, Peer
from trainers import ENTRIES, Shape

SMALL, LARGE = Shape(512, 8192, 32, 1024), Shape(768, 24576, 32, 2048)
PROGRAM = BUILD / "benchmarks" / "step"
LEAST_ROUNDS = 5  # of the program's
LR = 1e-6  # latents stay as active as they were made
HEADER = ("library", "SAE", "ms", "ratio", "MB", "our ms", "ratio", "MB", "faster", "less memory")
WIDTHS = (26, 28, 8, 7, 7, 8, 7, 7, 8, 12)


class Turn(NamedTuple):
    ms: float
    ratio: float
    mb: float


def ours(architecture, shape, threads, rounds):
    name = "/".join(["step", architecture, *map(str, shape), str(threads), ""])
    command = [PROGRAM, f"--benchmark_filter=^{name}", "--benchmark_format=json"]
    command.append(f"--rounds={rounds}")
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
    except OSError as error:
        raise EntryFailed(f"ours: {error}") from error
    measured = json.loads(done.stdout)["benchmarks"] if done.returncode == 0 else []
    if len(measured) != 1:
        raise EntryFailed(f"ours, {name}: exit code {done.returncode}\n{done.stderr}")
    (measured,) = measured
    return Turn(measured["real_time"], measured["ratio"], measured["peak_mb"])


def theirs(peer, rounds, mb):
    answer = peer.ask(steps=rounds, product=True)
    ratio = median(step / alone for step, alone in zip(answer["steps"], answer["products"]))
    return Turn(1e3 * mean(answer["steps"]), ratio, mb)


def measure(entry, shape, options):
    """Turns of the library's and of ours."""
    peer = Peer(entry, shape, options.threads, lr=LR)
    try:
        mb = peer.ask(steps=2)["peak_mb"]  # warms up; ours counts the memory of two steps as well
        turns = []
        for _ in range(options.turns):
            own = ours(entry.ours, shape, options.threads, options.rounds)
            turns.append((theirs(peer, options.rounds, mb), own))
        return turns
    finally:
        peer.close()


def figures(turns):
    return Turn(*(median(column) for column in zip(*turns)))


def cells(entry, turns):
    """A row of the table, and whether it is ours."""
    peer, own = (figures(column) for column in zip(*turns))
    faster = median(theirs.ms / ours.ms for theirs, ours in turns)
    less = peer.mb / own.mb
    row = [f"{entry.library} {version(entry.library)}", entry.title]
    for side in (peer, own):
        row += [f"{side.ms:.0f}", f"{side.ratio:.2f}", f"{side.mb:.0f}"]
    return [*row, f"{faster:.2f}", f"{less:.2f}"], faster > 1 and less > 1


def line(row, markdown):
    if markdown:
        return f"| {' | '.join(row)} |"
    left = [cell.ljust(width) for cell, width in zip(row[:2], WIDTHS)]
    return " ".join([*left, *(cell.rjust(width) for cell, width in zip(row[2:], WIDTHS[2:]))])


def read_options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, choices=(1, 2), default=1)
    parser.add_argument("--large", action="store_true", help="d 768, F 24576, B 2048")
    parser.add_argument("--only", metavar="NAME", help="entries whose library/kind holds NAME")
    parser.add_argument("--turns", type=int, default=3, help="of ours and theirs")
    parser.add_argument("--rounds", type=int, default=7, help="steps a turn, at least 5")
    parser.add_argument("--markdown", action="store_true")
    options = parser.parse_args()
    options.rounds = max(options.rounds, LEAST_ROUNDS)
    options.entries = [entry for entry in ENTRIES if (options.only or "") in entry.name]
    if not options.entries:
        parser.error("--only takes one of " + ", ".join(entry.name for entry in ENTRIES))
    if not PROGRAM.exists():
        parser.error(f"there is no {PROGRAM}: make build, or set SAFFRON_BUILD_DIR")
    return options


def main():
    options = read_options()
    shape = LARGE if options.large else SMALL
    d, latents, k, batch = shape
    print(f"d {d}, F {latents}, k {k}, B {batch}, threads {options.threads}")
    print(line(HEADER, options.markdown))
    if options.markdown:
        print("| --- | --- |" + " ---: |" * len(HEADER[2:]))
    lost, failed = [], []
    for entry in options.entries:
        try:
            row, won = cells(entry, measure(entry, shape, options))
        except EntryFailed as failure:
            failed.append(entry.name)
            print(f"{entry.name}: {failure}", file=sys.stderr)
            continue
        print(line(row, options.markdown), flush=True)
        if not won:
            lost.append(entry.name)
    if lost:
        print("not won: " + ", ".join(lost))
    if failed:
        print("failed: " + ", ".join(failed))
    return int(bool(lost or failed))


if __name__ == "__main__":
    sys.exit(main())
