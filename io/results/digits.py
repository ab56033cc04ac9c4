"""How many digits of scores are kept on disk."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from promptlight.salience.types import FloatArray

DROPPED_BITS = 13  # of float32's 23, float16 has room for 10


class Scores(StrEnum):
    """The digits of this type, at any size: the columns are float32 in any case, which every tool reads."""

    FLOAT32 = "float32"
    FLOAT16 = "float16"


def round_to_half(scores: FloatArray) -> FloatArray:
    """The nearest numbers with as many digits as float16 has: off by at most 2^-11 of themselves, however small."""
    import numpy as np

    bits = np.ascontiguousarray(scores, dtype=np.float32).view(np.int32)
    return ((bits + (1 << (DROPPED_BITS - 1))) >> DROPPED_BITS << DROPPED_BITS).view(np.float32)
