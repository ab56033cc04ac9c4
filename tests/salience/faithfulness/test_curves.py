"""Curves, areas and ranks on games with known answers: by hand, by all orders of four spans, by published examples."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from promptlight.salience.explain.direction import rank_sources
from promptlight.salience.faithfulness.curves import choose_sizes, measure_orders, take_areas
from promptlight.salience.statistics import BoolArray, WideArray, correlate_ranks, share_ranks

NO_ORDERS = np.zeros((0, 4), dtype=np.intp)


def test_areas_and_drops_of_three_spans_by_hand() -> None:
    """Worth 4, 2 and 0 on top of -6. Deleted best first: 0, -4, -6, -6; the other way: 0, 0, -2, -6."""

    def value_of(kept: BoolArray) -> WideArray:
        return kept.astype(float) @ np.array([4.0, 2.0, 0.0]) - 6

    best, worst = np.array([0, 1, 2]), np.array([2, 1, 0])
    found = measure_orders(value_of, {"best": best, "worst": worst}, worst[None])
    assert (found.full, found.empty) == (0, -6)
    assert found.orders["best"].deletion == pytest.approx((-2 - 5 - 6) / 3)
    assert found.orders["worst"].deletion == pytest.approx((0 - 1 - 4) / 3)
    assert found.orders["best"].insertion == pytest.approx((-4 - 1 - 0) / 3)  # -6, -2, 0, 0
    assert found.orders["worst"].insertion == pytest.approx((-6 - 5 - 2) / 3)  # -6, -6, -4, 0
    assert (found.orders["best"].drop_1, found.orders["best"].drop_3, found.orders["best"].drop_5) == (4, 6, None)
    assert (found.orders["worst"].drop_1, found.orders["worst"].drop_3) == (0, 6)
    assert found.count_beaten("best") == (1, 0)  # read backwards, the random order is the best itself
    assert found.count_beaten("worst") == (0, 0)
    assert found.mean_random().deletion == found.orders["worst"].deletion
    assert (found.mean_random().drop_1, found.mean_random().drop_5) == (0, None)


def test_a_random_orders_insertion_is_its_deletion_read_backwards() -> None:
    weights = np.random.default_rng(3).normal(size=(6, 6))

    def value_of(kept: BoolArray) -> WideArray:
        x = kept.astype(float)
        return np.einsum("ni,ij,nj->n", x, weights, x)

    order = np.array([3, 1, 5, 0, 2, 4])
    found = measure_orders(value_of, {"forwards": order, "backwards": order[::-1]}, order[None])
    assert found.random[0].deletion == found.orders["forwards"].deletion
    assert found.random[0].insertion == pytest.approx(found.orders["backwards"].insertion, abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_among_all_orders_of_a_linear_game_the_true_coefficients_are_the_best_and_reversed_the_worst(seed: int) -> None:
    worth = np.random.default_rng(seed).normal(size=4)
    every = {str(order): np.array(order) for order in itertools.permutations(range(4))}
    found = measure_orders(lambda kept: kept.astype(float) @ worth, every, NO_ORDERS)
    own = rank_sources(worth, signed=True)
    name, backwards = str(tuple(own.tolist())), str(tuple(own[::-1].tolist()))
    deletions = {one: figures.deletion for one, figures in found.orders.items()}
    insertions = {one: figures.insertion for one, figures in found.orders.items()}
    assert min(deletions, key=deletions.__getitem__) == max(insertions, key=insertions.__getitem__) == name
    assert max(deletions, key=deletions.__getitem__) == min(insertions, key=insertions.__getitem__) == backwards
    # by position: the i-th to go is in the curve for i + 1/2 of 4 steps
    expected = sum(worth[span] * (place + 0.5) / 4 for place, span in enumerate(own))
    assert deletions[name] == pytest.approx(expected)


def test_every_order_lies_between_the_best_and_the_worst_of_any_game() -> None:
    table = np.random.default_rng(8).normal(size=16)

    def look_up(spans: frozenset[int]) -> float:
        return float(table[sum(2**span for span in spans)])

    def value_of(kept: BoolArray) -> WideArray:
        return np.array([look_up(frozenset(np.flatnonzero(row).tolist())) for row in kept])

    def area(order: tuple[int, ...]) -> float:
        heights = [look_up(frozenset(order[k:])) for k in range(5)]
        return (heights[0] / 2 + heights[1] + heights[2] + heights[3] + heights[4] / 2) / 4

    every = list(itertools.permutations(range(4)))
    found = measure_orders(value_of, {str(order): np.array(order) for order in every}, np.array(every[:7]))
    for order in every:
        assert found.orders[str(order)].deletion == pytest.approx(area(order))
        assert found.orders[str(order)].insertion == pytest.approx(area(order[::-1]))
    best = min(every, key=area)
    assert found.count_beaten(str(best))[0] == sum(area(order) > area(best) for order in every[:7])
    assert found.count_beaten(str(max(every, key=area)))[0] == 0


def test_each_coalition_is_valued_once_and_all_together() -> None:
    asked: list[BoolArray] = []

    def value_of(kept: BoolArray) -> WideArray:
        asked.append(kept)
        return kept.sum(axis=1).astype(float)

    orders = np.array(list(itertools.permutations(range(4))))
    found = measure_orders(value_of, {"first": orders[0]}, orders)
    assert len(asked) == 1
    assert len({row.tobytes() for row in asked[0]}) == len(asked[0]) == 16
    assert found.count_beaten("first") == (0, 0)  # all alike


def test_long_texts_are_measured_at_few_points_and_always_where_the_drops_are() -> None:
    assert choose_sizes(3).tolist() == [0, 1, 2, 3]
    assert choose_sizes(1).tolist() == [0, 1]
    assert choose_sizes(10).tolist() == list(range(11))
    sizes = choose_sizes(1000, 4).tolist()
    assert sizes == [0, 1, 3, 5, 250, 500, 750, 1000]
    straight = np.array([[-0.5 * size for size in sizes]])
    assert take_areas(straight, np.array(sizes)) == pytest.approx([-250])


def test_signed_scores_go_from_most_positive_to_most_negative_others_by_size() -> None:
    assert rank_sources([1, -5, 3, 1], signed=True).tolist() == [2, 0, 3, 1]
    assert rank_sources([1, -5, 3, 1], signed=False).tolist() == [1, 2, 0, 3]


def test_ranks_of_equal_values_are_shared() -> None:
    assert share_ranks(np.array([10.0, 30, 20, 20])).tolist() == [1, 4, 2.5, 2.5]
    assert share_ranks(np.array([0.0, 2, 3, 2])).tolist() == [1, 2.5, 4, 2.5]  # scipy.stats.rankdata's example
    assert share_ranks(np.array([7.0, 7, 7])).tolist() == [2, 2, 2]


def test_rank_correlations_are_the_published_ones() -> None:
    # scipy.stats.spearmanr([1, 2, 3, 4, 5], [5, 6, 7, 8, 7]), the example of its documentation
    assert correlate_ranks([1, 2, 3, 4, 5], [5, 6, 7, 8, 7]) == pytest.approx(0.82078268166812329, abs=1e-12)
    # by hand, no ties: 1 - 6 * (1 + 1 + 4 + 1 + 1) / (5 * 24)
    assert correlate_ranks([1, 2, 3, 4, 5], [2, 1, 5, 3, 4]) == pytest.approx(1 - 6 * 8 / 120)
    # IQ and hours of television, Wikipedia's example: -29/165
    iq = [106, 86, 100, 101, 99, 103, 97, 113, 112, 110]
    hours = [7, 0, 27, 50, 28, 29, 20, 12, 6, 17]
    assert correlate_ranks(iq, hours) == pytest.approx(-29 / 165)


def test_only_the_order_matters_and_nothing_is_said_where_there_is_none() -> None:
    values = [0.1, 5.0, -3.0, 2.0]
    assert correlate_ranks(values, [math.exp(value) for value in values]) == 1
    assert correlate_ranks(values, [-value for value in values]) == -1
    assert correlate_ranks(values, [1, 1, 1, 1]) is None
    assert correlate_ranks([4.0], [2.0]) is None
