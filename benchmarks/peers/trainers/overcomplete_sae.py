"""overcomplete: train_sae without its logging, with the loss and the optimiser of its README."""

import sys
from importlib.util import find_spec
from types import ModuleType

import torch

# The package's own __init__ imports what loads and shows images (torchvision, OpenCV, timm). Its
# SAEs need none of that, and are imported past it.
package = ModuleType("overcomplete")
package.__path__ = list(find_spec("overcomplete").submodule_search_locations)
sys.modules["overcomplete"] = package
from overcomplete.sae import SAE, BatchTopKSAE, TopKSAE, mse_l1, train_sae  # noqa: E402


def squared_error(x, x_hat, pre_codes, codes, dictionary):
    return (x - x_hat).square().mean()


class Trainer:
    def __init__(self, kind, shape, steps, lr):
        if kind == "relu":
            self.sae, self.loss = SAE(shape.d, shape.latents), mse_l1
        else:
            sae_class, kept = {
                "topk": (TopKSAE, shape.k),
                "batch_topk": (BatchTopKSAE, shape.k * shape.batch),  # its top_k is of a batch
            }[kind]
            self.sae, self.loss = sae_class(shape.d, shape.latents, top_k=kept), squared_error
        self.lr = 5e-4 if lr is None else lr
        self.optimizer = torch.optim.Adam(self.sae.parameters(), lr=self.lr)

    def train(self, batches):
        train_sae(self.sae, batches, self.loss, self.optimizer, nb_epochs=1, monitoring=0)

    def reconstruct(self, rows):
        return self.sae(rows)[2]

    @torch.no_grad()
    def with_64_active(self, quantile):
        linear = self.sae.encoder.final_block[0]
        linear.bias.copy_(-quantile * linear.weight.norm(dim=1))
