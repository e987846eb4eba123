"""The SAE of recipes/topk_8192.toml, trained by us and by a plain PyTorch script on the same rows.

A first pass over the text keeps the activations in files, which both then read: ours through its
own reader, PyTorch as docs/activation-files.md and docs/python.md describe them. The two train in
turns, 20 steps each, with ours stopped (SIGSTOP) while the other runs, so that a busy machine slows
both alike. Seconds a step are medians over the turns, the ratio is the median of the turns' own. Both
follow the recipe's learning rate, or, with --constant-lr, its largest value throughout.
Exit code 1 where our FVU on held-out contexts is the higher one.

  .venv-peers/bin/python benchmarks/peers/topk_training.py [--threads 2] [--constant-lr]
"""

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch.nn import Parameter
from torch.nn.functional import normalize

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("SAFFRON_BUILD_DIR", ROOT / "build" / "release"))
RECIPE = ROOT / "recipes" / "topk_8192.toml"
TURN = 20  # steps
LAST = 50  # steps whose mean is the training FVU


class PlainTopK(torch.nn.Module):
    def __init__(self, d, width, k):
        super().__init__()
        directions = normalize(torch.randn(width, d), dim=1)
        self.W_enc, self.W_dec = Parameter(directions.T.clone()), Parameter(directions.clone())
        self.b_enc, self.b_dec = Parameter(torch.zeros(width)), Parameter(torch.zeros(d))
        self.k = k

    def forward(self, x):
        pre = (x - self.b_dec) @ self.W_enc + self.b_enc
        values, latents = pre.topk(self.k)
        codes = torch.zeros_like(pre).scatter(1, latents, values.relu())
        return codes @ self.W_dec + self.b_dec, codes


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
        with torch.no_grad():
            self.sae.W_dec /= self.sae.W_dec.norm(dim=1, keepdim=True)
            self.fvu.append((error / (x - x.mean(0)).square().sum()).item())

    def advance(self, steps):
        """Seconds a step."""
        start = time.perf_counter()
        for _ in range(steps):
            self.step()
        return (time.perf_counter() - start) / steps


class Ours:
    """A run of the recipe, which is stopped between its turns."""

    def __init__(self, folder, threads, settings):
        runs = folder / "runs"
        shutil.rmtree(runs, ignore_errors=True)
        command = run_command(RECIPE, folder, "runs", threads, *settings)
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
        while not (found := list(runs.glob("*/metrics.jsonl"))):
            self.wait()
        self.run, self.metrics, self.done = found[0].parent, found[0], 0
        self.count()

    def wait(self):
        time.sleep(0.005)
        if self.process.poll() not in (None, 0):
            raise SystemExit(f"saffron ended with {self.process.returncode}")

    def count(self):
        self.done = self.metrics.read_bytes().count(b"\n")  # a line a step: log_every = 1
        return self.done

    def advance(self, steps):
        before, start = self.done, time.perf_counter()
        self.process.send_signal(signal.SIGCONT)
        while self.count() < before + steps:
            self.wait()
        seconds = time.perf_counter() - start
        self.process.send_signal(signal.SIGSTOP)
        return seconds / (self.done - before)

    def finish(self):
        """Runs to the end, scores included: the scores, the FVU of every step, the weights."""
        self.process.send_signal(signal.SIGCONT)
        if self.process.wait() != 0:
            raise SystemExit(f"saffron ended with {self.process.returncode}")
        metrics = json.loads((self.run / "results.json").read_text())["score"]["reconstruction"]
        fvu = [json.loads(line)["fvu"] for line in self.metrics.read_text().splitlines()]
        weights = load_file(self.run / "saes" / "topk.safetensors")
        return {metric["key"]: metric["value"] for metric in metrics}, fvu, weights


def run_command(recipe, folder, runs, threads, *settings):
    settings = (f"threads={threads}", f"source.acts.cache={folder / 'acts'}", *settings)
    changes = [word for setting in settings for word in ("--set", setting)]
    command = [BUILD / "bin" / "saffron", "run", recipe, "--runs", folder / runs, "--cache", ""]
    return [*command, *changes, "--set", "train.all.log_every=1", "--quiet", "--fresh"]


def blocks(folder):
    return sorted(str(file) for file in folder.glob("acts/*/block-*.safetensors"))


def training_blocks(folder, threads):
    """Keeps the activations that training reads, by training something small; the files' names."""
    recipe, listing = folder / "first.toml", folder / "training_blocks.json"
    without_scores = RECIPE.read_text().split("[score.")[0]
    if not listing.exists() or recipe.read_text() != without_scores:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        recipe.write_text(without_scores)
        command = run_command(recipe, folder, "first", threads, "sae.topk.width=32")
        subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
        listing.write_text(json.dumps(blocks(folder)))
    return json.loads(listing.read_text())


def held_out_blocks(folder, trained_on):
    """What scoring has read besides."""
    files = blocks(folder)
    if len({Path(file).parent for file in files}) > 1:
        raise SystemExit(f"activations are no longer those that {folder} keeps: remove it")
    return sorted(set(files) - set(trained_on))


def read(files, weights):
    """Rows as our SAE reads them."""
    raw = torch.cat([load_file(file)["layers.10.resid_post"] for file in files])
    return (raw - weights["input_mean"]) * weights["input_scale"]


@torch.no_grad()
def quality(sae, rows):
    """FVU, L0 and the share of latents that are never active."""
    error, active, fired = 0.0, 0, torch.zeros(sae.W_dec.shape[0], dtype=torch.bool)
    for x in rows.split(1024):
        xhat, codes = sae(x)
        error += (x - xhat).double().square().sum().item()
        active += (codes > 0).sum().item()
        fired |= (codes > 0).any(0)
    variation = (rows - rows.mean(0)).double().square().sum().item()
    return error / variation, active / len(rows), 1 - fired.double().mean().item()


def in_python(weights, k):
    sae = PlainTopK(weights["W_dec"].shape[1], weights["W_dec"].shape[0], k)
    weights = {name: tensor for name, tensor in weights.items() if name in sae.state_dict()}
    sae.load_state_dict(weights | {"W_enc": weights["W_enc"].T})
    return sae


def learning_rate(steps, warmup, decay):
    """Its factor at each step, as docs/recipes.md defines `schedule`."""
    rising, falling = warmup * steps, decay * steps

    def factor(step):
        up = min((step + 1) / rising, 1) if rising else 1
        return up * (min((steps - step) / falling, 1) if falling else 1)

    return factor


def row(name, fvu, held_out, seconds):
    training = statistics.mean(fvu[-LAST:])
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
    normalisation = load_file(next((folder / "first").glob("*/saes/topk.safetensors")))
    peer = PyTorch(read(trained_on, normalisation), *shape, learning_rate(steps, **schedule))
    ours = Ours(folder, options.threads, ["train.all.checkpoint_seconds=0", *settings])
    turns = []
    while len(peer.fvu) < steps:
        own = ours.advance(min(TURN, steps - ours.done)) if ours.done < steps else None
        theirs = peer.advance(min(TURN, steps - len(peer.fvu)))
        if own is not None:
            turns.append((own, theirs))
    scores, fvu, weights = ours.finish()

    held_out = read(held_out_blocks(folder, trained_on), normalisation)
    again = quality(in_python(weights, sae["k"]), held_out)
    assert abs(again[0] - scores["fvu"]) < 1e-4, (again, scores)  # the same rows, the same SAE
    own, theirs = (statistics.median(column) for column in zip(*turns))
    ratio = statistics.median(theirs / own for own, theirs in turns)
    peer_scores = quality(peer.sae, held_out)
    print("| | training FVU | held-out FVU | L0 | dead | seconds a step |")
    print("| --- | --- | --- | --- | --- | --- |")
    print(row("Saffron", fvu, (scores["fvu"], scores["l0"], scores["dead_share"]), own))
    print(row("plain PyTorch", peer.fvu, peer_scores, theirs))
    print(
        f"{len(held_out)} held-out rows, {options.threads} threads; "
        f"ours is {ratio:.2f} x as fast as plain PyTorch"
    )
    return int(scores["fvu"] > peer_scores[0])


if __name__ == "__main__":
    sys.exit(main())
