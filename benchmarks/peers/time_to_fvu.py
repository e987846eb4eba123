"""Seconds of training to the same held-out FVU, on the quickstart's activations.

TopK and BatchTopK of 4096 latents, k = 32, batches of 1024 rows: ours with the quickstart's
optimiser, each library with its own trainer at its own defaults (PyTorch by hand at our learning
rate), on the same rows, centred and scaled as ours reads them. All train in turns of a few steps,
so that a busy machine slows all alike; ours is stopped (SIGSTOP) meanwhile. Only steps are timed: a
library's batches are ready before its clock runs, ours reads its files in its own time. Every so
many steps the FVU is taken, outside the clock, on rows that no one trains on; BatchTopK keeps the
k B largest of each scored batch, as in training.

Ours is trained twice: with checkpoints and unclocked, which gives the weights to be scored, and
clocked; both take the same steps to the bit, which is checked.

Printed are the seconds to the highest FVU that any ends at, and to the one that ours ends at. Exit
code 1 where a library needs fewer of them than ours, or fails. The first run keeps the activations
(5 GB for 2048 steps). dictionary-learning and eai-sparsify with Adam raise their learning rate over
1000 steps, and the former refuses to train for fewer.

  .venv-peers/bin/python benchmarks/peers/time_to_fvu.py [--threads 2] [--architecture batch_topk]
"""

import argparse
import atexit
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy
import torch
from kept_activations import (
    BUILD,
    RECIPE,
    ROOT,
    Ours,
    fvu,
    held_out_blocks,
    load_sae,
    normalisation_file,
    read,
    run,
    run_command,
    training_blocks,
)
from peer import EntryFailed, Peer
from plain_topk import PlainBatchTopK, PlainTopK
from safetensors.torch import load_file
from trainers import ENTRIES, Shape

SHAPE = Shape(576, 4096, 32, 1024)
SAES = {"topk": PlainTopK, "batch_topk": PlainBatchTopK}
TURN = 32  # steps


def our_settings(architecture, options):
    size = f"width = {SHAPE.latents}, k = {SHAPE.k}"
    sae = f'{{ use = "{architecture}", {size}, dead_after = 50_000 }}'
    settings = [f"sae.topk={sae}", f"train.all.rows={options.steps * SHAPE.batch}"]
    if options.lr is not None:
        settings.append(f"train.all.optimizer.lr={options.lr}")
    return settings


class Kept:
    """The rows that are trained on and those that are not."""

    def __init__(self, options):
        folder, threads = options.folder, options.threads
        rows = f"train.all.rows={options.steps * SHAPE.batch}"
        self.training = training_blocks(folder, threads, rows)
        self.normalisation = normalisation_file(folder)
        brief = "sae.topk.width=32", f"train.all.rows={10 * SHAPE.batch}"
        run(run_command(RECIPE, folder, "scores", threads, *brief))
        self.blocks = held_out_blocks(folder, self.training)
        wanted = options.held_out * SHAPE.batch
        self.held_out = read(self.blocks, load_file(self.normalisation))[:wanted]
        if len(self.held_out) < wanted:
            raise SystemExit(f"there are only {len(self.held_out)} held-out rows")

    def for_peers(self):
        return {
            "files": self.training,
            "normalisation": str(self.normalisation),
            "held_out": self.blocks,
            "held_out_rows": len(self.held_out),
        }


def parameters(checkpoint):
    prefix = "sae/topk/parameter/"
    tensors = load_file(checkpoint)
    return {name.removeprefix(prefix): tensors[name] for name in tensors if prefix in name}


def our_curve(architecture, kept, options):
    """FVU by step, of a run with checkpoints; the training FVU of its steps."""
    settings = our_settings(architecture, options)
    settings += [f"train.all.checkpoint_every={options.every}", "train.all.checkpoint_seconds=0"]
    runs, curve = options.folder / "curve", {}
    shutil.rmtree(runs, ignore_errors=True)
    command = run_command(RECIPE, options.folder, "curve", options.threads, *settings)
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    atexit.register(process.kill)  # even where it is stopped
    sae = SAES[architecture](SHAPE.d, SHAPE.latents, SHAPE.k)
    ended = False
    while not ended:
        ended = process.poll() is not None  # and looks once more
        for file in runs.glob("*/checkpoints/all-*.safetensors"):
            step = int(file.stem.split("-")[1])
            if step not in curve:
                process.send_signal(signal.SIGSTOP)  # it keeps two checkpoints
                load_sae(sae, parameters(file))
                curve[step] = fvu(lambda rows: sae(rows)[0], kept.held_out)
                process.send_signal(signal.SIGCONT)
        time.sleep(0.02)
    if process.returncode != 0:
        raise SystemExit(f"saffron ended with {process.returncode}")
    (metrics,) = runs.glob("*/metrics.jsonl")
    return curve, [json.loads(line)["fvu"] for line in metrics.read_text().splitlines()]


class OurCurve:
    """Of the clocked run, to which the FVU of the other one belongs."""

    name = "Saffron"

    def __init__(self, architecture, kept, options):
        self.by_step, self.of_steps = our_curve(architecture, kept, options)
        settings = our_settings(architecture, options)
        settings.append("train.all.checkpoint_seconds=0")
        self.run, self.steps = Ours(options.folder, options.threads, settings), options.steps
        self.clock = [(self.run.done, self.run.seconds)]

    def advance(self, steps):
        steps = min(steps, self.steps - self.run.done)
        if steps > 0:
            self.run.advance(steps)
            self.clock.append((self.run.done, self.run.seconds))

    def finish(self):
        _, of_steps, _ = self.run.finish()
        if of_steps != self.of_steps:
            raise SystemExit("the clocked run took other steps than the one that was scored")
        self.lr = max(record["lr"] for record in self.run.records())
        done, seconds = zip(*self.clock)
        self.points = [
            (float(numpy.interp(step, done, seconds)), error)
            for step, error in sorted(self.by_step.items())
        ]


class PeerCurve:
    def __init__(self, entry, kept, options):
        self.name = f"{entry.library} {version(entry.library)}, {entry.kind}"
        self.peer = Peer(
            entry, SHAPE, options.threads, lr=options.lr, steps=options.steps, kept=kept.for_peers()
        )
        self.every, self.done, self.seconds, self.points = options.every, 0, 0.0, []
        try:
            self.peer.ask(steps=0)  # answered when it is ready
        except EntryFailed:
            self.peer.close()
            raise

    def advance(self, steps):
        self.seconds += sum(self.peer.ask(steps=steps)["steps"])
        self.done += steps
        if self.done % self.every == 0:
            answer = self.peer.ask(score=True)
            self.lr = answer["lr"]
            self.points.append((self.seconds, answer["fvu"]))

    def finish(self):
        self.peer.close()


def train_all(architecture, kept, options):
    """The curves of those that trained to the end, ours first; the names of the others."""
    curves, failed = [], []

    def attempt(entry, work, *arguments):
        try:
            return work(*arguments)
        except EntryFailed as failure:
            print(f"{entry.name}: {failure}", file=sys.stderr)
            failed.append(entry.name)

    for entry in options.entries:
        if entry.ours == architecture:
            curves.append(attempt(entry, PeerCurve, entry, kept, options))
    curves = [OurCurve(architecture, kept, options), *filter(None, curves)]
    turn = math.gcd(TURN, options.every)
    for _ in range(0, options.steps, turn):
        for curve in curves:
            if curve.name not in failed:
                attempt(curve, curve.advance, turn)
    for curve in curves:
        curve.finish()
    return [curve for curve in curves if curve.name not in failed], failed


def seconds_to(target, points):
    """Between two scores as if the FVU fell evenly; infinity where it never falls so far."""
    before = None
    for seconds, error in points:
        if error <= target:
            if before is None:
                return seconds
            share = (before[1] - target) / (before[1] - error)
            return before[0] + share * (seconds - before[0])
        before = seconds, error
    return math.inf


def in_words(seconds, points):
    if seconds == math.inf:
        return "never"
    return f"{'at most ' if seconds == points[0][0] else ''}{seconds:.1f}"


def report(architecture, curves, steps):
    """Prints the table; the names of libraries that are as fast as ours."""
    ends = [curve.points[-1][1] for curve in curves]
    targets = max(ends), ends[0]
    print(f"\n{architecture}, {steps} steps\n")
    print(
        "| | learning rate | ms a step | seconds in all | ends at FVU |"
        f" seconds to {targets[0]:.4f} | seconds to ours, {targets[1]:.4f} |"
    )
    print("| --- |" + " ---: |" * 6)
    ours, lost = [seconds_to(target, curves[0].points) for target in targets], []
    for curve in curves:
        total, end = curve.points[-1]
        needed = [seconds_to(target, curve.points) for target in targets]
        cells = [in_words(seconds, curve.points) for seconds in needed]
        figures = f"{curve.lr:.1e} | {1e3 * total / steps:.0f} | {total:.1f} | {end:.4f}"
        print(f"| {curve.name} | {figures} | {' | '.join(cells)} |", flush=True)
        pairs = zip(needed, ours)
        if curve is not curves[0] and any(their <= our for their, our in pairs):
            lost.append(curve.name)
    return lost


def read_options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--steps", type=int, default=2048)
    parser.add_argument("--every", type=int, default=32, help="steps between two scores")
    parser.add_argument("--held-out", type=int, default=16, help="batches of rows that are scored")
    parser.add_argument("--architecture", choices=SAES, help="one of the two")
    parser.add_argument("--only", metavar="NAME", help="libraries whose library/kind holds NAME")
    parser.add_argument("--lr", type=float, help="of all, ours too, in place of their own")
    parser.add_argument("--folder", type=Path, default=BUILD / "benchmarks" / "time_to_fvu")
    options = parser.parse_args()
    if options.steps % options.every:
        parser.error("--steps must be a multiple of --every")
    options.folder = options.folder.resolve()
    wanted = [options.architecture] if options.architecture else list(SAES)
    options.entries = [
        entry for entry in ENTRIES if entry.ours in wanted and (options.only or "") in entry.name
    ]
    options.architectures = [name for name in wanted if name in {e.ours for e in options.entries}]
    if not options.architectures:
        parser.error(
            "--only takes one of " + ", ".join(e.name for e in ENTRIES if e.ours in wanted)
        )
    return options


def main():
    options = read_options()
    torch.set_num_threads(options.threads)
    kept = Kept(options)
    lost, failed = [], []
    for architecture in options.architectures:
        curves, missing = train_all(architecture, kept, options)
        points = {curve.name: curve.points for curve in curves}
        (options.folder / f"{architecture}.json").write_text(json.dumps(points, indent=1))
        lost += report(architecture, curves, options.steps)
        failed += missing
    print(f"\n{len(kept.held_out)} held-out rows, {options.threads} threads")
    for what, names in (("as fast as ours", lost), ("failed", failed)):
        if names:
            print(f"{what}: {', '.join(names)}")
    return int(bool(lost or failed))


if __name__ == "__main__":
    sys.exit(main())
