"""Generate completions for a batch of prompts, with a static key-value cache.

Prompts of different lengths are padded on the right and prefilled in one pass. Then each step adds one token to every
row (``_cache.py``). Rows that have stopped leave the batch.
"""

# pyright: standard

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from promptlight.salience.decoder._cache import KeyValueCache
from promptlight.salience.decoder.attention import Attend, Attention, attend_to, visible_keys
from promptlight.salience.decoder.decoder import Decoder
from promptlight.salience.decoder.heads import Heads
from promptlight.salience.decoder.rope import Angles, Rope
from promptlight.salience.progress import Counted, ignore
from promptlight.salience.types import StopReason

ChooseToken = Callable[[Tensor, list[int]], Tensor]
"""logits [B, V] and the rows' numbers in the whole batch -> the next token of each row [B]; called once a step."""

IsStopped = Callable[[int, int], bool]
"""A row's number in the whole batch and its next token -> whether its completion ends there; called once a token."""


@dataclass(frozen=True)
class Generated:
    """The completion of one prompt, including the tokens that stopped it."""

    ids: tuple[int, ...]
    stop_reason: StopReason


def choose_greedily(logits: Tensor, rows: list[int]) -> Tensor:
    """The likeliest token of each row."""
    return logits.argmax(dim=-1)


@torch.no_grad()
def generate(
    decoder: Decoder,
    prompts: Sequence[Sequence[int]],
    *,
    max_new_tokens: int | Sequence[int],
    context_length: int,
    stops: dict[int, StopReason],
    choose: ChooseToken = choose_greedily,
    is_stopped: IsStopped | None = None,
    counted: Counted = ignore,
) -> list[Generated]:
    """Continue each prompt (token ids, at least one) until a token of ``stops``, a stop text, the limit or the end of
    context. ``max_new_tokens`` is one limit for all prompts, or one for each. ``counted`` is told how many
    tokens all rows have, and may have at most, after each step, and of none of them before and after the prompts are
    read. Fewer are possible when a row stops early."""
    asked = [max_new_tokens] * len(prompts) if isinstance(max_new_tokens, int) else max_new_tokens
    limits = [min(most, context_length - len(prompt)) for most, prompt in zip(asked, prompts, strict=True)]
    written: list[list[int]] = [[] for _ in prompts]
    reasons = [
        StopReason.CONTEXT_FULL if limit < most else StopReason.TOKEN_LIMIT
        for limit, most in zip(limits, asked, strict=True)
    ]  # unless something stops it first
    rows = [row for row, limit in enumerate(limits) if limit > 0]
    counted(0, sum(limits[row] for row in rows))
    if rows:
        cache, logits = _prefill(decoder, [prompts[row] for row in rows], [limits[row] for row in rows])
        counted(0, sum(limits[row] for row in rows))
        for _ in range(max(limits)):
            chosen = choose(logits, rows)
            for row, token in zip(rows, chosen.tolist(), strict=True):
                written[row].append(token)
                if token in stops:
                    reasons[row], limits[row] = stops[token], len(written[row])
                elif is_stopped and is_stopped(row, token):
                    reasons[row], limits[row] = StopReason.STOP_TEXT, len(written[row])
            counted(sum(map(len, written)), sum(limit for limit in limits if limit > 0))
            kept = [place for place, row in enumerate(rows) if len(written[row]) < limits[row]]
            if not kept:
                break
            if len(kept) < len(rows):
                rows, chosen = [rows[place] for place in kept], chosen[kept]
                cache.keep_rows(kept)
            logits = _decode_step(decoder, cache, chosen)
    return [Generated(tuple(ids), reason) for ids, reason in zip(written, reasons, strict=True)]


def _prefill(decoder: Decoder, prompts: Sequence[Sequence[int]], limits: Sequence[int]) -> tuple[KeyValueCache, Tensor]:
    """Run all prompts in one pass: a cache with room for each row's limit, and the logits after each prompt [B, V]."""
    device = decoder.embedding.device
    lengths = torch.tensor([len(prompt) for prompt in prompts], device=device)
    longest = int(lengths.max())
    n_slots = max(len(prompt) + limit for prompt, limit in zip(prompts, limits, strict=True))
    ids = torch.zeros(len(prompts), longest, dtype=torch.long, device=device)
    for row, prompt in enumerate(prompts):
        ids[row, : len(prompt)] = torch.tensor(prompt, device=device)
    residual = decoder.start(decoder.embed(ids), decoder.angles(torch.arange(longest, device=device)))
    cache = KeyValueCache(lengths)
    for number in range(decoder.top):
        cache.fill(number, residual.run(number).heads, n_slots)
    last = lengths - 1
    seen = _see(decoder, last, torch.arange(longest, device=device))

    def pick(x: Tensor) -> Tensor:
        return x[torch.arange(len(prompts), device=device), last][:, None]

    cache.fill(decoder.top, residual.run(decoder.top, _attend_from_last(last, seen), pick=pick).heads, n_slots)
    residual.angles = _turn(decoder, last)
    for number in range(decoder.top + 1, len(decoder.layers)):
        residual.run(number, _attend_from_one(seen))
    return cache, decoder.logits(residual.x[:, 0])


def _decode_step(decoder: Decoder, cache: KeyValueCache, ids: Tensor) -> Tensor:
    """Append one token to each row: ids [B] -> logits of the next one [B, V]."""
    positions = cache.lengths
    seen = _see(decoder, positions, torch.arange(int(positions.max()) + 1, device=ids.device))
    residual = decoder.start(decoder.embed(ids[:, None]), _turn(decoder, positions))
    for number, layer in enumerate(decoder.layers):
        residual.run(number, cache.attend_from(number, seen[layer.window]))
    cache.lengths = positions + 1
    return decoder.logits(residual.x[:, 0])


def _turn(decoder: Decoder, positions: Tensor) -> dict[Rope, Angles]:
    """The angles of one position in each row [B], for heads [B, heads, 1, H]."""
    return {rope: (cos[:, None, None], sin[:, None, None]) for rope, (cos, sin) in decoder.angles(positions).items()}


def _see(decoder: Decoder, positions: Tensor, slots: Tensor) -> dict[int | None, Tensor]:
    """Which slots one position in each row [B] sees, by the layers' windows: bool [B, 1, 1, 1, slots]."""
    windows = {layer.window for layer in decoder.layers}
    return {window: visible_keys(positions[:, None], slots, window)[:, None, None] for window in windows}


def _attend_from_last(last: Tensor, seen: dict[int | None, Tensor]) -> Attend:
    """Attention of each row's last position [B] alone, where heads have all positions."""

    def attend(attention: Attention, heads: Heads) -> Tensor:
        query = heads.query[torch.arange(len(last), device=last.device), :, last][:, :, None]
        return attend_to(attention, query, heads.key, heads.value, seen[attention.window])

    return attend


def _attend_from_one(seen: dict[int | None, Tensor]) -> Attend:
    """Attention where each row has one query."""

    def attend(attention: Attention, heads: Heads) -> Tensor:
        return attend_to(attention, heads.query, heads.key, heads.value, seen[attention.window])

    return attend
