"""Which name was meant."""

from __future__ import annotations

import pytest

from promptlight.salience.text.spelling import MOST_NAMES, suggest


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("lnie", "line"),
        ("sections", "section"),
        ("LINE", "line"),
        ("dishmistake", "Dish-Mistake"),
        ("se", "section"),
        ("s", None),
        ("qqq", None),
    ],
)
def test_a_name_like_it_is_suggested_as_it_is_spelt(typed: str, meant: str | None) -> None:
    hint = suggest(typed, ["word", "line", "section", "Dish-Mistake"])
    assert hint == (f"; did you mean {meant}?" if meant else "")


def test_only_so_many_names_are_looked_at() -> None:
    names = [f"{number}" * 3 for number in range(100_000, 100_000 + MOST_NAMES)]
    assert suggest("meant", [*names, "meant"]) == ""
    assert suggest("meant", ["meant", *names]) == "; did you mean meant?"
