"""Trainers of sae-lens, dictionary_learning and sparsify, each with its own loss and step."""

import torch
from sae_lens.config import SAETrainerConfig
from sae_lens.registry import get_sae_training_class
from sae_lens.training.sae_trainer import SAETrainer
from sparsify import SparseCoderConfig, TrainConfig, Trainer
from training_runs import BATCH, D, F, LR, STEPS, Followed, Peer
from transformers import LlamaConfig, LlamaForCausalLM

# Names of parameters that are not ours.
NAMES = {
    "b_gate": "b_enc",
    "encoder.weight": "W_enc",
    "encoder.bias": "b_enc",
    "decoder.weight": "W_dec",
    "bias": "b_dec",
    "decoder_bias": "b_dec",
    "gate_bias": "b_enc",
    "mag_bias": "b_mag",
}


def sae_lens(config, **keys):
    """sae-lens' trainer of an SAE of the class `config`, with `keys` of the SAE or the trainer."""
    of_trainer = {key for key in keys if key in SAETrainerConfig.__dataclass_fields__}
    sae_keys = {"d_in": D, "d_sae": F, "decoder_init_norm": 1.0}
    sae_keys |= {key: value for key, value in keys.items() if key not in of_trainer}
    trainer_keys = {"lr": LR, "lr_end": 0.0} | {key: keys[key] for key in of_trainer}
    sae = get_sae_training_class(config.architecture())[0](config(**sae_keys))
    cfg = SAETrainerConfig(STEPS * BATCH, BATCH, **trainer_keys)
    trainer = SAETrainer(cfg, sae, data_provider=iter(()))

    def step(x):
        loss = trainer.step(x).loss.item()
        trainer.n_training_steps += 1  # fit() counts them
        return loss

    parameters = {NAMES.get(name, name): p for name, p in sae.named_parameters()}
    return Peer(parameters, {"W_enc"}, trainer.optimizer, trainer, step)


def dictionary_learning(trainer_class, first_step=0, **keys):
    """dictionary_learning's trainer. At a step 0 some set b_dec themselves."""
    shape = {"steps": STEPS, "activation_dim": D, "dict_size": F}
    fixed = {"layer": 0, "lm_name": "", "device": "cpu", "lr": LR, "warmup_steps": 0}
    trainer = trainer_class(**(shape | fixed | keys))
    loss_of, seen = trainer.loss, []

    def loss(*arguments, **options):
        seen.append(loss_of(*arguments, **options))
        return seen[-1]

    def step(x):
        trainer.update(first_step + len(seen), x)
        return seen[-1].item()

    trainer.loss = loss
    parameters = {NAMES.get(name, name): p for name, p in trainer.ae.named_parameters()}
    transposed = {"W_dec"} if hasattr(trainer.ae, "decoder") else {"W_enc"}
    return Peer(parameters, transposed, trainer.optimizer, trainer, step)


def reading(batches):
    """A language model whose embedding is the batches' rows, and a context a batch of their ids."""
    rows = torch.cat(batches)
    config = LlamaConfig(
        vocab_size=len(rows),
        hidden_size=D,
        intermediate_size=8,
        num_hidden_layers=1,
        num_attention_heads=1,
        max_position_embeddings=BATCH,
    )
    model = LlamaForCausalLM(config)
    with torch.no_grad():
        model.model.embed_tokens.weight.copy_(rows)
    return model, [{"input_ids": ids} for ids in torch.arange(len(rows)).split(BATCH)]


def follow_with_sparsify(ours, folder, k, width=F, multi_topk=False, **keys):
    """What sparsify's trainer with Adam, which reads a language model, makes of a run's start."""
    model, dataset = reading(ours.batches)
    cfg = TrainConfig(
        SparseCoderConfig(num_latents=width, k=k, multi_topk=multi_topk),
        batch_size=1,
        optimizer="adam",
        lr=LR,
        lr_warmup_steps=0,
        hookpoints=["embed_tokens"],
        finetune="ours",  # b_dec stays as it is loaded
        log_to_wandb=False,
        save_dir=str(folder),
        **keys,
    )
    trainer = Trainer(cfg, dataset, model)
    (sae,) = trainer.saes.values()
    (optimizer,) = trainer.optimizers
    parameters = {NAMES.get(name, name): p for name, p in sae.named_parameters()}
    peer = Peer(parameters, set(), optimizer, trainer)
    losses, gradients = [], {}

    def count_loss(_, __, out):
        losses.append((out.fvu + cfg.auxk_alpha * out.auxk_loss + out.multi_topk_fvu / 8).item())

    def keep_first(*_):
        if not gradients:
            gradients.update(peer.first_moments())

    sae.register_forward_hook(count_loss)
    optimizer.register_step_post_hook(keep_first)
    peer.load(ours.start)
    precision = torch.get_float32_matmul_precision()
    try:
        trainer.fit()
    finally:
        torch.set_float32_matmul_precision(precision)
    sae.set_decoder_norm_to_unit_norm()  # done before each step, and so not after the last one
    return Followed(losses, gradients, peer.weights())
