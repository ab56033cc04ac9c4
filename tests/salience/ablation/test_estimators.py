"""Estimators on games whose answers are known: linear ones, and games with few enough spans to follow every order."""

# pyright: standard

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from promptlight.salience.ablation.coalitions import (
    draw_pairs,
    draw_sizes_evenly,
    enumerate_all,
    kernel_weights,
    start_stream,
)
from promptlight.salience.ablation.estimators import (
    Estimate,
    Game,
    ValueOf,
    enumerate_shapley,
    estimate_lime,
    estimate_occlusion,
    estimate_shapley_by_kernel,
    estimate_shapley_by_orders,
    estimate_surrogate,
    sum_zero_basis,
)
from promptlight.salience.errors import TooFewAblationsError
from promptlight.salience.statistics import WideArray

EVERY_SOURCE = np.ones((2, 7), dtype=bool)
SOME_SOURCES = np.array([[1, 1, 1, 1, 0, 0, 0], [1, 1, 1, 1, 1, 1, 1]], dtype=bool)
Estimator = Callable[[Game, int, np.random.Generator], Estimate]
SAMPLED: dict[str, Estimator] = {
    "kernel": estimate_shapley_by_kernel,
    "orders": estimate_shapley_by_orders,
    "lime": lambda game, n, stream: estimate_lime(game, n, stream, ridge=1e-9),
    "surrogate": lambda game, n, stream: estimate_surrogate(game, n, stream, np.zeros(2)),
}


def linear(coefficients: WideArray, start: float = -3.0) -> ValueOf:
    return lambda kept: start + kept.astype(np.float64) @ coefficients.T


def crooked(sources: np.ndarray) -> ValueOf:
    """Two games with products of spans in them, which see a target's sources only."""

    def value_of(kept: np.ndarray) -> np.ndarray:
        a, b = (np.where(pattern, kept, True).astype(float) for pattern in sources)
        first = 2 * a[:, 0] - 3 * a[:, 1] * a[:, 2] + np.maximum(a[:, 3], a[:, 0]) + a[:, 0] * a[:, 1] * a[:, 3]
        second = np.tanh(b.sum(axis=1) - 3) + 4 * b[:, 6] * b[:, 1] - b[:, 5] * (1 - b[:, 4])
        return np.stack([first, second], axis=1)

    return value_of


def shapley_of(value_of: ValueOf, target: int, sources: np.ndarray) -> list[float]:
    """What each span adds, over every order in which a target's sources can join."""
    players = np.flatnonzero(sources[target]).tolist()
    gains = {player: [] for player in players}
    worth = {
        subset: float(value_of(np.isin(np.arange(sources.shape[1]), subset)[None])[0, target])
        for size in range(len(players) + 1)
        for subset in itertools.combinations(players, size)
    }
    for order in itertools.permutations(players):
        for place, player in enumerate(order):
            before = tuple(sorted(order[:place]))
            gains[player].append(worth[tuple(sorted((*before, player)))] - worth[before])
    return [math.fsum(gains[span]) / len(gains[span]) if span in gains else 0.0 for span in range(sources.shape[1])]


@pytest.mark.parametrize("name", SAMPLED)
@pytest.mark.parametrize("sources", [EVERY_SOURCE, SOME_SOURCES], ids=["every", "some"])
def test_a_linear_game_gives_its_coefficients(name: str, sources: np.ndarray) -> None:
    coefficients = np.random.default_rng(1).normal(size=(2, 7)) * sources
    estimate = SAMPLED[name](Game(linear(coefficients), sources), 90, start_stream(0, "p"))
    np.testing.assert_allclose(estimate.scores, coefficients, atol=1e-5)
    assert estimate.errors is not None
    assert estimate.errors.max() < 1e-4


def test_occlusion_of_a_linear_game_gives_its_coefficients_with_one_value_a_span() -> None:
    coefficients = np.random.default_rng(1).normal(size=(2, 7)) * SOME_SOURCES
    estimate = estimate_occlusion(Game(linear(coefficients), SOME_SOURCES))
    np.testing.assert_allclose(estimate.scores, coefficients, atol=1e-12)
    assert estimate.errors is None
    assert estimate.n_values == 7 + 2
    np.testing.assert_allclose(estimate.empty, -3)
    np.testing.assert_allclose(estimate.full, -3 + coefficients.sum(axis=1))


def test_occlusion_is_what_removing_one_span_alone_costs() -> None:
    """2 a0 - 3 a1 a2 + max(a3, a0) + a0 a1 a3 by hand; the last two spans are no sources of the first target."""
    estimate = estimate_occlusion(Game(crooked(SOME_SOURCES), SOME_SOURCES))
    np.testing.assert_allclose(estimate.scores[0], [3, -2, -3, 1, 0, 0, 0])


@pytest.mark.parametrize("sources", [EVERY_SOURCE, SOME_SOURCES], ids=["every", "some"])
def test_all_coalitions_give_the_mean_over_all_orders(sources: np.ndarray) -> None:
    value_of = crooked(sources)
    expected = [shapley_of(value_of, target, sources) for target in (0, 1)]
    for estimate in (
        enumerate_shapley(Game(value_of, sources)),
        estimate_shapley_by_kernel(Game(value_of, sources), 126, start_stream(0, "p")),
        estimate_shapley_by_orders(Game(value_of, sources), 126, start_stream(0, "p")),
    ):
        np.testing.assert_allclose(estimate.scores, expected, atol=1e-12)
        assert estimate.n_values == 128
        assert estimate.errors is not None
        assert not estimate.errors.any()


@pytest.mark.parametrize("name", ["kernel", "orders"])
@pytest.mark.parametrize("n_ablations", [30, 100])
def test_shapley_scores_add_up_to_all_minus_none(name: str, n_ablations: int) -> None:
    for sources in (EVERY_SOURCE, SOME_SOURCES):
        estimate = SAMPLED[name](Game(crooked(sources), sources), n_ablations, start_stream(3, "p"))
        np.testing.assert_allclose(estimate.scores.sum(axis=1), estimate.full - estimate.empty, atol=1e-7)
        assert estimate.n_values <= n_ablations + 2


@pytest.mark.parametrize("name", ["kernel", "orders"])
@pytest.mark.parametrize("sources", [EVERY_SOURCE, SOME_SOURCES], ids=["every", "some"])
def test_sampled_shapley_values_scatter_around_the_exact_ones_as_their_errors_say(
    name: str, sources: np.ndarray
) -> None:
    value_of = crooked(sources)
    expected = np.array([shapley_of(value_of, target, sources) for target in (0, 1)])
    game = Game(value_of, sources)  # shared: values are computed once
    estimates = [SAMPLED[name](game, 110, start_stream(seed, "p")) for seed in range(300)]
    assert_errors_are_right(estimates, expected)


def assert_errors_are_right(estimates: list[Estimate], expected: np.ndarray) -> None:
    """No bias that 300 runs could see, and standard errors within a fifth of the scatter, in the mean of squares."""
    scores = np.stack([estimate.scores for estimate in estimates])
    errors = np.stack([estimate.errors for estimate in estimates if estimate.errors is not None])
    scatter = scores.std(axis=0, ddof=1)
    drawn = scatter > 1e-6
    assert drawn.sum() >= 4
    z = (scores.mean(axis=0) - expected)[drawn] / (scatter[drawn] / math.sqrt(len(scores)))
    assert np.abs(z).max() < 4
    ratio = np.sqrt((errors**2).mean(axis=0))[drawn] / scatter[drawn]
    assert (ratio > 0.8).all(), ratio
    assert (ratio < 1.3).all(), ratio
    within = (np.abs(scores - expected) < 1.96 * errors)[:, drawn].mean()
    assert 0.9 < within < 0.99


@pytest.mark.parametrize("name", ["lime", "surrogate"])
def test_errors_of_fits_say_how_scores_scatter_from_draw_to_draw(name: str) -> None:
    """Their expectation is the fit to very many ablations."""
    game = Game(crooked(EVERY_SOURCE), EVERY_SOURCE)
    n, ridge, penalty = 120, 1e-6, np.full(2, 1e-4)
    run: Estimator = {
        "lime": lambda game, n, stream: estimate_lime(game, n, stream, ridge=ridge),
        "surrogate": lambda game, n, stream: estimate_surrogate(game, n, stream, penalty),
    }[name]
    limit = run(game, 40_000 if name == "lime" else 20_000, start_stream(-1, "p")).scores
    estimates = [run(game, n, start_stream(seed, "p")) for seed in range(150)]
    scores = np.stack([estimate.scores for estimate in estimates])
    errors = np.stack([estimate.errors for estimate in estimates if estimate.errors is not None])
    ratio = np.sqrt((errors**2).mean(axis=0)) / scores.std(axis=0, ddof=1)
    assert 0.8 < ratio.min() < ratio.max() < 1.35, ratio
    within = (np.abs(scores - limit) < 1.96 * errors).mean()
    assert 0.89 < within < 0.99


@pytest.mark.parametrize("target", [0, 1])
def test_lime_is_the_ridge_of_its_authors_weights(target: int) -> None:
    """Texts with the share k of a target's sources weigh sqrt(exp(-d^2 / 25^2)), d = 100 (1 - sqrt(k))."""
    asked: list[np.ndarray] = []

    def value_of(kept: np.ndarray) -> np.ndarray:
        asked.extend(kept)
        return crooked(SOME_SOURCES)(kept)

    # 40 draws of 127 coalitions: each that was drawn twice has to count twice, so every draw is replayed
    estimate = estimate_lime(Game(value_of, SOME_SOURCES), 40, start_stream(5, "p"), ridge=1.0)
    drawn = np.concatenate([np.ones((1, 7), dtype=bool), draw_sizes_evenly(40, 7, start_stream(5, "p"))])
    assert {row.tobytes() for row in drawn} <= {row.tobytes() for row in asked}
    columns = np.flatnonzero(SOME_SOURCES[target])
    rows, wanted = [], []
    for kept in drawn:
        distance = 100 * (1 - math.sqrt(kept[columns].sum() / len(columns)))
        root = math.sqrt(math.sqrt(math.exp(-(distance**2) / 25**2)))
        rows.append([root, *(root * kept[columns])])
        wanted.append(root * crooked(SOME_SOURCES)(kept[None])[0, target])
    for place in range(len(columns)):  # the penalty of 1, on all but the intercept
        rows.append([0.0, *(float(place == other) for other in range(len(columns)))])
        wanted.append(0.0)
    expected = np.linalg.lstsq(np.array(rows), np.array(wanted))[0][1:]
    np.testing.assert_allclose(estimate.scores[target, columns], expected, atol=1e-6)


def test_one_span_and_two_spans_have_the_obvious_shapley_values() -> None:
    alone = estimate_shapley_by_kernel(
        Game(linear(np.array([[2.0]])), np.ones((1, 1), dtype=bool)), 1, start_stream(0, "p")
    )
    np.testing.assert_allclose(alone.scores, [[2.0]])
    both = estimate_shapley_by_orders(
        Game(lambda kept: 5.0 * (kept[:, :1] & kept[:, 1:]).astype(np.float64), np.ones((1, 2), dtype=bool)),
        2,
        start_stream(0, "p"),
    )
    np.testing.assert_allclose(both.scores, [[2.5, 2.5]])


@pytest.mark.parametrize("name", SAMPLED)
def test_the_seed_and_the_prompts_id_decide_what_is_drawn(name: str) -> None:
    def scores(seed: int, id: str) -> Any:
        return SAMPLED[name](Game(crooked(EVERY_SOURCE), EVERY_SOURCE), 60, start_stream(seed, id)).scores

    np.testing.assert_array_equal(scores(1, "a"), scores(1, "a"))
    assert not np.allclose(scores(1, "a"), scores(2, "a"), atol=1e-6)
    assert not np.allclose(scores(1, "a"), scores(1, "b"), atol=1e-6)


def test_too_few_ablations_are_refused_with_the_number_that_is_needed() -> None:
    with pytest.raises(TooFewAblationsError, match=r"at least 28 ablations.*7 source spans, found 27"):
        estimate_shapley_by_kernel(Game(crooked(EVERY_SOURCE), EVERY_SOURCE), 27, start_stream(0, "p"))
    with pytest.raises(TooFewAblationsError, match=r"at least 12 ablations.*7 source spans, found 11"):
        estimate_shapley_by_orders(Game(crooked(EVERY_SOURCE), EVERY_SOURCE), 11, start_stream(0, "p"))


def test_no_coalition_is_valued_twice() -> None:
    asked: list[bytes] = []

    def value_of(kept: np.ndarray) -> np.ndarray:
        asked.extend(row.tobytes() for row in kept)
        return crooked(EVERY_SOURCE)(kept)

    estimate = estimate_shapley_by_orders(Game(value_of, EVERY_SOURCE), 60, start_stream(0, "p"))
    assert len(asked) == len(set(asked)) == estimate.n_values


# What is drawn


def test_pairs_follow_the_shapley_kernel_and_complement_each_other() -> None:
    kept = draw_pairs(40_000, 5, start_stream(0, "p"))
    assert (kept[::2] ^ kept[1::2]).all()
    found = np.bincount(kept.sum(axis=1), minlength=6) / len(kept)
    # (S - 1) / (C(S, k) k (S - k)) for each coalition: 1/4, 1/6, 1/6, 1/4 for the sizes, over their sum 5/6
    np.testing.assert_allclose(found, [0, 0.3, 0.2, 0.2, 0.3, 0], atol=0.01)
    np.testing.assert_allclose(kept.mean(axis=0), 0.5, atol=1e-12)


def test_weights_turn_the_kernel_of_all_spans_into_that_of_some() -> None:
    kept = draw_pairs(40_000, 6, start_stream(0, "p"))
    weights = kernel_weights(kept, [0, 2, 5])
    sizes = kept[:, [0, 2, 5]].sum(axis=1)
    found = np.bincount(sizes, weights, minlength=4)
    np.testing.assert_allclose(found / found.sum(), [0, 0.5, 0.5, 0], atol=0.01)
    assert found.sum() / len(kept) == pytest.approx(1, abs=0.02)


def test_lime_removes_each_number_of_spans_as_often() -> None:
    kept = draw_sizes_evenly(40_000, 4, start_stream(0, "p"))
    np.testing.assert_allclose(np.bincount(kept.sum(axis=1), minlength=5) / len(kept), [0.25] * 4 + [0], atol=0.01)
    np.testing.assert_allclose(kept.mean(axis=0), 0.375, atol=0.01)


def test_the_number_of_a_coalition_says_who_is_in() -> None:
    assert enumerate_all(3)[0b101].tolist() == [True, False, True]


def test_the_basis_is_orthonormal_and_adds_up_to_nothing() -> None:
    basis = sum_zero_basis(6)
    np.testing.assert_allclose(basis.T @ basis, np.eye(5), atol=1e-12)
    np.testing.assert_allclose(basis.sum(axis=0), 0, atol=1e-12)
