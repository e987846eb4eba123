"""docs/examples/write_activations.py against our reader, on small random models."""

import importlib.util
import json
import os
import re
import subprocess
from pathlib import Path

import numpy
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import LlamaConfig, LlamaForCausalLM

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("SAFFRON_BUILD_DIR", ROOT / "build" / "release"))
SCRIPT = ROOT / "docs" / "examples" / "write_activations.py"

spec = importlib.util.spec_from_file_location("write_activations", SCRIPT)
script = importlib.util.module_from_spec(spec)
spec.loader.exec_module(script)


def read(folder, tmp_path):
    out = tmp_path / "read.safetensors"
    subprocess.run([BUILD / "bin" / "saffron_read_activations", folder, out], check=True)
    return load_file(out)


@pytest.fixture(scope="module")
def llama():
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=50,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=4,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=32,
    )
    return LlamaForCausalLM(config).eval()


def padded_batches(side):
    """Two batches of contexts of 2 to 9 tokens."""
    generator = torch.Generator().manual_seed(1)
    batches = []
    for lengths in ([9, 4, 7], [2, 8]):
        width = max(lengths)
        ids = torch.randint(0, 50, (len(lengths), width), generator=generator)
        mask = torch.zeros_like(ids)
        for row, length in zip(mask, lengths):
            row[slice(0, length) if side == "right" else slice(width - length, width)] = 1
        batches.append({"input_ids": ids, "attention_mask": mask})
    return batches


def expected_rows(model, batches, layer):
    """Context by context: the residual stream after the layer, and where each row is from."""
    captured = []
    hook = model.model.layers[layer].register_forward_hook(
        lambda module, inputs, output: captured.append(
            output if isinstance(output, torch.Tensor) else output[0]
        )
    )
    rows, origin, context = [], [], 0
    for batch in batches:
        with torch.no_grad():
            model(**batch)
        for activations, mask in zip(captured.pop(), batch["attention_mask"]):
            tokens = [t for t in range(len(mask)) if mask[t]]
            for position, t in enumerate(tokens):
                if position > 0:
                    rows.append(activations[t])
                    origin.append([context, position])
            context += 1
    hook.remove()
    return torch.stack(rows), torch.tensor(origin)


@pytest.mark.parametrize("side", ["right", "left"])
def test_hugging_face(llama, tmp_path, side):
    batches = padded_batches(side)
    script.write_activations(script.hugging_face(llama, batches, [0, 2]), tmp_path / "acts")
    held = read(tmp_path / "acts", tmp_path)
    assert set(held) == {"layers.0.resid_post", "layers.2.resid_post", "origin"}
    for layer in (0, 2):
        rows, origin = expected_rows(llama, batches, layer)
        assert torch.equal(held[f"layers.{layer}.resid_post"], rows)
        assert torch.equal(held["origin"], origin)


def test_the_last_layer_is_refused(llama, tmp_path):
    with pytest.raises(ValueError, match="final norm"):
        script.write_activations(
            script.hugging_face(llama, padded_batches("right"), [3]), tmp_path / "acts"
        )


def test_transformer_lens(tmp_path):
    import transformer_lens as lens
    config = lens.HookedTransformerConfig(
        n_layers=2, d_model=12, n_ctx=8, d_head=6, d_vocab=30, act_fn="relu", seed=0, device="cpu"
    )
    model = lens.HookedTransformer(config)
    batches = [torch.randint(0, 30, (3, 8)), torch.randint(0, 30, (2, 8))]
    names = ["blocks.0.hook_resid_post", "blocks.1.hook_mlp_out"]
    script.write_activations(script.transformer_lens(model, batches, names), tmp_path / "acts")
    held = read(tmp_path / "acts", tmp_path)
    for name in names:
        caches = [model.run_with_cache(tokens)[1] for tokens in batches]
        expected = torch.cat([cache[name][:, 1:].flatten(0, 1) for cache in caches])
        assert torch.equal(held[name], expected)
    assert held["origin"].tolist() == [[c, t] for c in range(5) for t in range(1, 8)]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_every_dtype_of_safetensors(tmp_path, dtype):
    folder = tmp_path / "acts"
    folder.mkdir()
    values = torch.randn(7, 5, generator=torch.Generator().manual_seed(2)).to(dtype)
    save_file({"resid": values}, folder / "x.safetensors")
    assert torch.equal(read(folder, tmp_path)["resid"], values.to(torch.float32))


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8"])
def test_npy(tmp_path, dtype, order):
    folder = tmp_path / "acts"
    folder.mkdir()
    values = numpy.random.default_rng(3).normal(size=(8, 5)).astype(dtype)
    for part in range(2):
        rows = numpy.asarray(values[4 * part : 4 * part + 4], order=order)
        numpy.save(folder / f"resid-{part:03}.npy", rows)
    held = read(folder, tmp_path)["resid"]
    assert numpy.array_equal(held.numpy(), values.astype(numpy.float32))


def test_contexts_with_three_dimensions(tmp_path):
    folder = tmp_path / "acts"
    folder.mkdir()
    values = numpy.random.default_rng(4).normal(size=(3, 4, 5)).astype("float32")
    numpy.save(folder / "resid.npy", numpy.asfortranarray(values))
    held = read(folder, tmp_path)
    assert numpy.array_equal(held["resid"].numpy(), values.reshape(12, 5))
    assert held["origin"].tolist() == [[c, t] for c in range(3) for t in range(4)]


def test_an_incomplete_folder_is_refused(llama, tmp_path):
    folder = tmp_path / "acts"
    script.write_activations(script.hugging_face(llama, padded_batches("right"), [0]), folder)
    (folder / json.loads((folder / "index.json").read_text())["files"][1]).unlink()
    command = [BUILD / "bin" / "saffron_read_activations", folder, tmp_path / "out"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert "the file 'part-00001.safetensors' is missing" in done.stderr


def test_the_page_shows_the_script():
    page = (ROOT / "docs" / "activation-files.md").read_text("utf-8")
    shown = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert SCRIPT.read_text("utf-8") in shown
