"""Intervals, rank correlations, and the array types that go with them. Knows no model and no text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
from numpy.typing import ArrayLike, NDArray

BoolArray = NDArray[np.bool_]
WideArray = NDArray[np.float64]

N_RESAMPLES = 1000
N_DRAWN_AT_ONCE = 2**20


def bootstrap_interval(values: Sequence[float], *, seed: int = 0) -> tuple[float, float] | None:
    """The 95% percentile interval of a mean; None for a single value, which says nothing about spread."""
    if len(values) < 2:
        return None
    generator, observed = np.random.default_rng(seed), np.array(values)
    n_at_once = max(1, N_DRAWN_AT_ONCE // len(values))
    means = [
        observed[generator.integers(len(values), size=(min(n_at_once, N_RESAMPLES - n_drawn), len(values)))].mean(
            axis=1
        )
        for n_drawn in range(0, N_RESAMPLES, n_at_once)
    ]
    low, high = np.percentile(np.concatenate(means), [2.5, 97.5])
    return float(low), float(high)


@dataclass(frozen=True, kw_only=True)
class Mean:
    """A mean over prompts and its 95% interval, which is None for a single prompt."""

    mean: float
    low: float | None
    high: float | None


def take_mean(values: Sequence[float], *, seed: int = 0) -> Mean:
    """A mean with its interval over prompts."""
    low, high = bootstrap_interval(values, seed=seed) or (None, None)
    return Mean(mean=fmean(values), low=low, high=high)


def wilson_interval(n_hits: float, n: int) -> tuple[float, float]:
    """Wilson's 95% interval of a rate (Journal of the American Statistical Association 22, 1927).

    Hits may be expected values, of orders that count in part.
    """
    z, rate = 1.959964, n_hits / n
    centre, spread = rate + z * z / (2 * n), z * math.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    low, high = (centre - spread) / (1 + z * z / n), (centre + spread) / (1 + z * z / n)
    return max(low, 0.0), min(high, 1.0)  # they can pass 0 and 1 by rounding


def correlate_ranks(one: ArrayLike, other: ArrayLike) -> float | None:
    """Spearman's rank correlation of two lists of numbers, -1 to 1; equal numbers share the mean of their ranks.

    It is Pearson's correlation of the ranks (Kendall and Gibbons, Rank Correlation Methods, 1990, chapter 3). None if
    all numbers of a list are equal: they have no order.
    """
    ranks = [share_ranks(np.asarray(values, dtype=np.float64)) for values in (one, other)]
    centred = [values - values.mean() for values in ranks]
    size = float(np.sqrt((centred[0] ** 2).sum() * (centred[1] ** 2).sum()))
    return float(np.clip((centred[0] * centred[1]).sum() / size, -1, 1)) if size else None


def share_ranks(values: WideArray) -> WideArray:
    """Ranks from 1, the smallest first; equal values get the mean of their ranks."""
    _, numbers, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[numbers.ravel()]
