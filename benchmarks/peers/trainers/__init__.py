"""The trainers of the libraries that Saffron is compared with, all driven in the same way.

Each module has a class `Trainer(kind, shape, steps, lr)`, lr None for the library's own:

    train(batches)        the library's own loop or step, over an iterator of rows [B, d]
    reconstruct(rows)     TopK and BatchTopK: what the SAE makes of rows, selecting as in training
    with_64_active(q)     ReLU-like kinds: what makes 64 latents active for Gaussian rows
    with_tenth_dead()     topk_dead: every tenth latent is dead, and known to be
"""

from typing import NamedTuple


class Shape(NamedTuple):
    d: int
    latents: int
    k: int
    batch: int


class Entry(NamedTuple):
    library: str  # its distribution on PyPI
    kind: str
    module: str
    ours: str  # the architecture's name in benchmarks/step.cpp
    title: str

    @property
    def name(self):
        return f"{self.library}/{self.kind}"


OURS = {
    "topk": "TopK",
    "topk_dead": "TopK, 10 % dead",
    "batch_topk": "BatchTopK",
    "relu": "ReLU, L0 64",
    "jumprelu": "JumpReLU, L0 64",
    "gated": "Gated, L0 64",
    "matryoshka": "Matryoshka, 5 levels",
}


def of(library, module, *kinds):
    return [Entry(library, kind, module, kind, OURS[kind]) for kind in kinds]


ENTRIES = [
    *of("sae-lens", "saelens", *OURS),
    *of("dictionary-learning", "dictionary", *(kind for kind in OURS if kind != "topk_dead")),
    Entry("eai-sparsify", "adam", "eai_sparsify", "topk", "TopK, Adam"),
    Entry("eai-sparsify", "signum", "eai_sparsify", "topk", "TopK, signum"),
    *of("overcomplete", "overcomplete_sae", "topk", "batch_topk", "relu"),
    Entry("torch", "dense", "hand_written", "topk", "TopK by hand, dense"),
    Entry("torch", "embedding_bag", "hand_written", "topk", "TopK by hand, embedding_bag"),
]
