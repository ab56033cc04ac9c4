"""Whether this computer's CPU multiplies bfloat16 at a useful speed."""

# pyright: standard

from __future__ import annotations

import functools
import time

import torch

TOO_SLOW = 3  # times the time of float32; CPUs without units for bfloat16 need about 12 times as long, others less


def has_fast_bfloat16() -> bool:
    """Whether bfloat16 is worth its memory on this CPU, from a few small products; False if they can't be run."""
    try:
        return measure_slowdown() < TOO_SLOW
    except (RuntimeError, MemoryError):
        return False


@functools.cache
def measure_slowdown() -> float:
    """How many times as long as float32 a product in bfloat16 takes; measured in milliseconds, once."""
    return _time_product(torch.bfloat16) / _time_product(torch.float32)


def _time_product(dtype: torch.dtype) -> float:
    """The least seconds of a few products, after one that warms up."""
    rows, matrix = torch.ones(32, 512, dtype=dtype), torch.ones(512, 512, dtype=dtype)
    seconds: list[float] = []
    for _ in range(5):
        start = time.perf_counter()
        torch.mm(rows, matrix)
        seconds.append(time.perf_counter() - start)
    return min(seconds[1:])
