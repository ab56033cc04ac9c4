"""Salience with one autograd backward per target, as libraries on top of a model do it.

Each function returns Grad L2 [targets, tokens] of -log p, for the targets at ``places``.
"""

# pyright: standard

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from promptlight.salience.decoder.decoder import Decoder


def through_decoder(decoder: Decoder, ids: Sequence[int], places: Sequence[int]) -> Tensor:
    """One forward through our decoder, and a backward per target."""
    sequence = torch.tensor(ids, device=decoder.embedding.device)
    embeddings = decoder.embed(sequence[:-1]).requires_grad_()
    rows = torch.tensor(places, device=sequence.device)
    logits = decoder.logits(decoder.hidden(embeddings[None])[0, rows - 1])
    return backward_each(logits, sequence[rows], embeddings)


def through_decoder_again(decoder: Decoder, ids: Sequence[int], places: Sequence[int]) -> Tensor:
    """A forward and a backward per target, each over the tokens before it alone."""
    rows = [through_decoder(decoder, ids[: place + 1], [place])[0] for place in places]
    return pad(rows, len(ids) - 1)


def through_transformers(model: Any, ids: Sequence[int], places: Sequence[int]) -> Tensor:
    """One forward with logits at target rows alone, and a backward per target: Interpreto's way."""
    sequence = torch.tensor(ids, device=model.device)
    embeddings = model.get_input_embeddings()(sequence[None, :-1]).detach().requires_grad_()
    rows = torch.tensor(places, device=sequence.device)
    logits = model(inputs_embeds=embeddings, logits_to_keep=rows - 1, use_cache=False).logits[0]
    return backward_each(logits, sequence[rows], embeddings)[:, 0] * model.get_input_embeddings().embed_scale


def through_transformers_again(model: Any, ids: Sequence[int], places: Sequence[int]) -> Tensor:
    """A forward and a backward per target: the way of Inseq and of Captum."""
    rows = [through_transformers(model, ids[: place + 1], [place])[0] for place in places]
    return pad(rows, len(ids) - 1)


def backward_each(logits: Tensor, target_ids: Tensor, embeddings: Tensor) -> Tensor:
    """Norms over the last axis of each target's gradient: logits [C, V] -> [C, ..., T]."""
    log_probs = logits.float().log_softmax(dim=-1).gather(1, target_ids[:, None])[:, 0]
    return torch.stack(
        [
            torch.autograd.grad(one, embeddings, retain_graph=n + 1 < len(log_probs))[0].float().norm(dim=-1)
            for n, one in enumerate(log_probs)
        ]
    )


def pad(rows: Sequence[Tensor], width: int) -> Tensor:
    """Rows of different lengths as one matrix, zeros behind."""
    return torch.stack([torch.nn.functional.pad(row, (0, width - len(row))) for row in rows])
