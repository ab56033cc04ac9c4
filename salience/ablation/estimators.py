"""Occlusion, LIME, Shapley values and surrogate models of any game: compute scores from the values of coalitions.

A game is a function: ``value_of(kept)`` gives the value of each coalition for each target, bool [n, S] -> float64
[n, targets]. Nothing here knows a model or a text. ``sources`` [targets, S] says which spans can influence a target;
the others must not change the value of a coalition for it, and their scores are 0.

A positive score means that the span raises the value. Standard errors say how much scores vary between random draws;
they say nothing about how well the method describes the game.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from promptlight.salience.ablation.coalitions import (
    draw_halves,
    draw_orders,
    draw_pairs,
    draw_sizes_evenly,
    enumerate_all,
    join_in_order,
    kernel_weights,
    leave_one_out,
)
from promptlight.salience.ablation.regression import fit_lasso, fit_ridge
from promptlight.salience.errors import TooFewAblationsError
from promptlight.salience.statistics import BoolArray, WideArray

ValueOf = Callable[[BoolArray], WideArray]

LIME_WIDTH = 0.25  # kernel width for cosine distances; the authors' code uses 25 for distances times 100


@dataclass(frozen=True)
class Estimate:
    """Scores [targets, S], their standard errors (None if nothing was sampled), and the values of all spans and none.

    ``n_values`` counts the coalitions that were evaluated.
    """

    scores: WideArray
    errors: WideArray | None
    full: WideArray  # [targets]
    empty: WideArray  # [targets]
    n_values: int


class Game:
    """Evaluates each coalition once and caches its value; starts with all spans and none."""

    def __init__(self, value_of: ValueOf, sources: BoolArray) -> None:
        self.sources = sources
        self.n_spans = sources.shape[1]
        self._value_of = value_of
        self._known: dict[bytes, WideArray] = {}
        ends = np.stack([np.ones(self.n_spans, dtype=np.bool_), np.zeros(self.n_spans, dtype=np.bool_)])
        self.full, self.empty = self.values(ends)

    def values(self, kept: BoolArray) -> WideArray:
        """[n, S] -> [n, targets]."""
        keys = [row.tobytes() for row in np.packbits(kept, axis=1)]
        new = {key: row for key, row in zip(keys, kept, strict=True) if key not in self._known}
        if new:
            self._known.update(zip(new, self._value_of(np.stack(list(new.values()))), strict=True))
        return np.stack([self._known[key] for key in keys])

    def groups(self) -> Iterator[tuple[list[int], list[int]]]:
        """Group targets that have the same sources, and give those sources; targets without sources are left out."""
        patterns, numbers = np.unique(self.sources, axis=0, return_inverse=True)
        for number, pattern in enumerate(patterns):
            if pattern.any():
                yield np.flatnonzero(numbers.ravel() == number).tolist(), np.flatnonzero(pattern).tolist()

    def estimate(self, scores: WideArray, errors: WideArray | None) -> Estimate:
        """Make the result for these scores [targets, S]."""
        scores = np.where(self.sources, scores, 0)
        errors = None if errors is None else np.where(self.sources, errors, 0)
        return Estimate(scores, errors, self.full, self.empty, len(self._known))


def estimate_occlusion(game: Game) -> Estimate:
    """The value lost when one span is removed: v(all) - v(all but s) (Zeiler and Fergus, arXiv:1311.2901)."""
    return game.estimate((game.full - game.values(leave_one_out(game.n_spans))).T, None)


def estimate_lime(game: Game, n_ablations: int, stream: np.random.Generator, *, ridge: float = 1.0) -> Estimate:
    """LIME (Ribeiro et al., arXiv:1602.04938), with the choices of its authors' code for text.

    1 to S spans are removed at random. A coalition that keeps the share k of a target's sources has weight
    sqrt(exp(-(1 - sqrt(k))**2 / 0.25**2)). The scores are the coefficients of a ridge regression (penalty ``ridge``,
    none on the intercept) of the values, including the value of all spans.
    """
    n_spans = game.n_spans
    kept = np.concatenate([np.ones((1, n_spans), dtype=np.bool_), draw_sizes_evenly(n_ablations, n_spans, stream)])
    values = game.values(kept)
    scores, errors = np.zeros(game.sources.shape), np.zeros(game.sources.shape)
    for rows, columns in game.groups():
        design = kept[:, columns].astype(np.float64)
        distance = 1 - np.sqrt(design.mean(axis=1))
        weights = np.exp(-(distance**2) / LIME_WIDTH**2 / 2)
        design = np.concatenate([np.ones((len(design), 1)), design], axis=1)
        penalty = np.full(design.shape[1], ridge)
        penalty[0] = 1e-9
        found, covariance = fit_ridge(design, values[:, rows], weights, penalty)
        scores[np.ix_(rows, columns)] = found[1:].T
        errors[np.ix_(rows, columns)] = np.sqrt(np.einsum("jjt->tj", covariance))[:, 1:]
    return game.estimate(scores, errors)


def estimate_surrogate(game: Game, n_ablations: int, stream: np.random.Generator, penalty: WideArray) -> Estimate:
    """ContextCite (Cohen-Wang et al., arXiv:2409.00729): a sparse linear model of the values of random coalitions.

    Each span is kept with probability 1/2; the scores are the coefficients of a lasso, with a ``penalty`` [targets].
    """
    kept = draw_halves(n_ablations, game.n_spans, stream)
    scores, errors = fit_lasso(kept.astype(np.float64), game.values(kept), penalty, game.sources, stream)
    return game.estimate(scores, errors)


def estimate_shapley_by_kernel(game: Game, n_ablations: int, stream: np.random.Generator) -> Estimate:
    """Kernel SHAP (Lundberg and Lee, arXiv:1705.07874) with paired sampling (Covert and Lee, arXiv:2012.01536).

    Least squares over coalitions drawn from the Shapley kernel, with scores constrained to add up to v(all) - v(none).
    If there are at most ``n_ablations`` coalitions, all are used and the result is exact. Raises TooFewAblationsError
    if there are too few ablations for the regression.
    """
    if _can_enumerate(game, n_ablations):
        return enumerate_shapley(game)
    n_spans, n_pairs = game.n_spans, n_ablations // 2
    if n_ablations < 4 * n_spans:
        raise TooFewAblationsError(
            f"expected at least {4 * n_spans} ablations, four for each of {n_spans} source spans, found {n_ablations}:"
            " ask for more, cut the sources more coarsely, or sample orders"
        )
    kept = draw_pairs(n_pairs, n_spans, stream)
    values = game.values(kept)
    scores, errors = np.zeros(game.sources.shape), np.zeros(game.sources.shape)
    for rows, columns in game.groups():
        worth = (game.full - game.empty)[rows]
        even = np.repeat(worth[:, None] / len(columns), len(columns), axis=1)
        scores[np.ix_(rows, columns)] = even
        if len(columns) > 1:  # fit the deviations from an even split, which add up to zero
            basis = sum_zero_basis(len(columns))
            part = kept[:, columns].astype(np.float64)
            weights = kernel_weights(kept, columns)
            _check_rank((part @ basis)[weights > 0], n_ablations)
            left = values[:, rows] - game.empty[rows] - part @ even.T
            found, covariance = fit_ridge(part @ basis, left, weights, np.full(len(columns) - 1, 1e-9), together=2)
            scores[np.ix_(rows, columns)] += (basis @ found).T
            errors[np.ix_(rows, columns)] = np.sqrt(np.einsum("sj,jkt,sk->ts", basis, covariance, basis))
    return game.estimate(scores, errors)


def estimate_shapley_by_orders(game: Game, n_ablations: int, stream: np.random.Generator) -> Estimate:
    """Shapley values as means over random orders in which spans join (Castro et al. 2009).

    A span's score is the mean of what it adds to the spans before it; the standard error is that of the mean. If there
    are at most ``n_ablations`` coalitions, all are used and the result is exact. Raises TooFewAblationsError if the
    ablations do not suffice for two orders.
    """
    if _can_enumerate(game, n_ablations):
        return enumerate_shapley(game)
    n_orders = n_ablations // (game.n_spans - 1)  # the values of all spans and of none are known
    if n_orders < 2:
        raise TooFewAblationsError(
            f"expected at least {2 * game.n_spans - 2} ablations to follow two orders of {game.n_spans} source spans,"
            f" found {n_ablations}: ask for more, or cut the sources more coarsely"
        )
    orders = draw_orders(n_orders, game.n_spans, stream)
    values = game.values(np.concatenate([join_in_order(order) for order in orders]))
    steps = np.diff(values.reshape(n_orders, game.n_spans + 1, -1), axis=1)  # [orders, S, targets]
    added = np.empty_like(steps)
    np.put_along_axis(added, orders[:, :, None], steps, axis=1)
    return game.estimate(added.mean(axis=0).T, added.std(axis=0, ddof=1).T / math.sqrt(n_orders))


def _check_rank(design: WideArray, n_ablations: int) -> None:
    """Raise TooFewAblationsError if the coalitions can't tell some spans apart: their scores would be arbitrary."""
    if np.linalg.matrix_rank(design) < design.shape[1]:
        raise TooFewAblationsError(
            f"{n_ablations} ablations happen to leave some source spans undistinguished: ask for more, or use another"
            " seed"
        )


def _can_enumerate(game: Game, n_ablations: int) -> bool:
    """Whether there are at most ``n_ablations`` coalitions, not counting all spans and none."""
    return game.n_spans < 2 or (game.n_spans < 60 and 2**game.n_spans - 2 <= n_ablations)


def enumerate_shapley(game: Game) -> Estimate:
    """Exact Shapley values: a coalition of k spans without s has weight k! (S - k - 1)! / S! in the score of s."""
    n_spans = game.n_spans
    kept = enumerate_all(n_spans)
    values = game.values(kept)
    chances = np.array([1 / (n_spans * math.comb(n_spans - 1, size)) for size in range(n_spans)])
    scores = np.zeros((n_spans, values.shape[1]))
    for span in range(n_spans):
        without = np.flatnonzero(~kept[:, span])
        gains = values[without + (1 << span)] - values[without]
        scores[span] = chances[kept[without].sum(axis=1)] @ gains
    return game.estimate(scores.T, np.zeros(game.sources.shape))


def sum_zero_basis(n: int) -> WideArray:
    """Orthonormal columns [n, n - 1] that each add up to zero (Helmert's)."""
    below = np.tril(np.ones((n, n)), -1)[:, : n - 1]
    basis = np.eye(n)[:, : n - 1] - below / np.arange(n - 1, 0, -1)
    return basis / np.linalg.norm(basis, axis=0)
