"""eai-sparsify: Trainer.fit, on a model whose one layer's output are the rows to train on."""

from types import SimpleNamespace

import torch
from sparsify import SparseCoderConfig, TrainConfig
from sparsify.trainer import Trainer as SparsifyTrainer

CONTEXT = 128
NEVER = 1 << 40  # steps


class Layer(torch.nn.Module):
    """Gives out the next batch, whatever the tokens."""

    def __init__(self, d):
        super().__init__()
        self.d, self.batches = d, None

    def forward(self, tokens):
        if self.batches is None:  # fit has not begun: the trainer looks for the width
            return torch.zeros(*tokens.shape, self.d)
        return next(self.batches).view(*tokens.shape, self.d)


class Model(torch.nn.Module):
    device = torch.device("cpu")
    config = SimpleNamespace(num_hidden_layers=1)
    dummy_inputs = {"input_ids": torch.zeros(1, 1, dtype=torch.long)}

    def __init__(self, d):
        super().__init__()
        self.layer = Layer(d)

    @property
    def base_model(self):
        return self

    def forward(self, input_ids):
        return self.layer(input_ids)


class Tokens(torch.utils.data.Dataset):
    def __init__(self, contexts):
        self.contexts = contexts

    def __len__(self):
        return self.contexts

    def __getitem__(self, index):
        return {"input_ids": torch.zeros(CONTEXT, dtype=torch.long)}


class Trainer:
    def __init__(self, kind, shape, steps, lr):
        contexts = shape.batch // CONTEXT
        config = TrainConfig(
            SparseCoderConfig(num_latents=shape.latents, k=shape.k),
            batch_size=contexts,
            optimizer=kind,
            lr=lr,
            hookpoints=["layer"],
            save_every=NEVER,
            log_to_wandb=False,
        )
        self.model = Model(shape.d)
        self.trainer = SparsifyTrainer(config, Tokens(steps * contexts), self.model)
        (self.optimizer,) = self.trainer.optimizers
        group = self.optimizer.param_groups[0]
        self.lr = group.get("initial_lr", group["lr"])

    def train(self, batches):
        self.model.layer.batches = batches
        self.trainer.fit()

    def reconstruct(self, rows):
        averaged = hasattr(self.optimizer, "eval")  # the weights that it saves are averages
        if averaged:
            self.optimizer.eval()
        (sae,) = self.trainer.saes.values()
        reconstruction = sae(rows).sae_out
        if averaged:
            self.optimizer.train()
        return reconstruction
