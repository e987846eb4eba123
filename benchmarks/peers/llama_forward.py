"""Tokens a second of our forward pass and of the same pass in eager PyTorch, turn by turn.

Two peers on the same float32 weights: the plain functional pass below, and transformers'
LlamaForCausalLM (sdpa attention). Contenders take turns pass by pass, so that a busy machine slows
all of them; the figures are medians, the ratio is the median of the rounds' own.

  .venv-peers/bin/python benchmarks/peers/llama_forward.py [--rounds 15] [--threads 2]
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "fixtures" / "llama"))
import llama_reference  # noqa: E402

BUILD = Path(os.environ.get("SAFFRON_BUILD_DIR", ROOT / "build" / "release"))
MODEL = ROOT / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf"
CASES = [("logits", 4, 128), ("logits", 2, 512), ("layer_10", 16, 128), ("layer_10", 4, 512)]


def rms_norm(x, weight, eps):
    return weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps))


def rotate(x, cosine, sine):
    low, high = x.chunk(2, dim=-1)
    return torch.cat((low * cosine - high * sine, high * cosine + low * sine), dim=-1)


def eager(model, tokens, last_layer=None):
    """The pass as one writes it by hand; where last_layer is given, up to its resid_post."""
    config, decoder = model.config, model.model
    batch, length = tokens.shape
    inverse = decoder.rotary_emb.inv_freq
    angles = torch.arange(length, dtype=torch.float32)[:, None] * inverse
    cosine, sine = angles.cos(), angles.sin()
    x = F.embedding(tokens, decoder.embed_tokens.weight)
    layers = decoder.layers if last_layer is None else decoder.layers[: last_layer + 1]
    for layer in layers:
        attention, mlp = layer.self_attn, layer.mlp
        h = rms_norm(x, layer.input_layernorm.weight, config.rms_norm_eps)
        q, k, v = (
            F.linear(h, projection.weight).view(batch, length, -1, config.head_dim).transpose(1, 2)
            for projection in (attention.q_proj, attention.k_proj, attention.v_proj)
        )
        q, k = rotate(q, cosine, sine), rotate(k, cosine, sine)
        a = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        x = x + F.linear(a.transpose(1, 2).reshape(batch, length, -1), attention.o_proj.weight)
        h = rms_norm(x, layer.post_attention_layernorm.weight, config.rms_norm_eps)
        gate, up = F.linear(h, mlp.gate_proj.weight), F.linear(h, mlp.up_proj.weight)
        x = x + F.linear(F.silu(gate) * up, mlp.down_proj.weight)
    if last_layer is not None:
        return x
    return F.linear(rms_norm(x, decoder.norm.weight, config.rms_norm_eps), model.lm_head.weight)


def transformers_pass(model, tokens, last_layer=None):
    if last_layer is None:
        return model(tokens, use_cache=False).logits
    decoder, config = model.model, model.config
    kept = decoder.layers, decoder.norm, config.num_hidden_layers
    decoder.layers, decoder.norm = decoder.layers[: last_layer + 1], torch.nn.Identity()
    config.num_hidden_layers = last_layer + 1
    try:
        return decoder(tokens, use_cache=False).last_hidden_state
    finally:
        decoder.layers, decoder.norm, config.num_hidden_layers = kept


class Ours:
    """The benchmark program, which runs one pass a line."""

    def __init__(self, threads):
        self.process = subprocess.Popen(
            [BUILD / "benchmarks" / "llama", "--serve"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": str(threads)},
        )

    def seconds(self, case):
        print(*case, file=self.process.stdin, flush=True)
        return float(self.process.stdout.readline())


class Peer:
    def __init__(self, function, model):
        self.function, self.model = function, model

    def seconds(self, case):
        name, batch, length = case
        tokens = (torch.arange(batch * length) * 7919 % 49152).view(batch, length)
        start = time.perf_counter()
        self.function(self.model, tokens, None if name == "logits" else 10)
        return time.perf_counter() - start


def compare(contenders, case, rounds):
    """The median of ours against eager PyTorch, round by round."""
    for contender in contenders.values():
        contender.seconds(case)
    seconds = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, contender in contenders.items():
            seconds[name].append(contender.seconds(case))
    name, batch, length = case
    rates = {who: batch * length / statistics.median(taken) for who, taken in seconds.items()}
    figures = ", ".join(f"{who} {rate:.0f}" for who, rate in rates.items())
    ratio = statistics.median(
        eager_taken / ours_taken
        for ours_taken, eager_taken in zip(seconds["ours"], seconds["eager PyTorch"])
    )
    figures += f" tokens/s; ours is {ratio:.2f} x eager"
    print(f"{name} [{batch}, {length}]: {figures}", flush=True)
    return ratio


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.set_grad_enabled(False)
    model = llama_reference.load_gguf(MODEL)
    tokens = torch.arange(128)[None] * 7919 % 49152
    for last_layer in (None, 10):  # the peers compute the same
        same = eager(model, tokens, last_layer), transformers_pass(model, tokens, last_layer)
        assert torch.allclose(*same, atol=1e-2, rtol=1e-3)
    contenders = {
        "ours": Ours(options.threads),
        "eager PyTorch": Peer(eager, model),
        "transformers": Peer(transformers_pass, model),
    }
    ratios = [compare(contenders, case, options.rounds) for case in CASES]
    return int(min(ratios) < 1)


if __name__ == "__main__":
    sys.exit(main())
