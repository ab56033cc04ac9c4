"""Encode numbers as text that a browser decodes quickly: little-endian arrays in base64."""

from __future__ import annotations

import base64
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

FULL_SCALE = 32767


def encode_rows(rows: Sequence[NDArray[np.floating]]) -> tuple[str, list[float]]:
    """Encode ragged rows as fractions of each row's largest absolute value, and return those values too.

    A fraction is stored as its cube root, in 16 bits. The largest may be hidden, as a word beside the target in its
    line is; what remains can be a millionth of it, and its shares need digits as well.
    """
    largest = [float(np.abs(row).max(initial=0.0)) for row in rows]
    parts = [np.rint(np.cbrt(row / (most or 1.0)) * FULL_SCALE) for row, most in zip(rows, largest, strict=True)]
    return _encode(np.concatenate([np.zeros(0), *parts]), "<i2"), largest


def encode_floats(numbers: NDArray[np.floating]) -> str:
    """Encode numbers of any shape as float32, row by row."""
    return _encode(numbers, "<f4")


def _encode(numbers: NDArray[np.floating], kind: str) -> str:
    return base64.b64encode(numbers.astype(kind).tobytes()).decode()


def round_digits(number: float) -> float:
    """A number with the six digits that the page shows at most."""
    return float(f"{number:.6g}")
