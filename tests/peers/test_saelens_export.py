"""`saffron export` read by SAELens: the same codes and reconstructions of raw activations."""

import json
import os
import subprocess
from pathlib import Path

import numpy
import pytest
import torch
from sae_lens import SAE
from safetensors.torch import load_file, save_file
from transformers import LlamaConfig, LlamaForCausalLM

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("SAFFRON_BUILD_DIR", ROOT / "build" / "release"))
D = 16

# As many latents as dimensions: a transposed matrix would fit and only its numbers be wrong.
SAES = {
    "square": 'use = "topk"\nwidth = 16\nk = 4',
    "wide": 'use = "topk"\nwidth = 48\nk = 4',
    "relu": 'use = "relu"\nwidth = 16',
    "unbiased": 'use = "relu"\nwidth = 16\npre_bias = false',
    "tied": 'use = "relu"\nwidth = 48\ntied = true',
    "random": 'use = "random"\nwidth = 48\nk = 4',
}
TRANSCODERS = {
    "transcoder": 'use = "relu"\nwidth = 48',
    "topk_transcoder": 'use = "topk"\nwidth = 48\nk = 4',
}
SOURCES = {
    "model": 'use = "model_activations"\nmodel = "lm"\ndataset = "ids"\n'
    'sites = ["layers.1.resid_post"]\nblock_contexts = 4\ncentre = "mean"\nscale = "sqrt_d"',
    "files": 'use = "activations"\npath = "acts"\nblock_rows = 256\n'
    'centre = "mean"\nscale = "sqrt_d"',
    "plain": 'use = "activations"\npath = "acts"\nblock_rows = 256',
}


def recipe():
    parts = ['saffron = 1\nname = "export"\nseed = 1\nthreads = 1\ncache = ""']
    parts.append('[model.lm]\nuse = "llama"\npath = "lm"')
    parts.append('[dataset.ids]\nuse = "tokens"\nfiles = ["ids.npy"]')
    for source, keys in SOURCES.items():
        parts.append(f"[source.{source}]\n{keys}")
        stream = f"{source}:layers.1.resid_post"
        for sae, options in SAES.items():
            parts.append(f'[sae.{source}-{sae}]\nreads = ["{stream}"]\n{options}')
    for name, options in TRANSCODERS.items():
        streams = [f"files:layers.{layer}.resid_post" for layer in (1, 2)]
        parts.append(
            f"[sae.{name}]\n{options}\nreads = ['{streams[0]}']\npredicts = ['{streams[1]}']"
        )
    for source in SOURCES:
        names = [f"{source}-{sae}" for sae in SAES]
        names += TRANSCODERS if source == "files" else []
        parts.append(
            f"[train.{source}]\nsaes = {names}\nrows = 12_800\nbatch = 128\noptimizer.lr = 3e-3"
        )
    return "\n\n".join(parts) + "\n"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A finished run: its working directory, its folder there, and the raw activations [R, d]."""
    work = tmp_path_factory.mktemp("export")
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=50,
        hidden_size=D,
        intermediate_size=32,
        num_hidden_layers=4,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=32,
    )
    model = LlamaForCausalLM(config).eval()
    with torch.no_grad():  # activations far from zero, and not near norm sqrt(d)
        model.model.embed_tokens.weight.mul_(50).add_(20 * torch.randn(D))
    model.save_pretrained(work / "lm")
    ids = torch.randint(0, 50, (64, 32))
    numpy.save(work / "ids.npy", ids.numpy())
    with torch.no_grad():
        hidden = model(ids, output_hidden_states=True).hidden_states
    rows = {f"layers.{i}.resid_post": hidden[i + 1][:, 1:].flatten(0, 1) for i in (1, 2)}
    (work / "acts").mkdir()
    save_file({name: a.contiguous() for name, a in rows.items()}, work / "acts" / "a.safetensors")
    (work / "recipe.toml").write_text(recipe())
    run(work, "run", "recipe.toml", "--quiet")
    return work, next(work.glob("runs/export-*")), rows["layers.1.resid_post"]


def run(work, *arguments, code=0):
    command = [BUILD / "bin" / "saffron", *arguments]
    done = subprocess.run(command, cwd=work, capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    return done.stderr


def ours(weights, sae, x):
    """Codes and reconstructions of rows as our SAE reads them (docs/python.md)."""
    w = weights
    bias = torch.zeros(()) if sae in ("unbiased", "transcoder") else w["b_dec"]
    encoder = w["W_dec"] if sae in ("tied", "random") else w["W_enc"]
    pre = (x - bias) @ encoder.T + w.get("b_enc", torch.zeros(()))
    if sae == "random":
        pre = pre * w["gain"]
    if sae in ("square", "wide", "random"):
        values, latents = pre.topk(4)
        pre = torch.zeros_like(pre).scatter(1, latents, values)
    codes = pre.relu()
    return codes, codes @ w["W_dec"] + w["b_dec"]


def distance(a, b):
    return ((a - b).norm() / b.norm()).item()


@pytest.mark.parametrize("sae", SAES)
@pytest.mark.parametrize("source", SOURCES)
def test_raw_activations(trained, source, sae):
    work, folder, raw = trained
    name = f"{source}-{sae}"
    run(work, "export", folder, name, "--sae", name, "--format", "saelens")
    weights = load_file(folder / "saes" / f"{name}.safetensors")
    # The sample that the normalisation is estimated on is all there is.
    mean = torch.zeros(D) if source == "plain" else raw.mean(0)
    scale = 1 if source == "plain" else D**0.5 / (raw - mean).norm(dim=1).mean()
    codes, xhat = ours(weights, sae, (raw - mean) * scale)

    exported = SAE.load_from_disk(work / name)
    with torch.no_grad():
        their_codes = exported.encode(raw)
        their_raw = exported.decode(their_codes)
    assert exported.cfg.architecture() == ("topk" if "k = 4" in SAES[sae] else "standard")
    width = codes.shape[1]
    assert exported.W_enc.shape == (D, width) and exported.W_dec.shape == (width, D)
    assert codes.count_nonzero() > 0
    assert distance(their_codes, codes) < 1e-5
    assert distance(their_raw, xhat / scale + mean) < 1e-5


def test_metadata(trained):
    work, folder, _ = trained
    run(work, "export", folder, "named", "--sae", "model-wide", "--format", "saelens")
    metadata = SAE.load_from_disk(work / "named").cfg.metadata
    assert metadata.hook_name == "blocks.1.hook_resid_post"
    assert metadata.model_name == "lm"
    assert metadata.context_size == 32
    assert metadata.seqpos_slice == [1, None]
    assert metadata.sae_lens_training_version is None
    written = json.loads((work / "named" / "cfg.json").read_text())
    assert set(written["metadata"]) == set(metadata.keys())


def test_a_transcoder_predicts_the_raw_activations_of_another_stream(trained):
    work, folder, raw = trained
    run(work, "export", folder, "t", "--sae", "transcoder", "--format", "saelens")
    weights = load_file(folder / "saes" / "transcoder.safetensors")
    codes, yhat = ours(weights, "transcoder", (raw - weights["input_mean"]) * weights["input_scale"])
    exported = SAE.load_from_disk(work / "t")
    assert exported.cfg.architecture() == "transcoder"
    assert exported.cfg.metadata.hook_name_out == "blocks.2.hook_resid_post"
    with torch.no_grad():
        their_codes, theirs = exported.encode(raw), exported(raw)
    assert distance(their_codes, codes) < 1e-5
    assert distance(theirs, yhat / weights["output_scale"] + weights["output_mean"]) < 1e-5


def test_a_transcoder_that_saelens_lacks_is_refused(trained):
    work, folder, _ = trained
    arguments = ["export", folder, "u", "--sae", "topk_transcoder", "--format", "saelens"]
    assert "no transcoder with the activation 'topk'" in run(work, *arguments, code=1)
    assert not (work / "u").exists()
