"""The Python of docs/reward-files.md writes what the worlds read."""

import os
import re
import subprocess
from pathlib import Path

import numpy
import pandas
import pytest
import scipy.sparse
from safetensors.numpy import load_file

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("SAFFRON_BUILD_DIR", ROOT / "build" / "release"))
PAGE = (ROOT / "docs" / "reward-files.md").read_text()


def block(beginning):
    (found,) = (b for b in re.findall(r"```python\n(.*?)```", PAGE, re.S) if beginning in b)
    return found


def read(folder, world, file):
    """The world of that file keeps every promise of the conformance kit."""
    settings = folder / "test-plugin.toml"
    settings.write_text(f'[options."world/{world}"]\npath = "{folder / file}"\n')
    plugin = BUILD / "lib" / "saffron" / "plugins" / f"lib{world}.so"
    tested = subprocess.run(
        [BUILD / "bin" / "saffron", "test-plugin", plugin, "--config", settings],
        capture_output=True,
        text=True,
    )
    assert tested.returncode == 0, tested.stdout + tested.stderr
    return tested.stdout


def room():
    tau = numpy.zeros((3, 2, 3))
    tau[0, 0, 0] = tau[1, 0, 1] = 1
    tau[0, 1, 1] = tau[1, 1, 2] = 1
    goal = numpy.zeros_like(tau)
    goal[:, :, 2] = 1
    phi = numpy.array([-2, -1, 0])
    return {
        "np": numpy,
        "mu0": numpy.array([1.0, 0, 0]),
        "tau": tau,
        "terminal": numpy.array([False, False, True]),
        "goal": goal,
        "shaped": goal + 0.9 * phi[None, None, :] - phi[:, None, None],
    }


def test_tables(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(block("room.npz"), room())
    read(tmp_path, "tabular", "room.npz")


def test_sparse_tables(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = room()
    names["tau"][2, :, 2] = 1  # no episode ends
    names["matrix"] = scipy.sparse.csr_array(names["tau"].reshape(6, 3))
    names["goal_of_each_entry"] = names["goal"][names["tau"] > 0]
    exec(block("large.npz"), names)
    told = read(tmp_path, "tabular", "large.npz")
    assert re.search(r"passed +csr-is-valid", told), told


def test_transitions(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    generator = numpy.random.default_rng(1)
    names = {
        "np": numpy,
        "states": generator.normal(size=(20, 3)).astype("float32"),
        "actions": generator.integers(0, 4, 20),
        "next_states": generator.normal(size=(20, 3)).astype("float32"),
        "terminal": numpy.arange(20) % 5 == 4,
        "episodes": numpy.arange(20) // 5,
        "a": generator.normal(size=20),
        "b": generator.normal(size=20),
    }
    exec(block("drawn.npz"), names)
    told = read(tmp_path, "transitions", "drawn.npz")
    assert re.search(r"passed +unknown-transitions-refused", told), told


@pytest.mark.parametrize("text", [False, True])
def test_scores(tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    table = pandas.DataFrame(
        {
            "prompt_id": [f"what, \"{n // 3}\"?" if text else n // 3 for n in range(12)],
            "response_id": [n % 3 for n in range(12)],
            "model_a": numpy.random.default_rng(1).normal(size=12),
            "model_b": numpy.float32(1) / numpy.arange(1, 13, dtype="float32"),
            "label": [n % 3 == 0 for n in range(12)],
        }
    )
    table["label"] = table["label"].astype(int)
    table.to_parquet("scores.parquet")
    code = block("read_parquet")
    exec(code if not text else code[: code.index("save_file({")], {})
    read(tmp_path, "preferences", "scores.csv")
    if text:
        return
    read(tmp_path, "preferences", "scores.safetensors")
    for name, values in load_file("scores.safetensors").items():
        assert numpy.array_equal(values, table[name]), name


def test_the_table_on_the_page(tmp_path):
    (shown,) = re.findall(r"```\n(prompt_id.*?)```", PAGE, re.S)
    (tmp_path / "scores.csv").write_text(shown)
    read(tmp_path, "preferences", "scores.csv")
