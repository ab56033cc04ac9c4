"""How many prompts are generated together, and how much memory a run will take, planned from what is free.

The plan for generation, for B prompts of at most P tokens in a cache of S = P + new tokens, in bytes, with b the bytes
of the weights' dtype and w those of the wide one (4, or 8 in float64):

    key-value cache      2 K H b B S                      in every layer
    one layer's prefill, the larger half of
      feed-forward       (4 F + 4 D) b B P + 2 D w B P
      attention          (4 (N + 2K) H + 4 D) b B P + 2 D w B P, and its scores: N q (2b + 2w) B min(P, window + q)
                         for a block of q = 128 queries (none where the layer has neither soft-cap nor window)
    logits               10 V w B                         drawing a token sorts them, in float64

A batch takes at most half of the free memory. If memory runs out all the same, the batch is halved, down to one prompt.
Explanation is planned in ``memory.py``, prompt by prompt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from promptlight.salience.decoder.chunks import activation_bytes, keeps_activations, plan_chunk, target_bytes
from promptlight.salience.decoder.decoder import QUERY_BLOCK, Decoder, Layer, at_least_float32
from promptlight.salience.decoder.free_memory import free_bytes
from promptlight.salience.decoder.precision import forward_dtype

# Beyond these, a prompt more in a batch makes a token hardly cheaper.
CPU_BATCH, GPU_BATCH = 16, 64


@dataclass(frozen=True)
class Need:
    """The tokens of a prompt that waits for its completion, and how many may follow."""

    n_prompt: int
    n_new: int


@dataclass(frozen=True, kw_only=True)
class MemoryPlan:
    """What a run takes at most, in bytes: weights for all of its time; then generating or explaining, never both."""

    weights: int
    generating: int
    explaining: int
    free: int  # beside the weights

    @property
    def peak(self) -> int:
        """All that lies there at once."""
        return self.weights + max(self.generating, self.explaining)


def choose_batch_size(device: torch.device | str, asked: int | None = None) -> int:
    """The most prompts that are generated together: as asked for, or the device's own."""
    return asked or (GPU_BATCH if torch.device(device).type == "cuda" else CPU_BATCH)


def plan_batches(decoder: Decoder, needs: Sequence[Need], most: int, free: int | None = None) -> list[list[int]]:
    """Which prompts go together: their numbers, those of like length in one batch, each as large as half of the free
    memory and ``most`` allow."""
    budget = (free_bytes(decoder.embedding.device) if free is None else free) // 2
    batches: list[list[int]] = []
    longest = slots = 0
    for number in sorted(range(len(needs)), key=lambda number: needs[number].n_prompt):
        need = needs[number]
        longest, slots = max(longest, need.n_prompt), max(slots, need.n_prompt + need.n_new)
        full = not batches or len(batches[-1]) == most
        if full or generation_bytes(decoder, len(batches[-1]) + 1, longest, slots) > budget:
            batches.append([])
            longest, slots = need.n_prompt, need.n_prompt + need.n_new
        batches[-1].append(number)
    return batches


def generation_bytes(decoder: Decoder, n_prompts: int, longest: int, slots: int) -> int:
    """The formula above."""
    narrow = decoder.embedding.dtype.itemsize
    wide = at_least_float32(decoder.embedding.dtype).itemsize
    cache = sum(2 * layer.n_key_value_heads * layer.head_dim for layer in decoder.layers) * slots * narrow
    prefill = max(_prefill_bytes(layer, longest, narrow, wide) for layer in decoder.layers)
    return n_prompts * (cache + prefill + 10 * decoder.embedding.shape[0] * wide)


def _prefill_bytes(layer: Layer, length: int, narrow: int, wide: int) -> int:
    width, fused = layer.query_key_value.shape
    residual = (4 * narrow + 2 * wide) * width
    attention = (residual + 4 * fused * narrow) * length + _block_of_scores(layer, length) * (2 * narrow + 2 * wide)
    return max(attention, (residual + 4 * layer.gate.shape[1] * narrow) * length)


def _block_of_scores(layer: Layer, length: int) -> int:
    """How many attention scores of one text are there at once in a forward pass (``decoder.attend_causally``)."""
    if layer.soft_cap is None and layer.window is None:
        return 0
    block = min(QUERY_BLOCK, length)
    return layer.n_query_heads * block * (length if layer.window is None else min(length, layer.window + block))


def explanation_bytes(decoder: Decoder, n_positions: int, n_units: int, free: int | None = None) -> int:
    """What the gradients of a text of L positions take: the layers' inputs; kept activations, or one layer's that are
    computed again; and a chunk of targets or, before it, one layer's forward pass in ``forward_dtype`` with a copy of
    that layer's weights."""
    free = free_bytes(decoder.embedding.device) if free is None else free
    narrow, wide = decoder.embedding.dtype.itemsize, forward_dtype(decoder).itemsize
    inputs = (len(decoder.layers) + 1) * n_positions * decoder.embedding.shape[1] * narrow
    kept = activation_bytes(decoder, n_positions)
    if not keeps_activations(decoder, n_positions, free):
        kept = max(_forward_bytes(layer, n_positions, narrow, narrow) for layer in decoder.layers)
    each = max(target_bytes(layer, n_positions, decoder) for layer in decoder.layers)
    chunk = plan_chunk(decoder, n_positions, n_units, free) * each
    forward = max(_forward_bytes(layer, n_positions, narrow, wide) for layer in decoder.layers)
    return inputs + kept + max(chunk, forward)


def _forward_bytes(layer: Layer, n_positions: int, narrow: int, wide: int) -> int:
    """One layer: what it computes for each position, and a copy of its weights where those are narrower."""
    width, fused = layer.query_key_value.shape
    per_position = (7 * width + 3 * fused) * max(wide, 4) + 2 * layer.gate.shape[1] * narrow
    copied = layer_bytes(layer) // narrow * wide if wide > narrow else 0
    return n_positions * per_position + _block_of_scores(layer, n_positions) * 4 * wide + copied


def layer_bytes(layer: Layer) -> int:
    """All weights of a layer."""
    return sum(part.nbytes for part in vars(layer).values() if isinstance(part, torch.Tensor))


def weight_bytes(decoder: Decoder) -> int:
    """All weights, and queries, keys and values once more: Keras's own lie beside the one matrix that they became."""
    fused = sum(layer.query_key_value.nbytes for layer in decoder.layers)
    return decoder.embedding.nbytes + decoder.final_norm.nbytes + sum(map(layer_bytes, decoder.layers)) + fused


def plan_memory(
    decoder: Decoder, completed: Sequence[Need], explained: Sequence[Need], most: int, free: int | None = None
) -> MemoryPlan:
    """What a run takes at most that completes and explains these prompts: the largest batch, and the longest text."""
    free = free_bytes(decoder.embedding.device) if free is None else free
    generating = explaining = 0
    for batch in plan_batches(decoder, completed, most, free):
        longest = max(completed[number].n_prompt for number in batch)
        slots = max(completed[number].n_prompt + completed[number].n_new for number in batch)
        generating = max(generating, generation_bytes(decoder, len(batch), longest, slots))
    if explained:
        longest = max(explained, key=lambda need: need.n_prompt + need.n_new)
        explaining = explanation_bytes(decoder, longest.n_prompt + longest.n_new - 1, longest.n_new, free)
    return MemoryPlan(weights=weight_bytes(decoder), generating=generating, explaining=explaining, free=free)
