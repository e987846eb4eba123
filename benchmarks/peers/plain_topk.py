"""A TopK SAE as one writes it by hand in PyTorch: what its peers in benchmarks/ share."""

import torch
from torch.nn import Parameter
from torch.nn.functional import embedding_bag, normalize


class PlainTopK(torch.nn.Module):
    def __init__(self, d, width, k):
        super().__init__()
        directions = normalize(torch.randn(width, d), dim=1)
        self.W_enc, self.W_dec = Parameter(directions.T.clone()), Parameter(directions.clone())
        self.b_enc, self.b_dec = Parameter(torch.zeros(width)), Parameter(torch.zeros(d))
        self.k = k

    def pre_activations(self, x):
        return (x - self.b_dec) @ self.W_enc + self.b_enc

    def select(self, pre):
        values, latents = pre.topk(self.k)
        return torch.zeros_like(pre).scatter(1, latents, values.relu())

    def forward(self, x):
        codes = self.select(self.pre_activations(x))
        return codes @ self.W_dec + self.b_dec, codes

    @torch.no_grad()
    def renormalise(self):
        self.W_dec /= self.W_dec.norm(dim=1, keepdim=True)


class PlainBatchTopK(PlainTopK):
    def select(self, pre):
        values, places = pre.relu().flatten().topk(self.k * len(pre))
        return torch.zeros(pre.numel()).scatter(0, places, values).view_as(pre)


class EmbeddingBagTopK(PlainTopK):
    """Decodes and differentiates the decoder sparsely."""

    def forward(self, x):
        values, latents = self.pre_activations(x).topk(self.k)
        xhat = embedding_bag(latents, self.W_dec, per_sample_weights=values.relu(), mode="sum")
        return xhat + self.b_dec, (values, latents)
