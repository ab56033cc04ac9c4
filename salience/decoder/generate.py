"""Completions for a batch of prompts, with a static key-value cache.

Prompts of different lengths are padded on the right and prefilled in one pass; from then on every row writes its next
token at its own position, so a row's cache slot *is* its position and padding is overwritten before anything looks
at it. Rows that have stopped leave the batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from promptlight.salience.decoder.decoder import (
    Decoder,
    attention_weights,
    finish_layer,
    mix_values,
    project_heads,
    rms_norm,
    run_layer,
    visible_keys,
)
from promptlight.salience.types import StopReason

ChooseToken = Callable[[Tensor, list[int]], Tensor]
"""logits [B, V] and the rows' numbers in the whole batch -> the next token of each row [B]; asked once a step."""


@dataclass(frozen=True)
class Generated:
    """What was written after one prompt; a token that stopped it is included."""

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
    max_new_tokens: int,
    context_length: int,
    stops: dict[int, StopReason],
    choose: ChooseToken = choose_greedily,
) -> list[Generated]:
    """Continue each prompt (token ids, at least one) until a token of ``stops``, the limit or the end of context."""
    limits = [min(max_new_tokens, context_length - len(prompt)) for prompt in prompts]
    written: list[list[int]] = [[] for _ in prompts]
    reasons = [
        StopReason.CONTEXT_FULL if limit < max_new_tokens else StopReason.TOKEN_LIMIT for limit in limits
    ]  # unless a stop token comes first
    rows = [row for row, limit in enumerate(limits) if limit > 0]
    if rows:
        cache, logits = prefill(decoder, [prompts[row] for row in rows], [limits[row] for row in rows])
        for _ in range(max(limits)):
            chosen = choose(logits, rows)
            for row, token in zip(rows, chosen.tolist(), strict=True):
                written[row].append(token)
                if token in stops:
                    reasons[row] = stops[token]
            kept = [
                place
                for place, row in enumerate(rows)
                if written[row][-1] not in stops and len(written[row]) < limits[row]
            ]
            if not kept:
                break
            if len(kept) < len(rows):
                rows, chosen = [rows[place] for place in kept], chosen[kept]
                cache.keep(kept)
            logits = decode_step(decoder, cache, chosen)
    return [Generated(tuple(ids), reason) for ids, reason in zip(written, reasons, strict=True)]


@dataclass
class KeyValueCache:
    """Keys and values so far, per layer [B, K, slots, H]; ``lengths`` [B] counts each row's positions."""

    keys: list[Tensor]
    values: list[Tensor]
    lengths: Tensor

    def keep(self, places: list[int]) -> None:
        """Drop all rows but these, layer by layer, so that no second cache is ever there."""
        index = torch.tensor(places, device=self.lengths.device, dtype=torch.long)
        for store in (self.keys, self.values):
            for number in range(len(store)):
                store[number] = store[number][index]
        self.lengths = self.lengths[index]


def prefill(decoder: Decoder, prompts: Sequence[Sequence[int]], limits: Sequence[int]) -> tuple[KeyValueCache, Tensor]:
    """Run all prompts in one pass: a cache with room for each row's limit, and the logits after each prompt [B, V]."""
    device = decoder.embedding.device
    lengths = torch.tensor([len(prompt) for prompt in prompts], device=device)
    longest = int(lengths.max())
    slots = max(len(prompt) + limit for prompt, limit in zip(prompts, limits, strict=True))
    ids = torch.zeros(len(prompts), longest, dtype=torch.long, device=device)
    for row, prompt in enumerate(prompts):
        ids[row, : len(prompt)] = torch.tensor(prompt, device=device)
    angles = decoder.angles(torch.arange(longest, device=device))
    x = decoder.scale_embeddings(decoder.embed(ids))
    cache = KeyValueCache([], [], lengths)
    for layer in decoder.layers:
        x, key, value = run_layer(layer, x, angles[layer.rope])
        for store, new in ((cache.keys, key), (cache.values, value)):
            slot = new.new_zeros(len(prompts), layer.n_key_value_heads, slots, layer.head_dim)
            slot[:, :, :longest] = new
            store.append(slot)
    return cache, decoder.logits(x[torch.arange(len(prompts), device=device), lengths - 1])


def decode_step(decoder: Decoder, cache: KeyValueCache, ids: Tensor) -> Tensor:
    """Append one token to each row: ids [B] -> logits of what comes next [B, V]."""
    positions = cache.lengths
    every_row = torch.arange(len(ids), device=ids.device)
    slots = torch.arange(int(positions.max()) + 1, device=ids.device)
    angles = {rope: (cos[:, None, None], sin[:, None, None]) for rope, (cos, sin) in decoder.angles(positions).items()}
    visible = {
        window: visible_keys(positions[:, None], slots, window)[:, None, None]
        for window in {layer.window for layer in decoder.layers}
    }
    x = decoder.scale_embeddings(decoder.embed(ids[:, None]))
    for number, layer in enumerate(decoder.layers):
        normed = rms_norm(x, layer.pre_attention_norm, layer.epsilon)
        query, key, value = project_heads(layer, normed, angles[layer.rope])
        cache.keys[number][every_row, :, positions] = key[:, :, 0]
        cache.values[number][every_row, :, positions] = value[:, :, 0]
        seen_keys, seen_values = (store[number][:, :, : len(slots)] for store in (cache.keys, cache.values))
        weights = attention_weights(layer, query, seen_keys, visible[layer.window])
        x = finish_layer(layer, x, mix_values(layer, weights, seen_values))
    cache.lengths = positions + 1
    return decoder.logits(x[:, 0])
