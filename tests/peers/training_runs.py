"""A short run of Saffron, and a trainer of another library that starts from the same weights and is
given the same batches."""

import json
import math
import os
import subprocess
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("SAFFRON_BUILD_DIR", ROOT / "build" / "release"))
D, F, K, BATCH, STEPS = 24, 96, 6, 64, 100
LR = 2e-3
FIRST_STEP = 1e-5  # relative, of the loss and of each parameter's gradient
WEIGHTS = 1e-4  # absolute, after all steps

HEAD = 'saffron = 1\nname = "training"\nseed = 1\nthreads = 1\ncache = ""'
# A batch is a block of the files: which one is what `clock` tells.
SOURCE = {"use": "activations", "shuffle": False, "block_rows": BATCH, "held_out": 0}
# No code is ever active, so that its loss is the mean square of what it reads: the block's number.
CLOCK = {
    "use": "jumprelu",
    "reads": ["acts:block"],
    "width": 1,
    "decoder_bias": False,
    "threshold_init": 1e9,
    "sparsity": "none",
}
# An encoder that starts as its decoder has a gradient of 0 where one latent is active alone, and
# Adam's first steps make whole steps of its rounding.
UNIT = {"W_enc_init": "random", "b_dec_init": "mean"}
FREE = UNIT | {"unit_decoder": False}


@contextmanager
def one_thread():
    """Products as small as these are slower on several threads, many times so on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def write_rows(folder):
    """STEPS blocks of rows with the same variance, D: sparsify's loss is relative to a batch's."""
    generator = torch.Generator().manual_seed(5)
    features = torch.randn(2 * D, D, generator=generator)
    codes = torch.rand(STEPS, BATCH, 2 * D, generator=generator)
    codes *= torch.rand(STEPS, BATCH, 2 * D, generator=generator) < 0.1
    noise = torch.randn(STEPS, BATCH, D, generator=generator)
    rows = codes @ features + 0.1 * noise
    deviations = rows - rows.mean(1, keepdim=True)
    deviations *= (BATCH * D / deviations.square().sum((1, 2), keepdim=True)).sqrt()
    blocks = deviations + torch.randn(D, generator=generator) / 2
    x = blocks.flatten(0, 1)
    streams = {"x": x, "left": x[:, : D // 2], "right": x[:, D // 2 :]}
    streams["block"] = torch.arange(STEPS).repeat_interleave(BATCH)[:, None].float()
    save_file({name: t.contiguous() for name, t in streams.items()}, folder / "a.safetensors")
    return folder


def table(name, keys):
    return f"[{name}]\n" + "\n".join(f"{key} = {json.dumps(value)}" for key, value in keys.items())


@dataclass
class Ours:
    """What a run leaves. Tensors have the names that they have in an SAE's file."""

    batches: list[Tensor]
    records: list[dict]  # of metrics.jsonl, one a step
    start: dict[str, Tensor]
    gradients: dict[str, Tensor]  # of the first step, as Adam's first moments after it
    end: dict[str, Tensor]


def train(rows, work, sae, reads=("x",), penalty=None, **keys):
    """Trains STEPS steps, and beside them one step at a vanishing rate, which shows the start."""
    sae = {"reads": [f"acts:{stream}" for stream in reads], "width": F, **sae}
    source = SOURCE | {"path": str(rows)}
    keys = {"batch": BATCH, "shuffle_blocks": 1, "log_every": 1, "optimizer.lr": LR, **keys}
    parts = [HEAD, table("source.acts", source), table("sae.clock", CLOCK)]
    for name, own in {
        "first": {"saes": ["first"], "rows": BATCH, "optimizer.lr": 1e-30},
        "all": {"saes": ["all", "clock"], "rows": BATCH * STEPS},
    }.items():
        parts += [table(f"sae.{name}", sae), table(f"train.{name}", keys | own)]
        if penalty:
            parts.append(table(f"train.{name}.regularizer.penalty", {"over": [name], **penalty}))
    (work / "recipe.toml").write_text("\n\n".join(parts) + "\n")
    command = [BUILD / "bin" / "saffron", "run", "recipe.toml", "--quiet"]
    done = subprocess.run(command, cwd=work, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return read_run(next(work.glob("runs/training-*")), rows)


def read_run(folder, rows):
    records = {"first": [], "all": [], "clock": []}
    for line in (folder / "metrics.jsonl").read_text().splitlines():
        record = json.loads(line)
        records[record["sae"]].append(record)
    squares = [record["loss"] for record in records["clock"]]
    order = [math.isqrt(int(square)) for square in squares]
    assert sorted(order) == list(range(STEPS)) and [n**2 for n in order] == squares
    blocks = load_file(rows / "a.safetensors")["x"].view(STEPS, BATCH, D)
    first = load_file(folder / "checkpoints" / "first-1.safetensors")

    def of_first(prefix):
        return {key.removeprefix(prefix): t for key, t in first.items() if key.startswith(prefix)}

    assert records["first"][0]["loss"] == records["all"][0]["loss"]
    return Ours(
        batches=[blocks[number] for number in order],
        records=records["all"],
        start=of_first("sae/first/parameter/"),
        gradients=of_first("sae/first/first/"),
        end=load_file(folder / "saes" / "all.safetensors"),
    )


@dataclass
class Peer:
    """A library's trainer. `parameters` have our names; those `transposed` are [d, F]."""

    parameters: dict[str, torch.nn.Parameter]
    transposed: set[str]
    optimizer: torch.optim.Optimizer
    trainer: object
    step: Callable[[Tensor], float] | None = None  # trains on a batch; the loss

    def as_ours(self, name, tensor):
        return tensor.T if name in self.transposed else tensor

    @torch.no_grad()
    def load(self, weights):
        for name, parameter in self.parameters.items():
            self.as_ours(name, parameter).copy_(weights[name])

    def weights(self):
        tensors = self.parameters.items()
        return {name: self.as_ours(name, t.detach()).clone() for name, t in tensors}

    def first_moments(self):
        state = self.optimizer.state
        tensors = self.parameters.items()
        return {name: self.as_ours(name, state[t]["exp_avg"]).clone() for name, t in tensors}


@dataclass
class Followed:
    """What a library made of a run's start and batches, in our layout."""

    losses: list[float]
    gradients: dict[str, Tensor]  # of the first step, as Adam's first moments after it
    end: dict[str, Tensor]


def follow(ours, peer):
    peer.load(ours.start)
    losses = [peer.step(ours.batches[0])]
    gradients = peer.first_moments()
    losses += [peer.step(x) for x in ours.batches[1:]]
    return Followed(losses, gradients, peer.weights())


def distances(ours, theirs, loss_scale=1.0):
    """Of the first step's loss and gradients, relative; of the weights at the end, absolute."""
    loss = abs(theirs.losses[0] * loss_scale / ours.records[0]["loss"] - 1)
    assert ours.gradients.keys() == theirs.gradients.keys()
    pairs = {n: (ours.gradients[n], g * loss_scale) for n, g in theirs.gradients.items()}
    gradients = {n: ((a - b).norm() / b.norm()).item() for n, (a, b) in pairs.items()}
    end = {n: (ours.end[n] - w).abs().max().item() for n, w in theirs.end.items()}
    return loss, gradients, end


def check(ours, theirs, loss_scale=1.0):
    loss, gradients, end = distances(ours, theirs, loss_scale)
    moved = {n: (ours.end[n] - ours.start[n]).abs().max().item() for n in end}
    assert min(moved.values()) > 100 * WEIGHTS, moved
    assert loss < FIRST_STEP
    assert max(gradients.values()) < FIRST_STEP, gradients
    assert max(end.values()) < WEIGHTS, end


def check_differs(ours, theirs, loss_scale=1.0):
    end = distances(ours, theirs, loss_scale)[2]
    assert max(end.values()) > 10 * WEIGHTS, end
