"""`saffron export` read by the libraries themselves, and their files read by `use = "pretrained"`."""

import json
import os
import subprocess
from pathlib import Path

import numpy
import pytest
import torch
from dictionary_learning import AutoEncoder
from dictionary_learning.utils import load_dictionary
from safetensors.torch import load_file, save_file
from sae_lens import SAE
from sae_lens.loading.pretrained_sae_loaders import (
    gemma_2_sae_huggingface_loader,
    gemma_2_transcoder_huggingface_loader,
)
from sparsify import SparseCoder

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("SAFFRON_BUILD_DIR", ROOT / "build" / "release"))
FIXTURES = ROOT / "tests" / "fixtures" / "formats"
D, OUT, F, K, ROWS = 12, 10, 40, 4, 1024

SAES = {
    "relu": 'use = "relu"',
    "relu_unsubtracted": 'use = "relu"\npre_bias = false',
    "topk": f'use = "topk"\nk = {K}',
}


def run(work, *arguments, code=0):
    command = [BUILD / "bin" / "saffron", *arguments]
    done = subprocess.run(command, cwd=work, capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    return done.stderr


def node(kind, name, text):
    return f"[{kind}.{name}]\n{text}"


def recipe(nodes, saes, rows):
    train = f"saes = {list(saes)}\nrows = {rows}\nbatch = 128\noptimizer.lr = 3e-3"
    head = 'saffron = 1\nname = "formats"\nseed = 1\nthreads = 1\ncache = ""'
    return "\n\n".join([head, *nodes, node("train", "all", train)]) + "\n"


def activations(path, width):
    generator = torch.Generator().manual_seed(width)
    mean = 3 * torch.randn(width, generator=generator)
    mix = torch.randn(width, width, generator=generator)
    rows = torch.randn(ROWS, width, generator=generator) @ mix + mean
    path.mkdir()
    save_file({"x": rows.contiguous()}, path / "a.safetensors")
    return rows


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A finished run of every SAE: its working directory, its folder there, the raw activations."""
    work = tmp_path_factory.mktemp("formats")
    rows = activations(work / "acts", D)
    source = 'use = "activations"\npath = "acts"\nblock_rows = 256\ncentre = "mean"\nscale = "sqrt_d"'
    nodes = [node("source", "acts", source)]
    nodes += [node("sae", n, f"reads = ['acts']\nwidth = {F}\n{text}") for n, text in SAES.items()]
    (work / "recipe.toml").write_text(recipe(nodes, SAES, 12_800))
    run(work, "run", "recipe.toml", "--quiet")
    return work, next(work.glob("runs/formats-*")), rows


def ours(weights, sae, x):
    """Codes and reconstructions of rows as our SAE reads them (docs/python.md)."""
    bias = 0 if sae == "relu_unsubtracted" else weights["b_dec"]
    codes = ((x - bias) @ weights["W_enc"].T + weights["b_enc"]).relu()
    if sae == "topk":
        values, latents = codes.topk(K)
        codes = torch.zeros_like(codes).scatter(1, latents, values)
    return codes, codes @ weights["W_dec"] + weights["b_dec"]


def distance(a, b):
    return ((a - b).norm() / b.norm()).item()


def read_saelens(path, raw):
    sae = SAE.load_from_disk(path)
    codes = sae.encode(raw)
    return codes, sae.decode(codes)


def read_sparsify(path, raw):
    coder = SparseCoder.load_from_disk(path)
    encoded = coder.encode(raw)
    codes = torch.zeros_like(encoded.pre_acts)
    codes.scatter_(1, encoded.top_indices, encoded.top_acts)
    return codes, coder(raw).sae_out


def read_dictionary_learning(path, raw):
    if json.loads((path / "config.json").read_text())["trainer"]["dict_class"] == "AutoEncoder":
        # load_dictionary would scale its latents to decoder rows of norm 1
        made = AutoEncoder.from_pretrained(path / "ae.pt", normalize_decoder=False)
    else:
        made = load_dictionary(str(path), device="cpu")[0]
    codes = made.encode(raw)
    return codes, made.decode(codes)


def read_gemma_scope(path, raw):
    with numpy.load(path / "params.npz") as params:
        p = {name: torch.from_numpy(params[name]) for name in params}
    pre = raw @ p["W_enc"] + p["b_enc"]
    codes = pre.relu() * (pre > p["threshold"])
    return codes, codes @ p["W_dec"] + p["b_dec"]


READERS = {
    "saelens": (read_saelens, SAES),
    "sparsify": (read_sparsify, SAES),
    "dictionary_learning": (read_dictionary_learning, SAES),
    "gemma_scope": (read_gemma_scope, ("relu", "relu_unsubtracted")),
}
EXPORTS = [(name, sae) for name, (_, saes) in READERS.items() for sae in saes]


@pytest.mark.parametrize(("name", "sae"), EXPORTS)
def test_exports_are_read_by_the_library(trained, name, sae):
    work, folder, raw = trained
    target = work / f"{name}-{sae}"
    run(work, "export", folder, target, "--sae", sae, "--format", name)
    weights = load_file(folder / "saes" / f"{sae}.safetensors")
    mean, scale = weights["input_mean"], weights["input_scale"]
    codes, xhat = ours(weights, sae, (raw - mean) * scale)
    with torch.no_grad():
        their_codes, their_raw = READERS[name][0](target, raw)
    assert codes.count_nonzero() > 0
    assert distance(their_codes, codes) < 1e-5
    assert distance(their_raw, xhat / scale + mean) < 1e-5


def test_what_a_format_lacks_is_refused(trained):
    work, folder, _ = trained
    arguments = ["export", folder, "refused", "--sae", "topk", "--format", "gemma_scope"]
    assert "has no activation 'topk'" in run(work, *arguments, code=1)
    assert not (work / "refused").exists()


def test_torch_reads_ae_pt_without_unpickling_objects(trained):
    work, folder, _ = trained
    run(work, "export", folder, "safe", "--sae", "topk", "--format", "dictionary_learning")
    for mmap in (False, True):
        state = torch.load(work / "safe" / "ae.pt", weights_only=True, mmap=mmap)
        assert state["k"].item() == K
        assert state["encoder.weight"].shape == (F, D)
        assert state["decoder.weight"].shape == (D, F)


def test_gemma_scope_is_read_by_saelens_loader(trained, monkeypatch):
    work, folder, raw = trained
    run(work, "export", folder, "scope", "--sae", "relu", "--format", "gemma_scope")
    module = "sae_lens.loading.pretrained_sae_loaders"
    monkeypatch.setattr(f"{module}.hf_hub_download", lambda **_: work / "scope" / "params.npz")
    monkeypatch.setattr(f"{module}.get_gemma_2_transcoder_config_from_hf", lambda *_: {})
    _, state, _ = gemma_2_transcoder_huggingface_loader("any", "any")
    pre = raw @ state["W_enc"] + state["b_enc"]
    codes = pre.relu() * (pre > state["threshold"])
    assert distance(codes, read_gemma_scope(work / "scope", raw)[0]) < 1e-6


def test_embedding_saes_of_gemma_scope_are_read_as_saelens_does(tmp_path, monkeypatch):
    shapes = {"W_enc": (D, F), "W_dec": (F, D), "b_enc": F, "b_dec": D, "threshold": F}
    generator = numpy.random.default_rng(3)
    params = {n: generator.random(shape, dtype=numpy.float32) for n, shape in shapes.items()}
    folder = tmp_path / "embedding"
    folder.mkdir()
    numpy.savez(folder / "params.npz", **params)
    activations(tmp_path / "acts", D)
    sae = f'use = "pretrained"\npath = "{folder}"\nreads = ["acts"]\n'
    sae += 'format = { use = "gemma_scope", embedding = true }'
    source = 'use = "activations"\npath = "acts"\nblock_rows = 256'
    nodes = [node("source", "acts", source), node("sae", "embedding", sae)]
    (tmp_path / "recipe.toml").write_text(recipe(nodes, ["embedding"], 128))
    run(tmp_path, "run", "recipe.toml", "--quiet")
    (file,) = tmp_path.glob("runs/formats-*/saes/embedding.safetensors")
    weights = load_file(file)

    module = "sae_lens.loading.pretrained_sae_loaders"
    config = {"d_in": D, "finetuning_scaling_factor": False}
    monkeypatch.setattr(f"{module}.hf_hub_download", lambda **_: folder / "params.npz")
    monkeypatch.setattr(f"{module}.get_gemma_2_config_from_hf", lambda *_: config)
    _, state, _ = gemma_2_sae_huggingface_loader("google/gemma-scope-2b-pt-res", "embedding")
    assert distance(state["W_enc"], torch.from_numpy(params["W_enc"])) > 0.5
    for name, theirs in state.items():
        mine = weights[name].T if name == "W_enc" else weights[name]
        assert distance(mine, theirs) < 1e-6, name


PRETRAINED = sorted(path.parent for path in FIXTURES.glob("*/*/recorded.safetensors"))


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory):
    """A run that reads every recorded folder as a frozen SAE, exported to SAELens where it can be."""
    work = tmp_path_factory.mktemp("pretrained")
    recorded = load_file(PRETRAINED[0] / "recorded.safetensors")
    streams = {"x": recorded["x"].repeat(64, 1), "y": torch.randn(64 * 7, 4)}
    (work / "acts").mkdir()
    save_file({n: t.contiguous() for n, t in streams.items()}, work / "acts" / "a.safetensors")
    nodes = [node("source", "acts", 'use = "activations"\npath = "acts"\nblock_rows = 64')]
    names = []
    for path in PRETRAINED:
        out = load_file(path / "recorded.safetensors")["xhat"].shape[1]
        names.append(f"{path.parent.name}-{path.name}")
        text = f'use = "pretrained"\npath = "{path}"\nreads = ["acts:x"]\n'
        text += 'predicts = ["acts:y"]' if out != recorded["x"].shape[1] else ""
        if path.parent.name == "sparsify":
            text += '\nformat = { use = "sparsify" }'
        nodes.append(node("sae", names[-1], text))
    (work / "recipe.toml").write_text(recipe(nodes, names, 128))
    run(work, "run", "recipe.toml", "--quiet")
    return work, next(work.glob("runs/formats-*"))


@pytest.mark.parametrize("path", PRETRAINED, ids=lambda p: f"{p.parent.name}-{p.name}")
def test_files_of_a_library_come_back_from_saelens(pretrained, path):
    work, folder = pretrained
    name = f"{path.parent.name}-{path.name}"
    if name in ("sparsify-groupmax", "sparsify-skip_transcoder"):
        assert "SAELens" in run(work, "export", folder, name, "--sae", name, code=1)
        return
    run(work, "export", folder, name, "--sae", name, "--format", "saelens")
    recorded = load_file(path / "recorded.safetensors")
    exported = SAE.load_from_disk(work / name)
    with torch.no_grad():
        codes, xhat = exported.encode(recorded["x"]), exported(recorded["x"])
    assert distance(codes, recorded["codes"]) < 1e-5
    assert distance(xhat, recorded["xhat"]) < 1e-5
    assert json.loads((work / name / "cfg.json").read_text())["dtype"] == "float32"
