"""Rankings are judged as counting over all orders judges them."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import combinations, pairwise, permutations, product

import pytest

from promptlight.salience.regeneration.precision import judge_chance, judge_scores


def judge_order(order: Sequence[int], causes: Sequence[bool]) -> tuple[Fraction, Fraction]:
    """Whether the first part is a cause, and the average precision, counted part by part."""
    shares = [
        Fraction(sum(causes[part] for part in order[: rank + 1]), rank + 1)
        for rank, part in enumerate(order)
        if causes[part]
    ]
    return Fraction(int(causes[order[0]])), sum(shares, Fraction()) / len(shares)


def list_orders(scores: Sequence[int]) -> list[tuple[int, ...]]:
    """Every order of the parts in which no score is higher than the one before it."""
    orders = permutations(range(len(scores)))
    return [order for order in orders if all(scores[a] >= scores[b] for a, b in pairwise(order))]


def test_a_ranking_by_hand() -> None:
    found = judge_scores([3.0, 9.0, -1.0, 5.0], [True, False, False, True])  # ranks 3 and 2 of 4
    assert (found.first, found.average) == (0.0, pytest.approx((1 / 2 + 2 / 3) / 2))
    best = judge_scores([3.0, 1.0, -1.0, 5.0], [True, False, False, True])
    assert (best.first, best.average) == (1.0, 1.0)


@pytest.mark.parametrize("n_parts", [1, 2, 3, 4, 5])
def test_equal_scores_count_as_the_mean_over_all_their_orders(n_parts: int) -> None:
    for scores in product(range(3), repeat=n_parts):
        orders = list_orders(scores)
        for n_causes in range(1, n_parts + 1):
            for chosen in combinations(range(n_parts), n_causes):
                causes = [part in chosen for part in range(n_parts)]
                judged = [judge_order(order, causes) for order in orders]
                first, average = (float(sum(one, Fraction()) / len(orders)) for one in zip(*judged, strict=True))
                found = judge_scores(scores, causes)
                assert (found.first, found.average) == (pytest.approx(first), pytest.approx(average))


@pytest.mark.parametrize(("n_parts", "n_causes"), [(1, 1), (2, 1), (5, 2), (6, 1), (6, 5), (7, 7)])
def test_chance_is_the_mean_over_all_orders(n_parts: int, n_causes: int) -> None:
    causes = [part < n_causes for part in range(n_parts)]
    judged = [judge_order(order, causes) for order in permutations(range(n_parts))]
    first, average = (float(sum(one, Fraction()) / len(judged)) for one in zip(*judged, strict=True))
    found = judge_chance(causes)
    assert found.first == pytest.approx(first) == pytest.approx(n_causes / n_parts)
    assert found.average == pytest.approx(average)


def test_without_a_cause_there_is_nothing_to_judge() -> None:
    with pytest.raises(ValueError, match="at least one cause"):
        judge_scores([1.0, 2.0], [False, False])
