"""Plan from the free memory how many prompts to generate together, and how much memory a run will take.

Generation for B prompts of at most P tokens needs, for each of them, a key-value cache of P + new tokens, one layer's
forward pass, and logits. Functions next to the code of each part count its bytes.

A batch takes at most half of the free memory. If memory still runs out, the batch is halved, down to one prompt.
``chunks.py`` plans explanations, one prompt at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from promptlight.salience.decoder._cache import count_cache_bytes
from promptlight.salience.decoder.backward import activation_bytes, chunk_bytes
from promptlight.salience.decoder.chunks import keeps_activations, plan_chunk, plan_rows
from promptlight.salience.decoder.decoder import Decoder, count_logits_bytes
from promptlight.salience.decoder.free_memory import free_bytes, resident_bytes
from promptlight.salience.decoder.layer_bytes import count_run_bytes, count_trace_bytes
from promptlight.salience.decoder.precision import forward_dtype
from promptlight.salience.decoder.sampling import count_drawing_bytes
from promptlight.salience.decoder.tensors import count_bytes

# In larger batches, tokens hardly get cheaper.
CPU_BATCH, GPU_BATCH = 16, 64


@dataclass(frozen=True)
class Need:
    """The number of tokens of a prompt, and how many new tokens may follow."""

    n_prompt: int
    n_new: int


@dataclass(frozen=True, kw_only=True)
class MemoryPlan:
    """The memory of a run in bytes: weights and the rest of the process at all times, plus generating or explaining,
    never both. On a GPU, that of the device."""

    weights: int
    process: int  # beside the weights: libraries, the tokenizer
    loading: int  # the most that the process held while it loaded the model
    generating: int
    explaining: int
    free: int  # beside the weights and the process

    @property
    def working(self) -> int:
        """What is taken while the run works, beside the weights and the process."""
        return max(self.generating, self.explaining)

    @property
    def peak(self) -> int:
        """The most bytes in use at once."""
        return max(self.loading, self.weights + self.process + self.working)


def choose_batch_size(device: torch.device | str, asked: int | None = None) -> int:
    """The most prompts to generate together: the requested number, or the device's default."""
    return asked or (GPU_BATCH if torch.device(device).type == "cuda" else CPU_BATCH)


def plan_batches(decoder: Decoder, needs: Sequence[Need], most: int, free: int | None = None) -> list[list[int]]:
    """Group prompts of similar length into batches of their numbers, each as large as half of the free memory and
    ``most`` allow."""
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
    """Bytes for generation: the cache, the largest forward pass of one layer, and the logits."""
    narrow, wide = decoder.itemsizes
    cache = count_cache_bytes(decoder.layers, slots, narrow)
    prefill = max(count_run_bytes(layer, longest, narrow, wide) for layer in decoder.layers[: decoder.top + 1])
    prefill += longest * (decoder.embedding_width - decoder.width) * (wide + 2 * narrow)  # the tokens' second rows
    return n_prompts * (cache + prefill + count_drawing_bytes(decoder.head.shape[0], wide))


def explanation_bytes(decoder: Decoder, n_positions: int, n_units: int, free: int | None = None) -> int:
    """Bytes for the gradients of a text of L positions: the layers' inputs, and both tables' rows; kept activations, or
    one layer's that are recomputed; and the largest of a layer's forward pass in ``forward_dtype`` with a copy of its
    weights, the logits of some targets, and a chunk of targets."""
    free = free_bytes(decoder.embedding.device) if free is None else free
    narrow, wide = decoder.embedding.dtype.itemsize, forward_dtype(decoder).itemsize
    inputs = (decoder.top + 2) * n_positions * decoder.layers[0].width * narrow
    if decoder.per_layer is not None:
        rows = decoder.embedding_width - decoder.width
        inputs += n_positions * (decoder.embedding_width * max(narrow, 4) + rows * (narrow + wide))
    kept = activation_bytes(decoder, n_positions)
    if not keeps_activations(decoder, n_positions, free):
        kept = max(count_trace_bytes(layer, n_positions, narrow, narrow) for layer in decoder.layers[: decoder.top + 1])
    chunk = chunk_bytes(decoder, n_positions, plan_chunk(decoder, n_positions, n_units, free))
    logits = plan_rows(decoder, n_units, free) * count_logits_bytes(decoder, wide)
    forward = max(count_trace_bytes(layer, n_positions, narrow, wide) for layer in decoder.layers[: decoder.top + 1])
    return inputs + kept + max(chunk, logits, forward)


def plan_memory(
    decoder: Decoder, completed: Sequence[Need], explained: Sequence[Need], most: int, free: int | None = None
) -> MemoryPlan:
    """The memory of a run that completes and explains these prompts in this process, which has loaded the model: the
    largest batch, and the longest text."""
    free = free_bytes(decoder.embedding.device) if free is None else free
    generating = explaining = 0
    for batch in plan_batches(decoder, completed, most, free):
        longest = max(completed[number].n_prompt for number in batch)
        slots = max(completed[number].n_prompt + completed[number].n_new for number in batch)
        generating = max(generating, generation_bytes(decoder, len(batch), longest, slots))
    if explained:
        longest = max(explained, key=lambda need: need.n_prompt + need.n_new)
        explaining = explanation_bytes(decoder, longest.n_prompt + longest.n_new - 1, longest.n_new, free)
    weights = count_bytes(decoder)
    resident, most = resident_bytes() if decoder.embedding.device.type == "cpu" else (weights, 0)
    return MemoryPlan(
        weights=weights,
        process=max(0, resident - weights),
        loading=most,
        generating=generating,
        explaining=explaining,
        free=free,
    )
