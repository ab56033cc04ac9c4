"""Numbers from the blocks of a GGUF file: a block is some numbers of a row, quantised together.

Numbers are dequantised some blocks at a time, so that no second copy of a large matrix is in memory; ggml-org's
``gguf`` does the arithmetic.
"""

# pyright: standard

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from promptlight.salience.errors import ModelError
from promptlight.salience.loading.gguf._header import TensorPlace

INSTALL = "pip install 'promptlight[gguf]'"

_AT_ONCE = 2**18  # numbers that are dequantised at once: ten times faster than by 16 rows, as gguf does it by itself


def import_gguf() -> Any:
    """ggml-org's package. Raises ModelError if it is not installed."""
    try:
        import gguf
    except ImportError as error:
        raise ModelError(f"GGUF files need the package {error.name}, which is missing: {INSTALL}") from error
    return gguf


def read_numbers(place: TensorPlace, start: int = 0, stop: int | None = None) -> Iterator[NDArray[np.float32]]:
    """The numbers ``start`` to ``stop`` (default: all) of a checked tensor, some blocks at a time, in float32.

    ``start`` and ``stop`` are those of a block. Raises ModelError if the file got shorter, or for values that are no
    numbers.
    """
    kind, per_block, n_bytes = find_blocks(place.type)
    first, last = start // per_block, (math.prod(place.shape) if stop is None else stop) // per_block
    with place.path.open("rb", buffering=0) as file:
        file.seek(place.start + first * n_bytes)
        for block in range(first, last, _AT_ONCE // per_block):
            raw = bytearray((min(block + _AT_ONCE // per_block, last) - block) * n_bytes)
            if file.readinto(raw) != len(raw):
                raise ModelError(f"{place.path}: got shorter while it was read")
            numbers = dequantise(np.frombuffer(raw, np.uint8), kind)
            if not np.isfinite(numbers).all():
                raise ModelError(f"{place.path}: damaged: {place.name} has values that are no numbers; fetch it again")
            yield numbers


def find_blocks(number: int) -> tuple[Any, int, int]:
    """The type with ggml's number, how many numbers a block of it has, and how many bytes.

    Raises ValueError, KeyError or NotImplementedError if ``gguf`` can't dequantise it.
    """
    gguf = import_gguf()
    kind = gguf.GGMLQuantizationType(number)
    per_block, n_bytes = gguf.GGML_QUANT_SIZES[kind]
    return kind, per_block, n_bytes


def find_stop(name: str, place: TensorPlace) -> int:
    """The byte after a tensor. Raises ModelError if it can't be dequantised, or ends beyond the file."""
    try:
        kind, per_block, n_bytes = find_blocks(place.type)
        dequantise(np.zeros(n_bytes, np.uint8), kind)
    except (ValueError, KeyError, NotImplementedError):
        gguf = import_gguf()
        known = place.type in list(gguf.GGMLQuantizationType)
        kind = gguf.GGMLQuantizationType(place.type).name if known else place.type
        raise ModelError(f"{name}: {place.name} has the type {kind}, which the package gguf can't dequantise") from None
    if place.shape[-1] % per_block:
        raise ModelError(
            f"{name}: damaged: {place.name} has rows of {place.shape[-1]}, and {kind.name} blocks of {per_block}"
        )
    stop = place.start + math.prod(place.shape) // per_block * n_bytes
    if stop > place.file_size:
        found = f"{place.name} ends at byte {stop}, and the file has {place.file_size}"
        raise ModelError(f"{place.path}: cut off: {found}; fetch it again")
    return stop


def dequantise(raw: NDArray[np.uint8], kind: Any) -> NDArray[np.float32]:
    """Bytes of whole blocks -> numbers [n]; as one row, which gguf computes at once."""
    return import_gguf().dequantize(raw[None], kind)[0]
