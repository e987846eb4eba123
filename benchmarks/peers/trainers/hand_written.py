"""No library: PyTorch with its fastest Adam, the decoder renormalised after every step."""

import torch
from plain_topk import EmbeddingBagTopK, PlainTopK

SAES = {"dense": PlainTopK, "embedding_bag": EmbeddingBagTopK}


class Trainer:
    def __init__(self, kind, shape, steps, lr):
        self.sae = SAES[kind](shape.d, shape.latents, shape.k)
        self.lr = 1e-3 if lr is None else lr
        self.optimizer = torch.optim.Adam(self.sae.parameters(), lr=self.lr, fused=True)

    def train(self, batches):
        for rows in batches:
            loss = (rows - self.sae(rows)[0]).square().sum() / len(rows)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            self.sae.renormalise()

    def reconstruct(self, rows):
        return self.sae(rows)[0]
