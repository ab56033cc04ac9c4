"""Choose the next token: the likeliest one, or one drawn at random, reproducibly for a seed.

Drawing sorts the tokens by probability, the likeliest first:

    temperature   divides the logits: below 1 sharpens, above 1 flattens, 0 means greedy
    top_k         keeps the k likeliest tokens
    top_p         keeps the fewest tokens whose probabilities reach p together (nucleus sampling, arXiv:1904.09751)

Each row has its own stream of random numbers, made from the seed and the row's name. So the draws for a prompt do not
depend on its batch.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import torch
from torch import Tensor

from promptlight.salience.decoder.generate import ChooseToken, choose_greedily
from promptlight.salience.options.sampling import Sampling


def choose_tokens(sampling: Sampling, names: Sequence[str]) -> ChooseToken:
    """Make the function that ``generate`` calls for each next token; ``names`` are the rows', such as prompt ids."""
    if sampling.temperature == 0:
        return choose_greedily
    streams = [random.Random(f"{sampling.seed} {name}") for name in names]

    def choose(logits: Tensor, rows: list[int]) -> Tensor:
        return draw(logits, torch.tensor([streams[row].random() for row in rows]), sampling)

    return choose


def draw(logits: Tensor, numbers: Tensor, sampling: Sampling) -> Tensor:
    """Logits [B, V] and a number in [0, 1) for each row [B] -> the tokens [B] at that quantile of the kept tokens."""
    if sampling.top_k is not None:
        scaled, order = torch.topk(logits.float(), min(sampling.top_k, logits.shape[-1]))
    else:
        scaled, order = torch.sort(logits.float(), dim=-1, descending=True, stable=True)
    wide = torch.float32 if logits.device.type == "mps" else torch.float64  # Apple's GPUs have no float64
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
    """Bytes for a row's logits and a draw from them: logits are sorted, and cumulative probabilities are float64."""
    return 10 * vocabulary_size * wide
