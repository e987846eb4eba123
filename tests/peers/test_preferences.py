"""Rank correlations within prompts and pooled, their intervals, and calibration of numbers, beside SciPy's and NumPy's."""

import json
import os
import subprocess
from pathlib import Path

import numpy
import pytest
import scipy.stats

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("SAFFRON_BUILD_DIR", ROOT / "build" / "release"))
SIZES = [2, 5, 3, 8] * 10


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """The scores by prompt, [(models, K)], and what results.json says of agreement."""
    folder = tmp_path_factory.mktemp("preferences")
    rng = numpy.random.default_rng(1)
    common = [rng.normal(size=size) for size in SIZES]
    scores = [numpy.stack([(2 * (c + noise * rng.normal(size=c.size))).round() for noise in (0, 0.5, 2)])
              for c in common]
    prompts = numpy.repeat(numpy.arange(len(SIZES)), SIZES)
    flat = numpy.concatenate(scores, axis=1)
    numpy.savez(folder / "scores.npz", prompt_id=prompts, response_id=numpy.arange(prompts.size),
                **{f"m{i}": values for i, values in enumerate(flat)})
    (folder / "run.toml").write_text(
        'saffron = 1\nname = "agreement"\nseed = 1\n[world.scores]\nuse = "preferences"\npath = "scores.npz"\n'
        '[compare.agreement]\nuse = "preference_agreement"\nworld = "scores"\npooled = true\n')
    subprocess.run([BUILD / "bin" / "saffron", "run", "--quiet", "run.toml", "--cache", "", "--runs", "runs"],
                   cwd=folder, check=True, timeout=200)
    (file,) = folder.glob("runs/*/results.json")
    pairs = json.loads(file.read_text())["compare"]["agreement"]["pairs"]
    return scores, {(pair["a"], pair["b"]): pair["metrics"] for pair in pairs}


@pytest.mark.parametrize("key, statistic", [("kendall_tau_b", scipy.stats.kendalltau),
                                            ("spearman", scipy.stats.spearmanr)])
@pytest.mark.parametrize("a, b", [(0, 1), (1, 2)])
def test_rank_correlations(found, key, statistic, a, b):
    scores, metrics = found
    defined = [s for s in scores if numpy.ptp(s[a]) > 0 and numpy.ptp(s[b]) > 0]
    assert len(defined) < len(scores)
    expected = numpy.mean([statistic(s[a], s[b]).statistic for s in defined])
    assert metrics[f"m{a}", f"m{b}"][key] == pytest.approx(expected, abs=1e-12)
    pooled = numpy.concatenate(scores, axis=1)
    assert metrics[f"m{a}", f"m{b}"][key + "_pooled"] == pytest.approx(
        statistic(pooled[a], pooled[b]).statistic, abs=1e-12)


def test_the_interval_is_that_of_another_bootstrap(found):
    scores, metrics = found
    shares = numpy.array([numpy.mean(1 - 0.5 * numpy.abs(
        numpy.sign(s[0][i] - s[0][j]) - numpy.sign(s[2][i] - s[2][j])))
        for s in scores for i, j in [numpy.triu_indices(s.shape[1], 1)]])
    metric = metrics["m0", "m2"]
    assert metric["agreement"] == pytest.approx(shares.mean(), abs=1e-12)
    other = scipy.stats.bootstrap((shares,), numpy.mean, n_resamples=20_000, method="percentile",
                                  rng=numpy.random.default_rng(2)).confidence_interval
    width = other.high - other.low
    assert metric["agreement/low"] == pytest.approx(other.low, abs=0.1 * width)
    assert metric["agreement/high"] == pytest.approx(other.high, abs=0.1 * width)
