"""Round scores to the digits that are stored on disk."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from promptlight.salience.types import FloatArray

DROPPED_BITS = 13  # float32 has 23 fraction bits, float16 has 10


class Scores(StrEnum):
    """Digits as of this type, but without its range: columns are always float32, which every tool reads."""

    FLOAT32 = "float32"
    FLOAT16 = "float16"


def round_to_half(scores: FloatArray) -> FloatArray:
    """Round to the precision of float16, without its range: the relative error is at most 2^-11, however small."""
    import numpy as np

    bits = np.ascontiguousarray(scores, dtype=np.float32).view(np.int32)
    return ((bits + (1 << (DROPPED_BITS - 1))) >> DROPPED_BITS << DROPPED_BITS).view(np.float32)
