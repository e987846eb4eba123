"""A library's training in a process of its own, which steps when it is asked to.

The library's loop asks for the next batch; between two batches the process answers questions, one a
line of JSON. A step is what passes from handing out a batch to being asked for the next one.

    {"steps": 5, "product": true}   takes 5 steps, each after one dense encoder product by itself:
                                    the seconds of each, and the most memory held so far over that
                                    after the first product
    {"score": true}                 the held-out FVU of the SAE as it is
"""

import ctypes
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import NormalDist

import torch
from kept_activations import KeptRows, fvu
from trainers import ENTRIES, Shape

GAUSSIAN_STEPS = 1 << 20  # what a trainer is told that it will take


class EntryFailed(Exception):
    pass


class Peer:
    """The process, from outside."""

    def __init__(self, entry, shape, threads, **settings):
        self.errors = tempfile.TemporaryFile("w+")
        settings |= {"entry": entry.name, "shape": shape, "threads": threads}
        count = str(threads)
        self.process = subprocess.Popen(
            [sys.executable, __file__, json.dumps(settings)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            env=os.environ
            | {"OMP_NUM_THREADS": count, "MKL_NUM_THREADS": count}
            | {"TQDM_DISABLE": "1", "HF_HUB_OFFLINE": "1"},
        )

    def ask(self, **question):
        try:
            print(json.dumps(question), file=self.process.stdin, flush=True)
            answer = self.process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            raise EntryFailed(self.last_errors())
        return json.loads(answer)

    def last_errors(self):
        code = self.process.wait()
        self.errors.seek(0)
        lines = self.errors.read().splitlines()
        return "\n  ".join([f"exit code {code}", *lines[-8:]])

    def close(self):
        self.process.kill()
        self.process.communicate()
        self.errors.close()


def memory(field):
    """Of this process, in MB."""
    status = Path("/proc/self/status").read_text()
    return int(status.split(field)[1].split()[0]) / 1e3


def forget_peak():
    """The kernel counts the peak (VmHWM) from here on."""
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")


def seconds(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


class GaussianRows:
    def __init__(self, shape):
        self.halves, self.taken = torch.randn(2, shape.batch, shape.d), 0

    def next_batch(self):
        self.taken += 1
        return self.halves[self.taken % 2]


class Product:
    """The dense encoder product alone."""

    def __init__(self, shape):
        self.x = torch.randn(shape.batch, shape.d)
        self.weights = torch.randn(shape.latents, shape.d).t()
        self.out = torch.empty(shape.batch, shape.latents)

    @torch.no_grad()
    def __call__(self):
        torch.mm(self.x, self.weights, out=self.out)


class Server:
    def __init__(self, answers, settings):
        self.answers = answers
        entry = next(entry for entry in ENTRIES if entry.name == settings["entry"])
        shape = Shape(*settings["shape"])
        torch.set_num_threads(settings["threads"])
        torch.manual_seed(0)
        module = importlib.import_module(f"trainers.{entry.module}")
        gaussian = "kept" not in settings
        self.product = Product(shape) if gaussian else None
        self.rows = GaussianRows(shape) if gaussian else KeptRows(shape.batch, **settings["kept"])
        if gaussian:
            self.product()
        forget_peak()
        self.before = memory("VmRSS:")
        # One more than are taken: at its end a library saves and reports.
        steps = settings.get("steps", GAUSSIAN_STEPS) + 1
        self.trainer = module.Trainer(entry.kind, shape, steps, settings["lr"])
        if gaussian:
            self.prepare(entry.ours, shape)

    def prepare(self, architecture, shape):
        if architecture == "topk_dead":
            self.trainer.with_tenth_dead()
        elif architecture in ("relu", "jumprelu", "gated"):
            self.trainer.with_64_active(NormalDist().inv_cdf(1 - 64 / shape.latents))

    def answer(self, **answer):
        print(json.dumps(answer), file=self.answers, flush=True)

    def batches(self):
        for line in sys.stdin:
            question = json.loads(line)
            if "score" in question:
                self.answer(fvu=self.score(), lr=self.trainer.lr)
                continue
            steps, products = [], []
            for _ in range(question["steps"]):
                if question.get("product"):
                    products.append(seconds(self.product))
                batch = self.rows.next_batch()
                start = time.perf_counter()
                yield batch
                steps.append(time.perf_counter() - start)
            peak_mb = memory("VmHWM:") - self.before
            self.answer(steps=steps, products=products, peak_mb=peak_mb)
        os._exit(0)

    @torch.no_grad()
    def score(self):
        return fvu(self.trainer.reconstruct, self.rows.held_out)


def main():
    # What libraries print goes where their errors go.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    server = Server(answers, json.loads(sys.argv[1]))
    server.trainer.train(server.batches())


if __name__ == "__main__":
    main()
