"""Our forward pass against transformers, same weights, 2,048 positions of prose and code."""

import os
import pydoc_data.topics
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "fixtures" / topic) for topic in ("llama", "tokenizer")]
import llama_reference  # noqa: E402
import reference as tokenizer_reference  # noqa: E402

BUILD = Path(os.environ.get("SAFFRON_BUILD_DIR", ROOT / "build" / "release"))
MODEL = ROOT / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf"
SITES = [
    "embed",
    "layers.0.mlp_in",
    "layers.10.resid_post",
    "layers.14.attn_out",
    "layers.20.mlp_out",
    "layers.29.resid_mid",
]


def batch():
    """[8, 256]: licences, documentation and code, each its own context."""
    topics = list(pydoc_data.topics.topics.values())
    library = Path(textwrap.__file__).parent
    files = [ROOT / "LICENSE", *(library / f"{name}.py" for name in ("argparse", "enum", "tarfile"))]
    texts = [*(file.read_text("utf-8") for file in files), *sorted(topics, key=len)[-4:]]
    tokenizer = tokenizer_reference.make(*tokenizer_reference.read_gguf(MODEL))
    return torch.tensor([tokenizer.encode(text).ids[:256] for text in texts])


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    folder = tmp_path_factory.mktemp("llama")
    tokens = batch()
    positions = torch.arange(32) * 64 + 7 * torch.arange(32) % 64
    save_file({"tokens": tokens, "positions": positions}, folder / "in.safetensors")
    command = [BUILD / "bin" / "saffron_llama_forward", MODEL, folder / "in.safetensors"]
    subprocess.run([*command, folder / "out.safetensors", *SITES], check=True)
    model = llama_reference.load_gguf(MODEL)
    logits, taps = llama_reference.run(model, tokens, SITES)
    return load_file(folder / "out.safetensors"), logits.flatten(0, 1), taps, positions


def test_next_tokens(both):
    ours, logits, _, _ = both
    share = (ours["top1"] == logits.argmax(-1)).float().mean().item()
    print(f"\n{100 * share:.3f} % of {len(logits)} next tokens are the same")
    assert len(logits) >= 2000 and share >= 0.995


def test_logits(both):
    ours, logits, _, positions = both
    distance = (ours["logits"] - logits[positions]).abs().max().item()
    print(f"\nlogits at {len(positions)} positions within {distance:.2e}")
    assert len(positions) == 32 and distance < 1e-3


@pytest.mark.parametrize("site", SITES)
def test_taps(both, site):
    ours, _, taps, _ = both
    scale = taps[site].square().mean().sqrt()
    distance = ((ours[site] - taps[site]).abs().max() / scale).item()
    print(f"\n{site} within {distance:.2e} of its root mean square")
    assert distance < 1e-3
