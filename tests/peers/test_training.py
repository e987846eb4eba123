"""Training steps of Saffron beside those of a library's own trainer: the same weights and batches.

Our settings say what the library's definition is in our terms; where none does,
test_training_differences.py shows what differs.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
import torch
from dictionary_learning.trainers.batch_top_k import BatchTopKTrainer
from dictionary_learning.trainers.gdm import GatedSAETrainer
from dictionary_learning.trainers.matryoshka_batch_top_k import MatryoshkaBatchTopKTrainer
from dictionary_learning.trainers.p_anneal import PAnnealTrainer
from dictionary_learning.trainers.standard import StandardTrainer, StandardTrainerAprilUpdate
from dictionary_learning.trainers.top_k import TopKTrainer
from sae_lens import (
    AbsTopKTrainingSAEConfig,
    BatchTopKTrainingSAEConfig,
    GatedTrainingSAEConfig,
    JumpReLUTrainingSAEConfig,
    MatryoshkaBatchTopKTrainingSAEConfig,
    StandardTrainingSAEConfig,
    TopKTrainingSAEConfig,
)
from training_peers import dictionary_learning, follow_with_sparsify, sae_lens
from training_runs import (
    BATCH,
    FREE,
    UNIT,
    D,
    F,
    K,
    Peer,
    check,
    follow,
    one_thread,
    train,
    write_rows,
)

WIDE = 2 * F  # with 2 active latents a row, most of them fire in no row of a batch
GROUPS = [F // 8, F // 4, F // 2, F]
WIDE_GROUPS = [2 * group for group in GROUPS]
STREAMS = ("left", "right")

TOPK = {"use": "topk", "k": K, "dead": "none"}
ABS_TOPK = TOPK | {"keep": "magnitude"}
BATCH_TOPK = {"use": "batch_topk", "k": K, "dead": "none"}
MATRYOSHKA = {"use": "matryoshka", "k": K, "groups": GROUPS, "dead": "none"}
JUMP = {"use": "jumprelu", "threshold_init": 0.3, "bandwidth": 0.4}
CROSSCODER = FREE | {
    "use": "crosscoder",
    "decoder_norm": 0.5**0.5,
    "pre_bias": True,
    "weigh_by": "concatenated",
}
BY_CONTRIBUTION = {"by_contribution": True}
NO_CLIP = {"optimizer.clip": 0}
NO_MOMENTUM = {"optimizer.beta1": 0.0}
ANNEALED = {
    "use": "lp",
    "coef": 0.3,
    "p_end": 0.7,
    "anneal_start": 0.45,
    "anneal_end": 0.9,
    "n_sparsity_updates": 10,
    "sparsity_queue_length": 5,
}


def auxk(scale):
    """AuxK of all latents that fired in no row of the batch before: far more than D / 2."""
    keys = {"dead": "auxk", "dead_after": 1, "aux_coef": 0.5, "aux_k": D // 2, "aux_scale": scale}
    return {"width": WIDE, "k": 2, **keys}


LENS_AUXK = auxk("raw") | {"aux_rectified": False, "aux_in_proportion": True}


@dataclass
class Case:
    sae: dict
    peer: Callable[[], Peer]
    train: dict = field(default_factory=dict)
    reads: tuple[str, ...] = ("x",)
    penalty: dict | None = None
    terms: tuple[str, ...] = ()  # of our loss, that nearly every step must have


def lens(config, **keys):
    return lambda: sae_lens(config, **keys)


def lens_topk(config, **keys):
    return lens(config, k=K, rescale_acts_by_decoder_norm=False, **keys)


def lens_auxk(config, rescale=False, **keys):
    dead = {"aux_loss_coefficient": 0.5, "dead_feature_window": 0, "d_sae": WIDE, "k": 2}
    return lens(config, rescale_acts_by_decoder_norm=rescale, **dead, **keys)


def lens_jump(threshold=0.3, **keys):
    jump = {"jumprelu_init_threshold": threshold, "jumprelu_bandwidth": 0.4}
    return lens(JumpReLUTrainingSAEConfig, **(jump | {"l0_warm_up_steps": 20} | keys))


# Many latents are below such a threshold in all rows of a batch.
TANH = {"threshold_init": 2.0, "coef": 1.0, "warmup": 0.2, "tanh_scale": 0.5}
LENS_TANH = {
    "threshold": 2.0,
    "jumprelu_sparsity_loss_mode": "tanh",
    "l0_coefficient": 1.0,
    "jumprelu_tanh_scale": 0.5,
}
LENS_QUADRATIC = {"jumprelu_sparsity_loss_mode": "quadratic", "target_l0": K}

SAE_LENS = {
    "topk": Case(
        TOPK | FREE,
        lens_topk(TopKTrainingSAEConfig, lr_warm_up_steps=10, lr_decay_steps=20),
        {"schedule.warmup": 0.1, "schedule.decay": 0.2},
    ),
    "batch_topk": Case(BATCH_TOPK | FREE, lens_topk(BatchTopKTrainingSAEConfig)),
    "matryoshka": Case(
        MATRYOSHKA | FREE,
        lens_topk(MatryoshkaBatchTopKTrainingSAEConfig, matryoshka_widths=GROUPS),
    ),
    "jumprelu_l0": Case(
        JUMP | FREE | {"sparsity": "l0", "coef": 0.3, "warmup": 0},
        lens_jump(l0_coefficient=0.3, l0_warm_up_steps=0),
        terms=("l0",),
    ),
    "jumprelu_quadratic": Case(
        JUMP | FREE | {"sparsity": "quadratic", "target_l0": K, "coef": 0.3, "warmup": 0},
        lens_jump(l0_coefficient=0.3, l0_warm_up_steps=0, **LENS_QUADRATIC),
        terms=("quadratic",),
    ),
    # Anthropic's: the kernel's gradient reaches the encoder, from the error and from the term.
    "jumprelu_l0_to_input": Case(
        JUMP | FREE | {"sparsity": "l0", "coef": 0.1, "warmup": 0, "ste_to_input": True},
        lens_jump(l0_coefficient=0.1, l0_warm_up_steps=0, jumprelu_ste_to_input=True),
        terms=("l0",),
    ),
    "jumprelu_quadratic_to_input": Case(
        JUMP
        | FREE
        | {"sparsity": "quadratic", "target_l0": K, "coef": 0.05, "warmup": 0}
        | {"ste_to_input": True},
        lens_jump(
            l0_coefficient=0.05, l0_warm_up_steps=0, jumprelu_ste_to_input=True, **LENS_QUADRATIC
        ),
        terms=("quadratic",),
    ),
    "jumprelu_tanh_to_input": Case(
        JUMP | FREE | TANH | {"sparsity": "tanh", "ste_to_input": True},
        lens_jump(jumprelu_ste_to_input=True, **LENS_TANH),
        terms=("tanh",),
    ),
    "jumprelu_tanh": Case(
        JUMP | FREE | TANH | {"sparsity": "tanh", "preact_coef": 0.3, "dead_after": 1},
        lens_jump(pre_act_loss_coefficient=0.3, dead_feature_window=0, **LENS_TANH),
        terms=("tanh", "preact"),
    ),
    "gated": Case(
        FREE | {"use": "gated", "coef": 0.5, "warmup": 0, "detach_auxiliary": False},
        lens(GatedTrainingSAEConfig, l1_coefficient=0.5),
    ),
    "relu_l1": Case(
        FREE | {"use": "relu"},
        lens(StandardTrainingSAEConfig, l1_coefficient=0.5),
        penalty={"use": "l1", "coef": 0.5, "weighted": True},
    ),
    "topk_auxk": Case(TOPK | FREE | auxk("raw"), lens_auxk(TopKTrainingSAEConfig), terms=("auxk",)),
    "batch_topk_auxk": Case(
        BATCH_TOPK | FREE | auxk("raw"), lens_auxk(BatchTopKTrainingSAEConfig), terms=("auxk",)
    ),
    "matryoshka_auxk": Case(
        MATRYOSHKA | FREE | auxk("raw") | {"groups": WIDE_GROUPS},
        lens_auxk(MatryoshkaBatchTopKTrainingSAEConfig, matryoshka_widths=WIDE_GROUPS),
        terms=("auxk",),
    ),
    "matryoshka_auxk_by_level": Case(
        MATRYOSHKA
        | FREE
        | LENS_AUXK
        | {"groups": WIDE_GROUPS, "aux_by_level": True},
        lens_auxk(
            MatryoshkaBatchTopKTrainingSAEConfig,
            matryoshka_widths=WIDE_GROUPS,
            use_matryoshka_aux_loss=True,
        ),
        terms=("auxk",),
    ),
    # Under its default, rescale_acts_by_decoder_norm, dead latents compete by contribution too.
    "topk_auxk_by_contribution": Case(
        TOPK | FREE | LENS_AUXK | BY_CONTRIBUTION,
        lens_auxk(TopKTrainingSAEConfig, rescale=True),
        terms=("auxk",),
    ),
    "batch_topk_auxk_by_contribution": Case(
        BATCH_TOPK | FREE | LENS_AUXK | BY_CONTRIBUTION,
        lens_auxk(BatchTopKTrainingSAEConfig, rescale=True),
        terms=("auxk",),
    ),
    "matryoshka_auxk_by_contribution": Case(
        MATRYOSHKA | FREE | LENS_AUXK | BY_CONTRIBUTION | {"groups": WIDE_GROUPS},
        lens_auxk(
            MatryoshkaBatchTopKTrainingSAEConfig, rescale=True, matryoshka_widths=WIDE_GROUPS
        ),
        terms=("auxk",),
    ),
    "matryoshka_auxk_by_level_and_contribution": Case(
        MATRYOSHKA
        | FREE
        | LENS_AUXK
        | BY_CONTRIBUTION
        | {"groups": WIDE_GROUPS, "aux_by_level": True},
        lens_auxk(
            MatryoshkaBatchTopKTrainingSAEConfig,
            rescale=True,
            matryoshka_widths=WIDE_GROUPS,
            use_matryoshka_aux_loss=True,
        ),
        terms=("auxk",),
    ),
    "abs_topk": Case(ABS_TOPK | FREE, lens_topk(AbsTopKTrainingSAEConfig)),
    "abs_topk_auxk": Case(
        ABS_TOPK | FREE | LENS_AUXK, lens_auxk(AbsTopKTrainingSAEConfig), terms=("auxk",)
    ),
    "abs_topk_auxk_by_contribution": Case(
        ABS_TOPK | FREE | LENS_AUXK | BY_CONTRIBUTION,
        lens_auxk(AbsTopKTrainingSAEConfig, rescale=True),
        terms=("auxk",),
    ),
    # A crosscoder is an SAE of its streams side by side; whole decoder rows weigh its codes.
    "crosscoder_l1": Case(
        CROSSCODER | {"coef": 0.5, "warmup": 0.3},
        lens(StandardTrainingSAEConfig, l1_coefficient=0.5, l1_warm_up_steps=30),
        reads=STREAMS,
    ),
    "crosscoder_topk": Case(
        CROSSCODER | {"activation": "topk", "k": K, "penalty": "none"},
        lens(TopKTrainingSAEConfig, k=K),
        reads=STREAMS,
    ),
    "crosscoder_batch_topk": Case(
        CROSSCODER | {"activation": "batch_topk", "k": K, "penalty": "none"},
        lens(BatchTopKTrainingSAEConfig, k=K),
        reads=STREAMS,
    ),
    "crosscoder_topk_auxk": Case(
        CROSSCODER | LENS_AUXK | {"activation": "topk", "penalty": "none"},
        lens_auxk(TopKTrainingSAEConfig, rescale=True),
        reads=STREAMS,
        terms=("auxk",),
    ),
    "crosscoder_jumprelu": Case(
        JUMP | CROSSCODER | TANH | {"activation": "jumprelu", "penalty": "tanh"},
        lens_jump(**LENS_TANH),
        reads=STREAMS,
    ),
}


def learning(trainer, **keys):
    return lambda: dictionary_learning(trainer, **keys)


def annealing(function):
    """A step of theirs changes p after its loss, so that it holds from the next one on."""
    keys = {"initial_sparsity_penalty": 0.3, "p_end": 0.7, "anneal_start": 44, "anneal_end": 89}
    keys |= {"sparsity_queue_length": 5, "sparsity_warmup_steps": 0}
    return learning(PAnnealTrainer, sparsity_function=function, **keys)


DICTIONARY_LEARNING = {
    "topk": Case(
        TOPK | UNIT,
        learning(TopKTrainer, first_step=1, k=K, decay_start=80),
        {"schedule.decay": 0.2},
    ),
    "batch_topk": Case(BATCH_TOPK | UNIT, learning(BatchTopKTrainer, first_step=1, k=K)),
    # Its loss is the mean over groups of weighted errors, ours their sum.
    "matryoshka": Case(
        MATRYOSHKA | UNIT,
        learning(
            MatryoshkaBatchTopKTrainer,
            first_step=1,
            k=K,
            group_fractions=[1 / 8, 1 / 8, 1 / 4, 1 / 2],
            group_weights=[4.0] * 4,
        ),
    ),
    "gated": Case(
        UNIT | {"use": "gated", "coef": 0.2, "warmup": 0.3},
        learning(GatedSAETrainer, l1_penalty=0.2, sparsity_warmup_steps=30),
        NO_CLIP | NO_MOMENTUM,
    ),
    "relu_l1": Case(
        UNIT | {"use": "relu"},
        learning(StandardTrainer, l1_penalty=0.5, sparsity_warmup_steps=0),
        NO_CLIP,
        penalty={"use": "l1", "coef": 0.5},
    ),
    "relu_l1_free_decoder": Case(
        FREE | {"use": "relu", "decoder_norm": 0.1},
        learning(StandardTrainerAprilUpdate, l1_penalty=0.5, sparsity_warmup_steps=0),
        penalty={"use": "l1", "coef": 0.5, "weighted": True},
    ),
    "p_anneal_power": Case(
        UNIT | {"use": "relu"},
        annealing("Lp^p"),
        NO_CLIP,
        penalty=ANNEALED | {"spelling": "power"},
    ),
    "p_anneal_norm": Case(
        UNIT | {"use": "relu"}, annealing("Lp"), NO_CLIP, penalty=ANNEALED | {"spelling": "norm"}
    ),
}


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    with one_thread():
        yield write_rows(tmp_path_factory.mktemp("rows"))


def check_case(rows, work, case):
    ours = train(rows, work, case.sae, case.reads, case.penalty, **case.train)
    for term in case.terms:
        assert sum(term in record["terms"] for record in ours.records) > 90
    check(ours, follow(ours, case.peer()))


@pytest.mark.parametrize("name", SAE_LENS)
def test_sae_lens(rows, tmp_path, name):
    check_case(rows, tmp_path, SAE_LENS[name])


@pytest.mark.parametrize("name", DICTIONARY_LEARNING)
def test_dictionary_learning(rows, tmp_path, name):
    check_case(rows, tmp_path, DICTIONARY_LEARNING[name])


def test_the_threshold_of_batch_topk_in_dictionary_learning(rows, tmp_path):
    ours = train(rows, tmp_path, BATCH_TOPK | UNIT | {"threshold_rate": 0.001})
    peer = dictionary_learning(BatchTopKTrainer, first_step=1, k=K, threshold_start_step=0)
    follow(ours, peer)
    threshold = peer.trainer.ae.threshold.item()
    assert ours.end["buffer/threshold"].item() == pytest.approx(threshold, rel=1e-5)


def test_sparsify(rows, tmp_path):
    """Its loss is the squared error over the variance, which is D for every batch's row here."""
    settings = {"schedule.decay": 1.0, "optimizer.eps": 1e-8 * D}
    ours = train(rows, tmp_path, TOPK | UNIT, **settings, **NO_CLIP)
    check(ours, follow_with_sparsify(ours, tmp_path, K), loss_scale=D)


def test_resampling_of_dictionary_learning(rows, tmp_path, monkeypatch):
    """Its own function on our draws, which our decoder rows still show two steps later."""
    at = 98
    rate, coef = 2e-2, 30.0  # at which many latents die
    resampling = {
        "dead": "resample",
        "dead_after": at // 2 * BATCH,
        "resample_every": at * BATCH,
        "resample_scale": 0.2,
        "resample_odds": "error_norm",
        "resample_centred": False,
        "resample_unit": False,
        "resample_distinct": True,
    }
    sae = UNIT | {"use": "relu"} | resampling
    keys = NO_CLIP | {"optimizer.lr": rate}
    ours = train(rows, tmp_path, sae, penalty={"use": "l1", "coef": coef}, **keys)
    keys = {"lr": rate, "l1_penalty": coef, "sparsity_warmup_steps": 0}
    peer = dictionary_learning(StandardTrainer, first_step=1, **keys)
    trainer = peer.trainer
    # Not by its argument, which brings a schedule that rises anew and starts at a rate of 0.
    trainer.resample_steps, trainer.steps_since_active = at, torch.zeros(F, dtype=int)
    batch = torch.nn.functional.normalize(ours.batches[at - 1], dim=-1)
    likeness = ours.end["W_dec"] @ batch.T
    seen = []

    def our_rows(odds, num_samples, replacement):
        dead = trainer.steps_since_active > at / 2
        e = ours.batches[at - 1] - trainer.ae(ours.batches[at - 1])
        torch.testing.assert_close(odds, e.norm(dim=-1))
        assert num_samples == dead.sum() and not replacement
        nearest = likeness[dead].topk(2, dim=1)
        assert (nearest.values[:, 0] > 0.9).all() and (nearest.values[:, 1] < 0.9).all()
        seen.append(nearest.indices[:, 0])
        return seen[-1]

    monkeypatch.setattr(torch, "multinomial", our_rows)
    check(ours, follow(ours, peer))
    (drawn,) = seen
    assert 5 < len(drawn) == len(drawn.unique())
