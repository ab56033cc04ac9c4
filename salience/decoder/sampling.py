"""How the next token is chosen: the likeliest one, or one drawn at random, the same again for the same seed.

Drawing takes the tokens in the order of their probability, the likeliest first:

    temperature   divides the logits: below 1 sharpens, above 1 flattens, 0 means greedy
    top_k         keeps the k likeliest tokens
    top_p         keeps the fewest tokens whose probabilities reach p together (nucleus sampling, arXiv:1904.09751)

Each row has a stream of random numbers of its own, made from the seed and the row's name: what is drawn for a prompt
depends neither on the batch that it is in nor on its neighbours.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import torch
from torch import Tensor

from promptlight.salience.decoder.generate import ChooseToken, choose_greedily
from promptlight.salience.options.sampling import Sampling


def choose_tokens(sampling: Sampling, names: Sequence[str]) -> ChooseToken:
    """What ``generate`` asks for each next token; ``names`` are the rows' own, prompt ids for instance."""
    if sampling.temperature == 0:
        return choose_greedily
    streams = [random.Random(f"{sampling.seed} {name}") for name in names]

    def choose(logits: Tensor, rows: list[int]) -> Tensor:
        return draw(logits, torch.tensor([streams[row].random() for row in rows]), sampling)

    return choose


def draw(logits: Tensor, numbers: Tensor, sampling: Sampling) -> Tensor:
    """Logits [B, V] and a number in [0, 1) for each row [B] -> the tokens [B] at that height of what is kept."""
    if sampling.top_k is not None:
        scaled, order = torch.topk(logits.float(), min(sampling.top_k, logits.shape[-1]))
    else:
        scaled, order = torch.sort(logits.float(), dim=-1, descending=True, stable=True)
    wide = torch.float32 if logits.device.type == "mps" else torch.float64  # all that Apple's GPUs have
    heights = torch.softmax(scaled.to(wide) / sampling.temperature, dim=-1).cumsum(dim=-1)
    if sampling.top_p is not None:
        last = (heights < sampling.top_p).sum(dim=-1, keepdim=True).clamp(max=heights.shape[-1] - 1)
        total = heights.gather(1, last)
    else:
        total = heights[:, -1:]
    place = torch.searchsorted(heights, numbers.to(heights)[:, None] * total, right=True).clamp(
        max=heights.shape[-1] - 1
    )
    return order.gather(1, place)[:, 0]


def count_drawing_bytes(vocabulary_size: int, wide: int) -> int:
    """What a row's logits and drawing from them take: they are sorted, and their heights are in float64."""
    return 10 * vocabulary_size * wide
