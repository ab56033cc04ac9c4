"""Which way scores point: what a positive score does to the target's log-probability."""

from __future__ import annotations

from promptlight.salience.errors import UsageError
from promptlight.salience.types import Analysis, Method, Objective


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
