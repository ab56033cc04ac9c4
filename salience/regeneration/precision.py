"""Judge scores of parts against the parts that are causes: does the strongest part hit, and do causes come first?

 1. Rank the parts by score, the highest first.
 2. *First*: 1 if the part on top is a cause, else 0.
 3. *Average precision*: for each cause, the share of causes among the parts down to it in the ranking; the mean of that
    over all causes. 1 if all causes come first.
 4. Equal scores have no order: each figure is its mean over all orders of them, in closed form (McSherry and Najork,
    ECIR 2008). Chance is what equal scores for all parts give (Bestgen, Prague Bulletin of Mathematical Linguistics
    103, 2015): nothing is drawn.

Below rank t, where r causes were met, come g parts with equal scores, m of them causes. Part j of them is a cause in
m/g of all orders; then (j-1)(m-1)/(g-1) causes of the group are expected above it. So the group adds up to
m/g * sum over j of (r + 1 + (j-1)(m-1)/(g-1)) / (t + j).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True, kw_only=True)
class Precision:
    """How well parts are ranked, 0 to 1 each: whether the first is a cause, and the average precision."""

    first: float
    average: float


def judge_scores(scores: ArrayLike, is_cause: ArrayLike) -> Precision:
    """Judge scores [S] by which parts are causes, bool [S]. Raises ValueError unless there is a cause."""
    values, causes = np.asarray(scores, dtype=np.float64), np.asarray(is_cause, dtype=np.bool_)
    if not causes.any():
        raise ValueError("expected at least one cause, found none")
    above, met, total, first = 0, 0, 0.0, 0.0
    for value in np.unique(values)[::-1]:
        group = causes[values == value]
        size, n_causes = len(group), int(group.sum())
        if not above:
            first = n_causes / size
        before = np.arange(size)
        expected = met + 1 + before * (n_causes - 1) / max(1, size - 1)
        total += n_causes / size * float((expected / (above + before + 1)).sum())
        above, met = above + size, met + n_causes
    return Precision(first=first, average=total / met)


def judge_chance(is_cause: ArrayLike) -> Precision:
    """What a random order of the parts is expected to reach, exactly."""
    causes = np.asarray(is_cause, dtype=np.bool_)
    return judge_scores(np.zeros(len(causes)), causes)
