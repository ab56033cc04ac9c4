"""Generate completions for a batch of prompts, with a static key-value cache.

Prompts of different lengths are padded on the right and prefilled in one pass. Then each step adds one token to every
row (``_steps.py``, ``_cache.py``). Rows that have stopped leave the batch.
"""

# pyright: standard

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from promptlight.salience.decoder._cache import KeyValueCache
from promptlight.salience.decoder._steps import N_AHEAD, Slots, StepsAhead, can_run_ahead, decode_step, see
from promptlight.salience.decoder._texts import IsStopped, Texts
from promptlight.salience.decoder.attention import Attend, Attention, attend_to
from promptlight.salience.decoder.decoder import Decoder
from promptlight.salience.decoder.heads import Heads
from promptlight.salience.progress import Counted, ignore
from promptlight.salience.types import StopReason

ChooseToken = Callable[[Tensor, list[int]], Tensor]
"""logits [B, V] and the rows' numbers in the whole batch -> the next token of each row [B]; called once a step."""


@dataclass(frozen=True)
class Generated:
    """The completion of one prompt, including the tokens that stopped it."""

    ids: tuple[int, ...]
    stop_reason: StopReason


def choose_greedily(logits: Tensor, rows: list[int]) -> Tensor:
    """The likeliest token of each row."""
    return logits.argmax(dim=-1)


# Whether steps run ahead of the host, where they can: on a GPU, as CUDA graphs. Off until a GPU's figures are for it.
AHEAD = False


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
    ahead: bool = AHEAD,
) -> list[Generated]:
    """Continue each prompt (token ids, at least one) until a token of ``stops``, a stop text, the limit or the end of
    context. ``max_new_tokens`` is one limit for all prompts, or one for each. ``counted`` is told how many
    tokens all rows have, and may have at most, after each step, and of none of them before and after the prompts are
    read. Fewer are possible when a row stops early. ``ahead`` lets greedy steps run before the host has seen the last
    ids, which are the same."""
    asked = [max_new_tokens] * len(prompts) if isinstance(max_new_tokens, int) else max_new_tokens
    limits = [min(most, context_length - len(prompt)) for most, prompt in zip(asked, prompts, strict=True)]
    texts = Texts(prompts, asked, limits, stops, is_stopped, counted)
    rows = texts.pick_open(range(len(prompts)))
    texts.count()
    if rows:
        cache, logits = _prefill(decoder, [prompts[row] for row in rows], [limits[row] for row in rows])
        texts.count()
        continue_rows = _run_ahead if ahead and choose is choose_greedily and can_run_ahead(decoder) else _run_each
        continue_rows(decoder, cache, logits, rows, texts, choose)
    return [Generated(tuple(ids), reason) for ids, reason in zip(texts.written, texts.reasons, strict=True)]


def _run_each(
    decoder: Decoder, cache: KeyValueCache, logits: Tensor, rows: list[int], texts: Texts, choose: ChooseToken
) -> None:
    """One step after the other, until no row goes on."""
    slots = Slots.make(decoder, cache.n_slots)
    while True:
        chosen = choose(logits, rows)
        texts.append(rows, chosen.tolist())
        still_open = texts.pick_open(rows)
        if not still_open:
            return
        if len(still_open) < len(rows):
            kept = [rows.index(row) for row in still_open]
            rows, chosen = still_open, chosen[kept]
            cache.keep_rows(kept)
        logits = decode_step(decoder, cache, slots, chosen, texts.count_positions(rows))


def _run_ahead(
    decoder: Decoder, cache: KeyValueCache, logits: Tensor, rows: list[int], texts: Texts, choose: ChooseToken
) -> None:
    """Some steps at a time, until no row goes on. Finished rows stay until they are half of all: without them, the
    steps have another shape."""
    steps = StepsAhead(decoder, cache, Slots.make(decoder, cache.n_slots), choose(logits, rows))
    texts.append(rows, steps.ids.tolist())
    while still_open := texts.pick_open(rows):
        if 2 * len(still_open) <= len(rows):
            steps.keep_rows([rows.index(row) for row in still_open])
            rows = still_open
        for tokens in steps.write(min(N_AHEAD, texts.count_missing(rows))).tolist():
            texts.append(rows, tokens)


def _prefill(decoder: Decoder, prompts: Sequence[Sequence[int]], limits: Sequence[int]) -> tuple[KeyValueCache, Tensor]:
    """Run all prompts in one pass: a cache with room for each row's limit, and the logits after each prompt [B, V]."""
    device = decoder.embedding.device
    lengths = torch.tensor([len(prompt) for prompt in prompts], device=device)
    longest = int(lengths.max())
    n_slots = max(len(prompt) + limit for prompt, limit in zip(prompts, limits, strict=True))
    ids = torch.zeros(len(prompts), longest, dtype=torch.long, device=device)
    for row, prompt in enumerate(prompts):
        ids[row, : len(prompt)] = torch.tensor(prompt, device=device)
    slots = Slots.make(decoder, longest)
    residual = decoder.start(decoder.embed(ids), slots.angles)
    cache = KeyValueCache(lengths, n_slots)
    for number in range(decoder.top):
        cache.fill(number, residual.run(number).heads)
    last = lengths - 1
    seen = see(decoder, last, slots.numbers)

    def pick(x: Tensor) -> Tensor:
        return x[torch.arange(len(prompts), device=device), last][:, None]

    cache.fill(decoder.top, residual.run(decoder.top, _attend_from_last(last, seen), pick=pick).heads)
    residual.angles = slots.turn(last)
    for number in range(decoder.top + 1, len(decoder.layers)):
        residual.run(number, _attend_from_one(seen))
    return cache, decoder.logits(residual.x[:, 0])


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
