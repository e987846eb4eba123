"""Runs of recipes/topk_8192.toml, on the quickstart's activations, and the rows that they read.

A first pass over the text keeps the activations in files, which ours then reads through its own
reader and the others as docs/activation-files.md and docs/python.md describe them.
"""

import atexit
import json
import os
import shutil
import signal
import subprocess
import time
from itertools import accumulate
from pathlib import Path

import torch
from safetensors.torch import load_file

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("SAFFRON_BUILD_DIR", ROOT / "build" / "release"))
RECIPE = ROOT / "recipes" / "topk_8192.toml"
STREAM = "layers.10.resid_post"


def run_command(recipe, folder, runs, threads, *settings):
    settings = (f"threads={threads}", f"source.acts.cache={folder / 'acts'}", *settings)
    changes = [word for setting in settings for word in ("--set", setting)]
    command = [BUILD / "bin" / "saffron", "run", recipe, "--runs", folder / runs, "--cache", ""]
    return [*command, *changes, "--set", "train.all.log_every=1", "--quiet", "--fresh"]


def run(command):
    subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)


def blocks(folder):
    return sorted(str(file) for file in folder.glob("acts/*/block-*.safetensors"))


def training_blocks(folder, threads, *settings):
    """Keeps the activations that training reads, by training something small; the files' names."""
    recipe, listing = folder / "first.toml", folder / "training_blocks.json"
    text = RECIPE.read_text().split("[score.")[0]
    text += "".join(f"# --set {setting}\n" for setting in settings)
    if not listing.exists() or recipe.read_text() != text:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        recipe.write_text(text)
        run(run_command(recipe, folder, "first", threads, "sae.topk.width=32", *settings))
        listing.write_text(json.dumps(blocks(folder)))
    return json.loads(listing.read_text())


def normalisation_file(folder):
    """Of a file whose input_mean and input_scale are those of all SAEs on these rows."""
    return next((folder / "first").glob("*/saes/topk.safetensors"))


def held_out_blocks(folder, trained_on):
    """What scoring has read besides."""
    files = blocks(folder)
    if len({Path(file).parent for file in files}) > 1:
        raise SystemExit(f"activations are no longer those that {folder} keeps: remove it")
    return sorted(set(files) - set(trained_on))


def as_read(raw, weights):
    """Rows as our SAE reads them."""
    return (raw - weights["input_mean"]) * weights["input_scale"]


def read(files, weights):
    return as_read(torch.cat([load_file(file)[STREAM] for file in files]), weights)


class KeptRows:
    """All training rows in a random order, from files that stay mapped; held-out rows in memory."""

    def __init__(self, batch, files, normalisation, held_out, held_out_rows):
        weights = load_file(normalisation)
        self.weights = {name: weights[name].clone() for name in ("input_mean", "input_scale")}
        self.blocks = [load_file(file)[STREAM] for file in files]
        self.firsts = torch.tensor([0, *accumulate(len(block) for block in self.blocks)])
        self.batch, self.order, self.taken = batch, torch.empty(0, dtype=torch.long), 0
        self.held_out = read(held_out, self.weights)[:held_out_rows].clone()

    def next_batch(self):
        if self.taken + self.batch > len(self.order):
            self.order, self.taken = torch.randperm(int(self.firsts[-1])), 0
        rows = self.order[self.taken : self.taken + self.batch].sort().values
        self.taken += self.batch
        block = torch.searchsorted(self.firsts, rows, right=True) - 1
        raw = [self.blocks[i][rows[block == i] - self.firsts[i]] for i in block.unique().tolist()]
        return as_read(torch.cat(raw), self.weights)


@torch.no_grad()
def fvu(reconstruct, rows, batch=1024):
    error = sum((x - reconstruct(x)).double().square().sum().item() for x in rows.split(batch))
    return error / (rows - rows.mean(0)).double().square().sum().item()


def load_sae(sae, weights):
    """Our weights in the SAE's PyTorch counterpart."""
    weights = {name: tensor for name, tensor in weights.items() if name in sae.state_dict()}
    sae.load_state_dict(weights | {"W_enc": weights["W_enc"].T})
    return sae


class Ours:
    """A run of the recipe, which is stopped between its turns."""

    def __init__(self, folder, threads, settings):
        runs = folder / "runs"
        shutil.rmtree(runs, ignore_errors=True)
        command = run_command(RECIPE, folder, "runs", threads, *settings)
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
        atexit.register(self.process.kill)  # even where it is stopped
        while not (found := list(runs.glob("*/metrics.jsonl"))):
            self.wait()
        self.run, self.metrics, self.done = found[0].parent, found[0], 0
        while self.count() == 0:
            self.wait()
        self.process.send_signal(signal.SIGSTOP)
        self.count()
        self.seconds = self.records()[self.done - 1]["time"]  # of training, without the pauses

    def wait(self):
        time.sleep(0.005)
        if self.process.poll() not in (None, 0):
            raise SystemExit(f"saffron ended with {self.process.returncode}")

    def count(self):
        self.done = self.metrics.read_bytes().count(b"\n")  # a line a step: log_every = 1
        return self.done

    def records(self):
        return [json.loads(line) for line in self.metrics.read_text().splitlines()[: self.done]]

    def advance(self, steps):
        """Seconds a step."""
        before, start = self.done, time.perf_counter()
        self.process.send_signal(signal.SIGCONT)
        while self.count() < before + steps:
            self.wait()
        taken = time.perf_counter() - start
        self.process.send_signal(signal.SIGSTOP)
        self.seconds += taken
        return taken / (self.done - before)

    def finish(self):
        """Runs to the end, scores included: the scores, the FVU of every step, the weights."""
        self.process.send_signal(signal.SIGCONT)
        if self.process.wait() != 0:
            raise SystemExit(f"saffron ended with {self.process.returncode}")
        self.count()
        metrics = json.loads((self.run / "results.json").read_text())["score"]["reconstruction"]
        fvu_of_steps = [record["fvu"] for record in self.records()]
        weights = load_file(self.run / "saes" / "topk.safetensors")
        return {metric["key"]: metric["value"] for metric in metrics}, fvu_of_steps, weights
