"""Which way scores point, and which source comes first."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from promptlight.salience.errors import UsageError
from promptlight.salience.types import Analysis, Method, Objective

Order = NDArray[np.intp]  # of S sources, the one that should matter most first


def find_direction(analysis: Analysis, method: Method) -> int:
    """1 if a positive score should raise the target's log-probability, -1 if it should lower it.

    Raises UsageError for scores of a difference from a foil, and for an objective that says neither.
    """
    if analysis.foil is not None:
        raise UsageError(
            f"{analysis.completion.prompt.id}: expected scores of a log-probability, found those of a difference from a"
            " foil, which can't be evaluated"
        )
    objective = analysis.maps[method].objective
    direction = objective.direction
    if direction is None:
        known = ", ".join(one for one in Objective if one.direction)
        raise UsageError(f"expected scores of one of {known}, found {objective}, which can't be evaluated")
    return direction


def rank_sources(scores: ArrayLike, *, signed: bool) -> Order:
    """Rank scores [S]: positions in descending order; equal scores in the order of the text.

    Signed scores go from the most positive to the most negative: a source that lowers the target is removed last,
    because its removal raises the curve. Scores without a sign go by absolute value.
    """
    values = np.asarray(scores, dtype=np.float64)
    return np.argsort(-(values if signed else np.abs(values)), kind="stable")
