"""Our `synth_sae_bench` against sae-lens' generator, made of the same constants."""

import json
import os
import subprocess
from pathlib import Path

import pytest
import torch
from sae_lens.synthetic import (
    ActivationGenerator,
    HierarchyConfig,
    LowRankCorrelationMatrix,
    ZipfianFiringProbabilityConfig,
    generate_hierarchy,
)
from sae_lens.synthetic.feature_dictionary import orthogonalize_embeddings
from safetensors.torch import load_file

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("SAFFRON_BUILD_DIR", ROOT / "build" / "release"))
ROWS = 20_480
OPTIONS = {
    "features": 200,
    "width": 64,
    "firing": {"exponent": 0.5, "maximum": 0.5, "minimum": 0.05},
    "hierarchy": {"roots": 4, "branching": 3, "depth": 3, "exclusive": 1},
    "correlation": {"rank": 4, "scale": 0.3},
    "orthogonalization": {"steps": 60, "lr": 0.003},
    "magnitude": {"first": 3, "last": 2, "deviation": 1, "deviation_spread": 0.5},
    "block_rows": 4096,
}
VARIANTS = {
    "benchmark": {},
    "unscaled": {"scale_children": False},
    "uncompensated": {"compensate": False, "exclusive": 0},
}


def made(options, path):
    settings = path / "options.json"
    settings.write_text(json.dumps(options))
    out = path / "out.safetensors"
    command = [BUILD / "bin" / "saffron_synth_rows", settings, out, str(ROWS // 4096)]
    subprocess.run(command, check=True)
    return load_file(out)


def theirs(options, ours):
    """Coefficients of their generator, whose copula and magnitudes are ours."""
    firing, tree = options["firing"], options["hierarchy"]
    base = ZipfianFiringProbabilityConfig(
        exponent=firing["exponent"], max_prob=firing["maximum"], min_prob=firing["minimum"]
    ).generate(options["features"])
    config = HierarchyConfig(
        total_root_nodes=tree["roots"],
        branching_factor=tree["branching"],
        max_depth=tree["depth"],
        mutually_exclusive_portion=tree["exclusive"],
        compensate_probabilities=tree.get("compensate", True),
        scale_children_by_parent=tree.get("scale_children", True),
    )
    hierarchy = generate_hierarchy(options["features"], config, seed=1)
    probabilities = base
    if config.compensate_probabilities:
        factors = hierarchy.compute_probability_correction_factors(base)
        probabilities = (base * factors).clamp(max=1)
    assert torch.allclose(probabilities.double(), ours["probabilities"], rtol=1e-5)
    factor = ours["factor"].float()
    diagonal = 1 - factor.square().sum(1)
    generator = ActivationGenerator(
        options["features"],
        probabilities,
        std_firing_magnitudes=ours["deviation"].float(),
        mean_firing_magnitudes=ours["mean"].float(),
        modify_activations=hierarchy.modifier,
        correlation_matrix=LowRankCorrelationMatrix(factor, diagonal),
    )
    torch.manual_seed(0)
    return torch.cat([generator.sample(4096) for _ in range(ROWS // 4096)])


def differences(a, b):
    """(mean of a - mean of b) / standard error, column by column."""
    error = (a.var(0) / len(a) + b.var(0) / len(b)).sqrt()
    return (a.mean(0) - b.mean(0)) / error.clamp_min(1e-12)


def agree(z):
    """Differences in standard errors: their mean square is 1 within 3 standard errors of it."""
    assert z.square().mean().sub(1).abs() < 3 * (2 / len(z)) ** 0.5
    assert z.abs().max() < 4.5


@pytest.fixture(scope="module", params=VARIANTS)
def samples(request, tmp_path_factory):
    options = OPTIONS | {"hierarchy": OPTIONS["hierarchy"] | VARIANTS[request.param]}
    ours = made(options, tmp_path_factory.mktemp("synth"))
    return ours, ours["coefficients"].double(), theirs(options, ours).double()


def test_firing_rates(samples):
    _, a, b = samples
    agree(differences((a > 0).double(), (b > 0).double()))


def test_magnitudes(samples):
    _, a, b = samples
    agree(differences(a, b))
    agree(differences(a.square(), b.square()))


def test_l0(samples):
    _, a, b = samples
    a, b = ((x > 0).double().sum(1, keepdim=True) for x in (a, b))
    assert a.mean() > 3
    assert differences(a, b).abs() < 3
    assert differences(a.square(), b.square()).abs() < 3


def test_pairs(samples):
    """Every two features that both fire in enough rows for the normal approximation to hold."""
    _, a, b = samples
    a, b = ((x > 0).double() for x in (a, b))
    p, q = a.T @ a / ROWS, b.T @ b / ROWS
    upper = torch.ones_like(p).triu(1).bool() & (torch.minimum(p, q) * ROWS > 20)
    z = (p - q) / ((p * (1 - p) + q * (1 - q)) / ROWS).clamp_min(1e-12).sqrt()
    z = z[upper]
    assert len(z) > 1000
    assert abs(z.square().mean() - 1) < 0.2  # pairs share features: they are not independent
    assert z.abs().max() < 6
    # Pairs that never are together in one are not in the other.
    assert (p[(q == 0)] * ROWS < 15).all() and (q[(p == 0)] * ROWS < 15).all()


def test_rows(samples):
    ours, a, _ = samples
    expected = a[:4096].float() @ ours["features"] + ours["bias"]
    assert torch.allclose(ours["rows"], expected, atol=1e-4)
    assert abs(ours["bias"].norm() - 0.5) < 1e-5


def test_dictionary(samples):
    """Cosines of two dictionaries, both spread out: as far apart on average and at worst."""
    ours, _, _ = samples
    settings = OPTIONS["orthogonalization"]
    torch.manual_seed(0)
    peer = orthogonalize_embeddings(
        torch.randn(OPTIONS["features"], OPTIONS["width"]), settings["steps"], settings["lr"]
    )

    def cosines(rows):
        assert torch.allclose(rows.norm(dim=1), torch.ones(len(rows)), atol=1e-5)
        return (rows @ rows.T)[torch.ones(len(rows), len(rows)).triu(1).bool()]

    own, their = cosines(ours["features"]), cosines(peer)
    random = cosines(torch.nn.functional.normalize(torch.randn(200, 64)))
    assert own.square().mean() < 0.95 * random.square().mean()
    assert abs(own.square().mean() / their.square().mean() - 1) < 0.01
    assert abs(own.abs().max() / their.abs().max() - 1) < 0.25
