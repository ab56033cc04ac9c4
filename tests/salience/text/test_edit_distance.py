"""Levenshtein's distance, against the table that a textbook fills in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptlight.salience.text.edit_distance import find_distance


@pytest.mark.parametrize(
    ("one", "other", "distance"),
    [
        ("", "", 0),
        ("", "abc", 3),
        ("abc", "", 3),
        ("kitten", "sitting", 3),
        ("Recommendation: Avoid.", "Recommendation: Avoid.", 0),
        ("you", "You", 1),
        ("別吃", "請吃蛋", 2),
        ("a" * 200, "a" * 100 + "b" + "a" * 100, 1),  # wider than a machine's word
    ],
)
def test_known_distances(one: str, other: str, distance: int) -> None:
    assert find_distance(one, other) == distance


@given(st.text("ab é", max_size=70), st.text("abcé", max_size=70))
def test_it_is_the_last_cell_of_the_table(one: str, other: str) -> None:
    row = list(range(len(other) + 1))
    for number, left in enumerate(one, 1):
        above, row = row, [number]
        for place, right in enumerate(other, 1):
            row.append(min(above[place] + 1, row[-1] + 1, above[place - 1] + (left != right)))
    assert find_distance(one, other) == row[-1]
