"""Writes a language model's activations as files that the source `activations` reads."""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file


def write_activations(batches, folder):
    """batches: (mask [n, T], {stream: activations [n, T, d]}); mask is False for padding."""
    folder, files, rows, contexts = Path(folder), [], 0, 0
    folder.mkdir(parents=True, exist_ok=True)
    for mask, streams in batches:
        keep = mask.bool().clone()
        keep[:, 0] = False  # the first position's activations are unlike all others
        context, position = keep.nonzero(as_tuple=True)
        tensors = {name: a.detach()[keep].cpu().contiguous() for name, a in streams.items()}
        tensors["origin"] = torch.stack([context + contexts, position], 1).cpu()
        files.append(f"part-{len(files):05}.safetensors")
        save_file(tensors, folder / files[-1])
        rows, contexts = rows + len(context), contexts + len(mask)
    index = {"format": "saffron-activations/1", "files": files, "rows": rows}
    (folder / "index.json").write_text(json.dumps(index, indent=1))


@torch.no_grad()
def hugging_face(model, batches, layers):
    """batches: what a Hugging Face tokenizer returns with padding=True and return_tensors="pt"."""
    for batch in batches:
        hidden = model(**batch, output_hidden_states=True).hidden_states
        # hidden[0] is the embedding; the last one has gone through the final norm: not a layer's.
        assert max(layers) + 1 < len(hidden) - 1, "the last layer's output is not in hidden_states"
        yield batch["attention_mask"], {f"layers.{i}.resid_post": hidden[i + 1] for i in layers}


@torch.no_grad()
def transformer_lens(model, batches, names):
    """batches: token ids [n, T] without padding; names: such as "blocks.6.hook_resid_post"."""
    for tokens in batches:
        _, cache = model.run_with_cache(tokens, names_filter=names, return_type=None)
        yield torch.ones_like(tokens), {name: cache[name] for name in names}
