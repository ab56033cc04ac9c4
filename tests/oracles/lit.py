"""LIT's salience, written again: the segments that it cuts and the scores that it shows, with Keras and autograd.

Everything here follows a description of what LIT 1.3 computes (docs/lit.md); nothing comes from ``promptlight``.
"""

# pyright: standard

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import torch

from tests.oracles import plain

PREFIXES = {
    "word": r"([▁\s]+)|(?<=\n)[^\n]",
    "sentence": r"(\n+)|((?<=\n)[^\n])|((?<=[.?!])([▁\s]+))",
}
SEPARATORS = {"line": r"\n+", "paragraph": r"\n\n+"}


def segments(pieces: Sequence[str], by: str) -> list[list[int]]:
    """Group token numbers; ``by`` is a granularity or ``regex:...``. Each match starts at most one group."""
    if by == "token":
        return [[number] for number in range(len(pieces))]
    text = "".join(pieces)
    if by in SEPARATORS:
        waiting = [place for found in re.finditer(SEPARATORS[by], text) for place in (found.start(), found.end())]
    else:
        waiting = [found.start() for found in re.finditer(PREFIXES.get(by, by.removeprefix("regex:")), text)]
    groups: list[list[int]] = [[]]
    for number in range(len(pieces)):
        reach = sum(len(piece) for piece in pieces[: number + 1])
        if waiting and waiting[0] < reach:
            del waiting[0]
            groups.append([])
        groups[-1].append(number)
    return [group for group in groups if group]


def token_scores(backbone: Any, ids: Sequence[int], target: Sequence[int], *, dot: bool, exact: bool) -> torch.Tensor:
    """Each token's score [T] for the summed loss of the target's tokens; the text's first token never counts.

    ``dot`` takes the dot product of gradient and embedding instead of the gradient's norm.
    """
    embeddings = plain.embed(backbone, ids, exact=exact)
    log_probs = plain.log_probabilities(backbone, embeddings)
    loss = sum((-log_probs[token - 1, ids[token]] for token in target if token > 0), torch.zeros(()))
    (gradient,) = torch.autograd.grad(loss, embeddings)
    return ((gradient * embeddings).sum(dim=-1) if dot else gradient.norm(dim=-1)).detach()
