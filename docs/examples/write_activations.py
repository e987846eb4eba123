"""Writes a language model's activations as files that the source `activations` reads."""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file


def write_activations(batches, folder):
    """batches: (mask [n, T], {stream: activations [n, T, d]}); the mask is 0 for padding."""
    folder, files, rows, contexts = Path(folder), [], 0, 0
    folder.mkdir(parents=True, exist_ok=True)
    for mask, streams in batches:
        order = mask.cumsum(1)  # 1 at a context's first token, on whichever side the padding is
        keep = mask.bool() & (order > 1)  # the first token's activations are unlike all others
        origin = torch.stack([keep.nonzero()[:, 0] + contexts, order[keep] - 1], 1)
        tensors = {name: a.detach()[keep].cpu().contiguous() for name, a in streams.items()}
        files.append(f"part-{len(files):05}.safetensors")
        save_file({**tensors, "origin": origin.cpu()}, folder / files[-1])
        rows, contexts = rows + len(origin), contexts + len(mask)
    index = {"format": "saffron-activations/1", "files": files, "rows": rows}
    (folder / "index.json").write_text(json.dumps(index, indent=1))


@torch.no_grad()
def hugging_face(model, batches, layers):
    """batches: what a Hugging Face tokenizer gives with padding=True, return_tensors="pt"."""
    for batch in batches:
        hidden = model(**batch, output_hidden_states=True).hidden_states
        if max(layers) >= len(hidden) - 2:
            raise ValueError("the last entry of hidden_states has gone through the final norm")
        # hidden[0] is the embedding, hidden[i + 1] the residual stream after layer i.
        yield batch["attention_mask"], {f"layers.{i}.resid_post": hidden[i + 1] for i in layers}


@torch.no_grad()
def transformer_lens(model, batches, names):
    """batches: token ids [n, T] without padding; names: such as "blocks.6.hook_resid_post"."""
    for tokens in batches:
        _, cache = model.run_with_cache(tokens, names_filter=names, return_type=None)
        yield torch.ones_like(tokens), {name: cache[name] for name in names}
