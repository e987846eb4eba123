"""Where no setting of ours is a library's: that training differs, and in this one thing alone."""

import pytest
import sparsify.sparse_coder
import torch
from dictionary_learning.trainers import jumprelu
from dictionary_learning.trainers.batch_top_k import BatchTopKTrainer
from dictionary_learning.trainers.matryoshka_batch_top_k import MatryoshkaBatchTopKTrainer
from dictionary_learning.trainers.top_k import TopKTrainer
from sae_lens import (
    BatchTopKTrainingSAEConfig,
    GatedTrainingSAEConfig,
    MatchingPursuitTrainingSAEConfig,
    TopKTrainingSAEConfig,
)
from sae_lens.saes import topk_sae
from sparsify.fused_encoder import EncoderOutput
from training_peers import dictionary_learning, follow_with_sparsify, sae_lens
from training_runs import (
    BATCH,
    FREE,
    STEPS,
    UNIT,
    D,
    F,
    K,
    check,
    check_differs,
    follow,
    one_thread,
    train,
    write_rows,
)

WIDE = 2 * F
TOPK = UNIT | {"use": "topk", "k": K, "dead": "none"}
# Of all latents that fired in no row of the batch before.
AUXK = {"width": WIDE, "k": 2, "dead": "auxk", "dead_after": 1, "aux_coef": 0.5, "aux_k": D // 2}


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    with one_thread():
        yield write_rows(tmp_path_factory.mktemp("rows"))


def test_sae_lens_trains_a_gated_decoder_by_the_auxiliary_error_too(rows, tmp_path):
    """With detach_auxiliary = false ours does so: test_training.py has that."""
    ours = train(rows, tmp_path, FREE | {"use": "gated", "coef": 0.5, "warmup": 0})
    check_differs(ours, follow(ours, sae_lens(GatedTrainingSAEConfig, l1_coefficient=0.5)))


def test_sae_lens_starts_the_threshold_of_batch_topk_at_0(rows, tmp_path):
    """Ours starts at the smallest value that the first batch keeps; the weight of that decays."""
    rate = 0.01
    sae = FREE | {"use": "batch_topk", "k": K, "dead": "none", "threshold_rate": rate}
    ours = train(rows, tmp_path, sae)
    keys = {"k": K, "topk_threshold_lr": rate, "rescale_acts_by_decoder_norm": False}
    peer = sae_lens(BatchTopKTrainingSAEConfig, **keys)
    peer.load(ours.start)
    peer.step(ours.batches[0])
    smallest = peer.trainer.sae.topk_threshold.item() / rate
    for x in ours.batches[1:]:
        peer.step(x)
    difference = ours.end["buffer/threshold"].item() - peer.trainer.sae.topk_threshold.item()
    assert difference == pytest.approx((1 - rate) ** STEPS * smallest, rel=1e-4)


def test_sae_lens_auxk_is_smaller_with_few_dead_latents_and_keeps_signs(
    rows, tmp_path, monkeypatch
):
    sae = FREE | {"use": "topk", "aux_scale": "raw"} | AUXK | {"width": F, "k": 4}
    ours = train(rows, tmp_path, sae)
    acts, counts = topk_sae.calculate_topk_aux_acts, []

    def theirs(rectified, unscaled):
        keys = {"aux_loss_coefficient": 0.5, "dead_feature_window": 0, "k": 4}
        peer = sae_lens(TopKTrainingSAEConfig, rescale_acts_by_decoder_norm=False, **keys)
        loss = peer.trainer.sae.calculate_topk_aux_loss

        def without_share(dead_neuron_mask, **given):
            counts.append(int(dead_neuron_mask.sum()))
            share = min(max(counts[-1], 1) / (D // 2), 1)
            return loss(dead_neuron_mask=dead_neuron_mask, **given) / (share if unscaled else 1)

        def made(**given):
            return acts(**given).relu() if rectified else acts(**given)

        monkeypatch.setattr(topk_sae, "calculate_topk_aux_acts", made)
        peer.trainer.sae.calculate_topk_aux_loss = without_share
        return follow(ours, peer)

    check_differs(ours, theirs(rectified=False, unscaled=True))
    check_differs(ours, theirs(rectified=True, unscaled=False))
    check(ours, theirs(rectified=True, unscaled=True))
    assert 0 < min(counts[1 - STEPS :]) < D // 2


def test_sae_lens_leaves_the_norms_of_matching_pursuit_free(rows, tmp_path):
    sae = {"use": "matching_pursuit", "k": K, "tolerance": 0.3, "dead": "none"}
    ours = train(rows, tmp_path, sae | {"b_dec_init": "mean"})

    def theirs():
        keys = {"max_iterations": K, "residual_threshold": 0.3}
        return sae_lens(MatchingPursuitTrainingSAEConfig, **keys)

    check_differs(ours, follow(ours, theirs()))
    peer = theirs()
    W = peer.parameters["W_dec"]

    def normalise(*_):
        W.data /= W.data.norm(dim=1, keepdim=True)

    W.register_hook(lambda g: g - (g * W.data).sum(1, keepdim=True) * W.data)
    peer.optimizer.register_step_post_hook(normalise)
    check(ours, follow(ours, peer))


def test_dictionary_learning_takes_the_l0_of_jumprelu_from_codes(rows, tmp_path, monkeypatch):
    """So that the kernel does not reach pre-activations at or below theta, whose codes are 0."""
    jump = {"use": "jumprelu", "threshold_init": 0.3, "bandwidth": 0.2, "pre_bias": False}
    aim = {"sparsity": "target_l0", "target_l0": K, "coef": 4.0, "warmup": 0.5}
    ours = train(rows, tmp_path, UNIT | jump | aim, **{"optimizer.beta1": 0.0})

    def theirs():
        keys = {"bandwidth": 0.2, "target_l0": K, "sparsity_penalty": 4.0}
        return dictionary_learning(jumprelu.JumpReluTrainer, sparsity_warmup_steps=50, **keys)

    check_differs(ours, follow(ours, theirs()))
    code, step, seen = jumprelu.JumpReLUFunction.apply, jumprelu.StepFunction.apply, []

    def code_of(a, threshold, bandwidth):
        seen.append(a.detach())
        return code(a, threshold, bandwidth)

    def step_of(_, threshold, bandwidth):
        return step(seen[-1], threshold, bandwidth)

    monkeypatch.setattr(jumprelu.JumpReLUFunction, "apply", code_of)
    monkeypatch.setattr(jumprelu.StepFunction, "apply", step_of)
    check(ours, follow(ours, theirs()))


def test_dictionary_learning_lets_thresholds_of_jumprelu_fall_below_0(rows, tmp_path):
    jump = {"use": "jumprelu", "threshold_init": 0.001, "bandwidth": 0.001, "pre_bias": False}
    ours = train(rows, tmp_path, UNIT | jump | {"sparsity": "none"}, **{"optimizer.beta1": 0.0})
    keys = {"bandwidth": 0.001, "sparsity_penalty": 0.0, "sparsity_warmup_steps": 0}
    peer = dictionary_learning(jumprelu.JumpReluTrainer, **keys)
    check_differs(ours, follow(ours, peer))
    assert peer.parameters["threshold"].min() < 0

    peer = dictionary_learning(jumprelu.JumpReluTrainer, **keys)
    threshold = peer.parameters["threshold"]
    peer.optimizer.register_step_post_hook(lambda *_: threshold.data.clamp_(min=0))
    check(ours, follow(ours, peer))


@pytest.mark.parametrize(
    ("sae", "trainer", "keys"),
    [
        ({"use": "topk"}, TopKTrainer, {}),
        ({"use": "batch_topk"}, BatchTopKTrainer, {}),
        (
            {"use": "matryoshka", "groups": [WIDE // 2, WIDE]},
            MatryoshkaBatchTopKTrainer,
            {"group_fractions": [0.5, 0.5], "group_weights": [2.0, 2.0]},
        ),
    ],
    ids=["topk", "batch_topk", "matryoshka"],
)
def test_dictionary_learning_counts_the_step_before_it_asks_who_is_dead(
    rows, tmp_path, sae, trainer, keys
):
    """So that a dead latent which fires in the batch has no part in its AuxK."""
    ours = train(rows, tmp_path, UNIT | sae | AUXK | {"aux_scale": "residual_variance"})
    assert sum("auxk" in record["terms"] for record in ours.records) > 90

    def theirs():
        given = {"k": 2, "auxk_alpha": 0.5, "dict_size": WIDE, **keys}
        peer = dictionary_learning(trainer, first_step=1, **given)
        peer.trainer.dead_feature_threshold = 2 * BATCH
        return peer

    check_differs(ours, follow(ours, theirs()))
    peer = theirs()
    auxiliary, step, before = peer.trainer.get_auxiliary_loss, peer.step, []

    def counted(x):
        before.append(peer.trainer.num_tokens_since_fired.clone())
        return step(x)

    def as_before(*arguments):
        now = peer.trainer.num_tokens_since_fired
        peer.trainer.num_tokens_since_fired = before[-1] + BATCH
        loss = auxiliary(*arguments)
        peer.trainer.num_tokens_since_fired = now
        return loss

    peer.step, peer.trainer.get_auxiliary_loss = counted, as_before
    check(ours, follow(ours, peer))


def test_dictionary_learning_averages_the_groups_of_matryoshka_twice(rows, tmp_path):
    """By their weights, 1 / 2 each, and by a mean over both."""
    groups = [F // 2, F]
    ours = train(rows, tmp_path, UNIT | {"use": "matryoshka", "k": K, "groups": groups})
    keys = {"first_step": 1, "k": K, "group_fractions": [0.5, 0.5]}
    peer = dictionary_learning(MatryoshkaBatchTopKTrainer, **keys)
    peer.load(ours.start)
    assert peer.step(ours.batches[0]) == pytest.approx(ours.records[0]["loss"] / 4, rel=1e-5)


def plain_encoder(x, weight, bias, k, _):
    a = torch.nn.functional.linear(x, weight, bias).relu()
    values, latents = a.topk(k, sorted=False)
    return EncoderOutput(values, latents, a)


@pytest.mark.parametrize(
    ("sae", "keys"),
    [
        (
            AUXK | {"aux_scale": "raw"},
            {"width": WIDE, "k": 2, "auxk_alpha": 0.5, "dead_feature_threshold": 1},
        ),
        ({"multi_k_coef": 1 / 8, "multi_k_factor": 4}, {"k": K, "multi_topk": True}),
    ],
    ids=["auxk", "multi_topk"],
)
def test_sparsify_trains_no_encoder_by_auxiliary_terms(rows, tmp_path, monkeypatch, sae, keys):
    """Its fused encoder hands on the gradient of the k chosen values alone."""
    settings = {"schedule.decay": 1.0, "optimizer.eps": 1e-8 * D, "optimizer.clip": 0}
    ours = train(rows, tmp_path, TOPK | sae, **settings)
    check_differs(ours, follow_with_sparsify(ours, tmp_path, **keys), loss_scale=D)
    monkeypatch.setattr(sparsify.sparse_coder, "fused_encoder", plain_encoder)
    check(ours, follow_with_sparsify(ours, tmp_path, **keys), loss_scale=D)
