"""Plan from the free memory how many targets go through the decoder together.

Functions next to the code of each part count its bytes for a target; ``backward.chunk_bytes`` adds them up.

A chunk takes at most half of the free memory, so that everything else fits too. If memory still runs out, the chunk is
halved and the work continues where it stopped.
"""

# pyright: standard

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import TypeVar

import torch

from promptlight.salience.decoder.backward import activation_bytes, chunk_bytes
from promptlight.salience.decoder.decoder import Decoder, count_logits_bytes
from promptlight.salience.decoder.free_memory import free_bytes
from promptlight.salience.decoder.precision import forward_dtype
from promptlight.salience.decoder.processor import has_fast_bfloat16
from promptlight.salience.errors import OUT_OF_MEMORY, OutOfMemoryError

Item = TypeVar("Item")
Result = TypeVar("Result")

# A CPU gains nothing beyond a few targets, so it takes only a few, and only as many as need little memory.
CPU_CHUNK, CPU_BYTES = 4, 200_000_000
CPU_ROWS = 64
GPU_CHUNK = 128

WHAT_HELPS_BY = ("dtype",)  # the parameters that change what memory a prompt takes
# messages of torch on a CPU, on Apple's GPUs and for CUDA's own allocations, of C++, and of CUDA's matrix products
NO_MEMORY = ("can't allocate memory", "out of memory", "bad_alloc", "cublas_status_alloc_failed")


def plan_chunk(decoder: Decoder, n_positions: int, n_units: int, free: int | None = None) -> int:
    """Targets per backward pass: as many as fit in half of the free memory, at least one."""
    budget = take_budget(decoder, free)
    most = min(n_units, GPU_CHUNK if decoder.embedding.device.type == "cuda" else CPU_CHUNK)
    fitting = (n for n in range(most, 1, -1) if chunk_bytes(decoder, n_positions, n) <= budget)
    return next(fitting, 1)


def plan_rows(decoder: Decoder, n_rows: int, free: int | None = None) -> int:
    """Targets whose logits and gradients by logits are computed together, as many as fit in half of the free memory."""
    each = count_logits_bytes(decoder, forward_dtype(decoder).itemsize)
    most = GPU_CHUNK if decoder.embedding.device.type == "cuda" else CPU_ROWS
    return max(1, min(n_rows, most, take_budget(decoder, free) // each))


def take_budget(decoder: Decoder, free: int | None = None) -> int:
    """Bytes for work on several units at once: half of the free memory, on a CPU at most ``CPU_BYTES``."""
    device = decoder.embedding.device
    budget = (free_bytes(device) if free is None else free) // 2
    return budget if device.type == "cuda" else min(budget, CPU_BYTES)


def keeps_activations(decoder: Decoder, n_positions: int, free: int | None = None) -> bool:
    """Whether all layers' activations fit in a quarter of the free memory; if not, they are recomputed."""
    available = free_bytes(decoder.embedding.device) if free is None else free
    return activation_bytes(decoder, n_positions) <= available // 4


def run_in_chunks(
    work: Callable[[int, int], Result], n_units: int, size: int, unit: str = "target"
) -> Iterator[tuple[int, Result]]:
    """Call ``work(start, stop)`` over 0..n_units in order; out of memory halves the chunk and tries again.

    Raises OutOfMemoryError when a single unit does not fit.
    """
    start = 0
    while start < n_units:
        try:
            result = work(start, min(start + size, n_units))
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            if size == 1:
                raise OutOfMemoryError(
                    f"{OUT_OF_MEMORY} with a single {unit}: {say_what_helps()}", parameters=WHAT_HELPS_BY
                ) from error
            size = max(1, size // 2)
            continue
        yield start, result
        start = min(start + size, n_units)
        del result


def run_in_halves(
    work: Callable[[Sequence[Item]], Sequence[Result]], items: Sequence[Item]
) -> Iterator[tuple[Item, Result | None]]:
    """Each item with its result from ``work`` on all of them; if memory runs out, try each half separately.

    An item that does not fit even alone has the result None.
    """
    try:
        results = work(items) if items else []
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        results = None  # drop the error here: its frames hold tensors
    if results is not None:
        yield from zip(items, results, strict=True)
    elif len(items) == 1:
        yield items[0], None
    else:
        half = len(items) // 2
        yield from run_in_halves(work, items[:half])
        yield from run_in_halves(work, items[half:])


@contextlib.contextmanager
def naming_lack_of_memory(what: str) -> Generator[None]:
    """Turn any error of torch, numpy or Python for lack of memory in ``what`` into OutOfMemoryError."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise OutOfMemoryError(f"{OUT_OF_MEMORY} in {what}: {say_what_helps()}", parameters=WHAT_HELPS_BY) from error


def say_what_helps() -> str:
    """What to do against a lack of memory: bfloat16 only where it isn't many times slower."""
    if torch.cuda.is_available() or has_fast_bfloat16():
        return "shorten the prompt, use bfloat16 weights or more memory"
    return "shorten the prompt or use more memory"


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that memory ran out, on a GPU or on the CPU."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(words in text for words in NO_MEMORY)
