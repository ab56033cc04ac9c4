"""Targets by number, by text and by pattern, and what is said of those that are not there."""

from __future__ import annotations

import pytest

from promptlight.salience.errors import UsageError
from promptlight.salience.text.targets import find_target_spans
from promptlight.salience.types import Granularity
from tests.support.span_cases import build_completion, spans_of

WORD = Granularity.WORD
MENU = build_completion(
    ["<bos>", "Eat", "▁pie", "."], ["▁Buy", "▁4", "2", "▁eggs", ",", "▁milk", ".", "▁Buy", "▁tea", ".", "<eos>"]
)
WORDS = spans_of(MENU, WORD)


@pytest.mark.parametrize(
    ("choice", "chosen"),
    [
        (None, [" Buy", " 42", " eggs,", " milk.", " Buy", " tea."]),
        ("1", [" Buy"]),
        ("3", [" eggs,"]),
        ("6", [" tea."]),
        ("-1", [" tea."]),
        ("-6", [" Buy"]),
        ("gg", [" eggs,"]),
        ("eggs, milk", [" eggs,", " milk."]),
        (" milk.", [" milk."]),
        ("Buy", [" Buy"]),  # the first of two
        ("milk. B", [" milk.", " Buy"]),
        (".", [" milk."]),  # text goes before pattern
        (r"m\w+", [" milk."]),
        (r"\d+", [" 42"]),
        ("[4]2", [" 42"]),
        (r"(?i)EGGS.*K", [" eggs,", " milk."]),
        (r"x*|tea", [" tea."]),  # empty matches don't count
        (r"\.$", [" tea."]),
        (r"[[m]ilk", [" milk."]),
    ],
)
def test_chosen_targets(choice: str | None, chosen: list[str]) -> None:
    found = find_target_spans(WORDS, choice)
    assert [span.text for span in found] == chosen
    assert all(span in WORDS for span in found)


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ("0", r"from 1 to 6 \(or -1 to -6, from the end\)"),
        ("7", r"target 7: .*1 'Buy', 2 '42', 3 'eggs,'.*\[4\]2"),
        ("-7", "target -7: .*from 1 to 6"),
        ("cake", r"target 'cake': .*1 'Buy', 2 '42'.*found none"),
        ("Eat", "found none"),  # in the prompt only
        ("<eos>", "found none"),
        ("", "found none"),
        ("x*", "found none"),
        ("(", r"as a pattern it fails \(missing \)"),
        ("a{99999999999999999999}", "as a pattern it fails"),
        ("(?R)", "as a pattern it fails"),
    ],
)
def test_targets_that_are_not_there(choice: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        find_target_spans(WORDS, choice)


def test_an_empty_completion_has_no_targets() -> None:
    with pytest.raises(UsageError, match="empty"):
        find_target_spans(spans_of(build_completion(["Hi"], ["<eos>"]), WORD), None)


def test_long_and_blank_spans_are_listed_readably() -> None:
    completion = build_completion([], ["\n\n", "x" * 50, *["▁y"] * 9])
    with pytest.raises(UsageError) as caught:
        find_target_spans(spans_of(completion, WORD), "z")
    assert f"of 1 '\\n\\n', 2 '{'x' * 23}…', 3 'y', 4 'y', 5 'y', 6 'y', ...; found none" in str(caught.value)


def test_special_tokens_in_the_completion_hide_no_text() -> None:
    completion = build_completion(["a"], ["b", "<eos>", "c"])
    assert [span.text for span in find_target_spans(spans_of(completion, WORD), "bc")] == ["b", "c"]
