"""Tokens a second of our forward pass and of the same pass in eager PyTorch, turn by turn.

Two peers on the same float32 weights: the plain functional pass below, and transformers'
LlamaForCausalLM (sdpa attention). Each round runs every contender once, so that a busy machine
slows all of them; the figure is the best round of each.

  .venv-peers/bin/python benchmarks/peers/llama_forward.py [--rounds 5] [--threads 2]
"""

import argparse
import json
import os
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
PASSES = 3  # a round; the best counts
CASES = [("logits", 4, 128), ("logits", 2, 512), ("layer_10", 16, 128), ("layer_10", 4, 512)]


def rms_norm(x, weight, eps):
    return weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps))


def rotate(x, cosine, sine):
    low, high = x.chunk(2, dim=-1)
    return torch.cat((low * cosine - high * sine, high * cosine + low * sine), dim=-1)


def eager(model, tokens, last_layer=None):
    """The pass as one writes it by hand; up to layers.<last_layer>.resid_post where that is given."""
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
    kept = model.model.layers
    model.model.layers = kept[: last_layer + 1]
    model.config.num_hidden_layers, layers = last_layer + 1, model.config.num_hidden_layers
    try:
        kept_norm, model.model.norm = model.model.norm, torch.nn.Identity()
        return model.model(tokens, use_cache=False).last_hidden_state
    finally:
        model.model.layers, model.model.norm = kept, kept_norm
        model.config.num_hidden_layers = layers


def timed(function, model, tokens, last_layer):
    start = time.perf_counter()
    function(model, tokens, last_layer)
    return tokens.numel() / (time.perf_counter() - start)


def ours(name, batch, length, threads):
    command = [
        BUILD / "benchmarks" / "llama",
        f"--benchmark_filter=^{name}/{batch}/{length}/real_time$",
        "--benchmark_format=json",
        "--benchmark_min_time=0.01",  # one pass a repetition, as the peers are timed
        f"--benchmark_repetitions={PASSES}",
    ]
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    printed = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    runs = json.loads(printed.stdout)["benchmarks"]
    return max(run["items_per_second"] for run in runs if run["run_type"] == "iteration")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.set_grad_enabled(False)
    model = llama_reference.load_gguf(MODEL)
    peers = {"eager PyTorch": eager, "transformers": transformers_pass}
    tokens = torch.arange(128)[None] * 7919 % 49152
    assert torch.allclose(eager(model, tokens), transformers_pass(model, tokens), atol=1e-3)

    slower = False
    for name, batch, length in CASES:
        last_layer = None if name == "logits" else 10
        tokens = (torch.arange(batch * length) * 7919 % 49152).view(batch, length)
        rates = {contender: [] for contender in ["ours", *peers]}
        for function in peers.values():
            function(model, tokens, last_layer)
        for _ in range(options.rounds):
            rates["ours"].append(ours(name, batch, length, options.threads))
            for contender, function in peers.items():
                best = max(timed(function, model, tokens, last_layer) for _ in range(PASSES))
                rates[contender].append(best)
        best = {contender: max(values) for contender, values in rates.items()}
        figures = ", ".join(f"{contender} {rate:.0f}" for contender, rate in best.items())
        ratio = best["ours"] / best["eager PyTorch"]
        slower |= ratio < 1
        print(f"{name} [{batch}, {length}]: {figures} tokens/s; ours is {ratio:.2f} x eager", flush=True)
    return 1 if slower else 0


if __name__ == "__main__":
    sys.exit(main())
