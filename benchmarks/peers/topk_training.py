"""The SAE of recipes/topk_8192.toml, trained by us and by a plain PyTorch script on the same rows.

A first pass over the text keeps the activations in files, which both then read: ours through its
own reader, PyTorch as docs/activation-files.md and docs/python.md describe them. The two train in
turns, 20 steps each, with ours stopped (SIGSTOP) while the other runs, so that a busy machine slows
both alike. Seconds a step are medians over the turns, the ratio is the median of the turns' own.
Both follow the recipe's learning rate, or, with --constant-lr, its largest value throughout.
Exit code 1 where our FVU on held-out contexts is the higher one.

  .venv-peers/bin/python benchmarks/peers/topk_training.py [--threads 2] [--constant-lr]
"""

import argparse
import os
import statistics
import sys
import time
import tomllib
from pathlib import Path

import torch
from kept_activations import (
    BUILD,
    RECIPE,
    Ours,
    fvu,
    held_out_blocks,
    load_sae,
    normalisation_file,
    read,
    training_blocks,
)
from plain_topk import PlainTopK
from safetensors.torch import load_file

TURN = 20  # steps
LAST = 50  # steps whose mean is the training FVU


class PyTorch:
    """Training as one writes it by hand: Adam, the decoder renormalised after every step."""

    def __init__(self, rows, width, k, batch, lr, schedule):
        torch.manual_seed(0)
        self.rows, self.batch = rows, batch
        self.order = torch.randperm(len(rows))
        self.sae = PlainTopK(rows.shape[1], width, k)
        self.optimizer = torch.optim.Adam(self.sae.parameters(), lr=lr)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, schedule)
        self.fvu = []

    def step(self):
        first = len(self.fvu) * self.batch
        x = self.rows[self.order[first : first + self.batch]]
        error = (x - self.sae(x)[0]).square().sum()
        self.optimizer.zero_grad()
        (error / len(x)).backward()
        self.optimizer.step()
        self.schedule.step()
        self.sae.renormalise()
        self.fvu.append((error / (x - x.mean(0)).square().sum()).item())

    def advance(self, steps):
        """Seconds a step."""
        start = time.perf_counter()
        for _ in range(steps):
            self.step()
        return (time.perf_counter() - start) / steps


def quality(sae, rows):
    """FVU, L0 and the share of latents that are never active."""
    active, fired = [], torch.zeros(sae.W_dec.shape[0], dtype=torch.bool)

    def reconstruct(x):
        xhat, codes = sae(x)
        active.append((codes > 0).sum().item())
        fired.logical_or_((codes > 0).any(0))
        return xhat

    error = fvu(reconstruct, rows)
    return error, sum(active) / len(rows), 1 - fired.double().mean().item()


def learning_rate(steps, warmup, decay):
    """Its factor at each step, as docs/recipes.md defines `schedule`."""
    rising, falling = warmup * steps, decay * steps

    def factor(step):
        up = min((step + 1) / rising, 1) if rising else 1
        return up * (min((steps - step) / falling, 1) if falling else 1)

    return factor


def row(name, fvu_of_steps, held_out, seconds):
    training = statistics.mean(fvu_of_steps[-LAST:])
    held_out_fvu, l0, dead = held_out
    quality_cells = f"{training:.4f} | {held_out_fvu:.4f} | {l0:.2f} | {100 * dead:.1f} %"
    return f"| {name} | {quality_cells} | {seconds:.3f} |"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--constant-lr", action="store_true", help="no warm-up and no decay")
    parser.add_argument("--folder", type=Path, default=BUILD / "benchmarks" / "topk_training")
    options = parser.parse_args()
    folder = options.folder.resolve()
    torch.set_num_threads(options.threads)
    recipe = tomllib.loads(RECIPE.read_text())
    sae, train = recipe["sae"]["topk"], recipe["train"]["all"]
    shape = sae["width"], sae["k"], train["batch"], train["optimizer"]["lr"]
    steps = train["rows"] // train["batch"]
    schedule = train["schedule"] if not options.constant_lr else {"warmup": 0, "decay": 0}
    settings = [f"train.all.schedule.{key}={value}" for key, value in schedule.items()]

    trained_on = training_blocks(folder, options.threads)
    normalisation = load_file(normalisation_file(folder))
    peer = PyTorch(read(trained_on, normalisation), *shape, learning_rate(steps, **schedule))
    ours = Ours(folder, options.threads, ["train.all.checkpoint_seconds=0", *settings])
    turns = []
    while len(peer.fvu) < steps:
        own = ours.advance(min(TURN, steps - ours.done)) if ours.done < steps else None
        theirs = peer.advance(min(TURN, steps - len(peer.fvu)))
        if own is not None:
            turns.append((own, theirs))
    scores, own_fvu, weights = ours.finish()

    held_out = read(held_out_blocks(folder, trained_on), normalisation)
    plain = PlainTopK(held_out.shape[1], sae["width"], sae["k"])
    again = quality(load_sae(plain, weights), held_out)
    assert abs(again[0] - scores["fvu"]) < 1e-4, (again, scores)  # the same rows, the same SAE
    own, theirs = (statistics.median(column) for column in zip(*turns))
    ratio = statistics.median(theirs / own for own, theirs in turns)
    peer_scores = quality(peer.sae, held_out)
    print("| | training FVU | held-out FVU | L0 | dead | seconds a step |")
    print("| --- | --- | --- | --- | --- | --- |")
    print(row("Saffron", own_fvu, (scores["fvu"], scores["l0"], scores["dead_share"]), own))
    print(row("plain PyTorch", peer.fvu, peer_scores, theirs))
    print(
        f"{len(held_out)} held-out rows, {options.threads} threads; "
        f"ours is {ratio:.2f} x as fast as plain PyTorch"
    )
    return int(scores["fvu"] > peer_scores[0])


if __name__ == "__main__":
    sys.exit(main())
