"""sae-lens: SAETrainer.fit, which draws the batches itself."""

import sae_lens  # noqa: F401  (registers its architectures)
import torch
from sae_lens.config import SAETrainerConfig
from sae_lens.registry import get_sae_training_class
from sae_lens.training.sae_trainer import SAETrainer

ARCHITECTURES = {
    "topk": "topk",
    "topk_dead": "topk",
    "batch_topk": "batchtopk",
    "matryoshka": "matryoshka_batchtopk",
    "relu": "standard",
    "jumprelu": "jumprelu",
    "gated": "gated",
}


class Trainer:
    def __init__(self, kind, shape, steps, lr):
        sae_class, config_class = get_sae_training_class(ARCHITECTURES[kind])
        options = {"d_in": shape.d, "d_sae": shape.latents}
        if "topk" in ARCHITECTURES[kind]:
            options["k"] = shape.k
        if kind == "matryoshka":
            options["matryoshka_widths"] = [shape.latents >> level for level in (4, 3, 2, 1, 0)]
        self.sae = sae_class(config_class(**options))
        config = SAETrainerConfig(
            total_training_samples=steps * shape.batch, train_batch_size_samples=shape.batch
        )
        if lr is not None:
            config.lr = lr
        config.lr_end = config.lr  # its constant schedule does not read it, but it must be there
        self.lr = config.lr
        self.trainer = SAETrainer(config, self.sae, data_provider=None)

    def train(self, batches):
        self.trainer.data_provider = batches
        self.trainer.fit()

    def reconstruct(self, rows):
        return self.sae(rows)

    @torch.no_grad()
    def with_64_active(self, quantile):
        bar = quantile * self.sae.W_enc.norm(dim=0)
        if hasattr(self.sae, "threshold"):
            self.sae.threshold.copy_(bar)
        elif hasattr(self.sae, "b_gate"):
            self.sae.b_gate.copy_(-bar)
        else:
            self.sae.b_enc.copy_(-bar)

    @torch.no_grad()
    def with_tenth_dead(self):
        self.sae.W_enc[:, ::10] *= 0.1
        self.trainer.n_forward_passes_since_fired[::10] = 1e9
