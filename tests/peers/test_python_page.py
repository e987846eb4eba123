"""What docs/python.md shows, run in its order on a run of README.md's first recipe."""

import os
import re
import subprocess
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("SAFFRON_BUILD_DIR", ROOT / "build" / "release"))


def shown(page, language):
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / page).read_text("utf-8"), re.DOTALL)


@pytest.fixture(scope="module")
def run_name(tmp_path_factory):
    work = tmp_path_factory.mktemp("page")
    (work / "first.toml").write_text(shown("README.md", "toml")[0])
    command = [BUILD / "bin" / "saffron", "run", "first.toml", "--quiet"]
    smaller = ["train.all.rows=5120", "train.all.log_every=5"]
    subprocess.run([*command, *(f"--set={value}" for value in smaller)], cwd=work, check=True)
    return next(work.glob("runs/first-*")).relative_to(work), work


def test_the_page_runs(run_name, monkeypatch):
    folder, work = run_name
    monkeypatch.chdir(work)
    generator = torch.Generator().manual_seed(1)
    names = {"x": torch.randn(100, 256, generator=generator)}
    for block in shown("docs/python.md", "python"):
        if "input_mean" in block:  # `planted` neither centres nor scales
            names["w"] |= {"input_mean": torch.ones(256), "input_scale": torch.full((256,), 0.5)}
            names["a"] = names["x"] * 2 + 1
        exec(re.sub(r"runs/first-\w+", str(folder), block), names)
    assert torch.allclose(names["x"], (names["a"] - 1) / 2)
    assert torch.allclose(names["ahat"], names["xhat"] * 2 + 1)
    assert names["config"]["k"] == 5 and names["values"].shape == (100, 5)
    assert names["about"]["name"] == "student[k=5]"
    assert names["about"]["rows_trained"] == "5120"
    assert 0 < names["scores"]["student[k=5]", "mmcs"] < 1
    assert [rows for rows, _ in names["curve"]] == [1280, 2560, 3840, 5120]
    last = names["results"]["train"]["train.all"]["student[k=5]"]["fvu"]
    assert names["curve"][-1] == (5120, last)


def test_tensors_are_as_the_table_says(run_name, monkeypatch):
    folder, work = run_name
    monkeypatch.chdir(work)
    w = load_file(folder / "saes" / "student[k=5].safetensors")
    assert set(w) == {"W_enc", "b_enc", "W_dec", "b_dec", "buffer/last_fired"}
    assert w["W_enc"].shape == w["W_dec"].shape == (512, 256)
    assert w["b_enc"].shape == (512,) and w["b_dec"].shape == (256,)
    assert torch.allclose(w["W_dec"].norm(dim=1), torch.ones(512), atol=1e-5)
