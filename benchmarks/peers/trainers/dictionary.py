"""dictionary-learning: its trainers' update, called as its trainSAE calls it."""

import torch
from dictionary_learning.trainers import (
    BatchTopKTrainer,
    GatedSAETrainer,
    JumpReluTrainer,
    StandardTrainer,
    TopKTrainer,
)
from dictionary_learning.trainers.matryoshka_batch_top_k import MatryoshkaBatchTopKTrainer

TRAINERS = {
    "topk": TopKTrainer,
    "batch_topk": BatchTopKTrainer,
    "matryoshka": MatryoshkaBatchTopKTrainer,
    "relu": StandardTrainer,
    "jumprelu": JumpReluTrainer,
    "gated": GatedSAETrainer,
}


class Trainer:
    def __init__(self, kind, shape, steps, lr):
        options = {} if lr is None else {"lr": lr}
        if kind in ("topk", "batch_topk", "matryoshka"):
            options["k"] = shape.k
        if kind == "matryoshka":
            options["group_fractions"] = [1 / 16, 1 / 16, 1 / 8, 1 / 4, 1 / 2]
        self.kind = kind
        self.trainer = TRAINERS[kind](
            steps=steps,
            activation_dim=shape.d,
            dict_size=shape.latents,
            layer=0,
            lm_name="none",
            device="cpu",
            **options,
        )
        self.lr = self.trainer.lr

    def train(self, batches):
        for step, rows in enumerate(batches):
            self.trainer.update(step, rows)

    def reconstruct(self, rows):
        sae = self.trainer.ae
        return sae.decode(sae.encode(rows, use_threshold=False))

    @torch.no_grad()
    def with_64_active(self, quantile):
        sae = self.trainer.ae
        if self.kind == "jumprelu":
            sae.threshold.copy_(quantile * sae.W_enc.norm(dim=0))
        elif self.kind == "gated":
            sae.gate_bias.copy_(-quantile * sae.encoder.weight.norm(dim=1))
        else:
            sae.encoder.bias.copy_(-quantile * sae.encoder.weight.norm(dim=1))
