"""Which results are meant, and what is said where none is."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from promptlight.io.prompts.selection import matches, parse_condition, select_results
from promptlight.salience.errors import UsageError
from promptlight.salience.types import Analysis, Prompt, SetAside, SetAsideCode
from tests.support.handmade import make_analysis, make_completion


def prompt(id: str = "a", **fields: Any) -> Prompt:
    return Prompt(id=id, text="x", label="menu", fields=fields)


def result(id: str, **fields: Any) -> Analysis:
    return make_analysis(make_completion(["x"], ["▁y"], prompt=prompt(id, **fields)))


BROKEN = SetAside(id="broken", path="p.jsonl", line=2, code=SetAsideCode.UNUSABLE, reason="no prompt in it")


@pytest.mark.parametrize(
    ("text", "pair"), [("a=b", ("a", "b")), ("a=", ("a", "")), ("a=b=c", ("a", "b=c")), (" a =b ", ("a", "b "))]
)
def test_a_condition_is_a_name_and_all_behind_its_equals_sign(text: str, pair: tuple[str, str]) -> None:
    assert parse_condition(text) == pair


@pytest.mark.parametrize("text", ["", "a", "=b", " =b"])
def test_what_names_nothing_is_no_condition(text: str) -> None:
    with pytest.raises(UsageError, match="expected a condition such as source=fewshot-mistake, found"):
        parse_condition(text)


@pytest.mark.parametrize(
    ("ids", "conditions", "expected"),
    [
        ([], [], True),
        (["a"], [], True),
        (["b"], [], False),
        (["b", "a"], [("source", "menu")], True),
        (["a"], [("source", "men")], False),
        ([], [("id", "a"), ("n", "3")], True),
        ([], [("n", "3.0")], False),
        ([], [("nothing", "None")], False),
        ([], [("nothing", "")], False),
        ([], [("text", "x")], False),
        ([], [("meta.kind", "soup"), ("meta.tags.1", "hot"), ("meta.deep", '{"a": 1}')], True),
        ([], [("meta.kind", "cake")], False),
        ([], [("meta.tags.2", "hot")], False),
        ([], [("meta.tags.-1", "hot")], False),
        ([], [("meta.none", "null")], False),
        ([], [("a.b", "whole")], True),
    ],
)
def test_ids_are_alternatives_and_conditions_hold_all_at_once(
    ids: list[str], conditions: list[tuple[str, str]], expected: bool
) -> None:
    meta = {"kind": "soup", "tags": ["mild", "hot"], "deep": {"a": 1}, "none": None}
    dotted: dict[str, Any] = {"a.b": "whole", "a": {"b": "part"}}
    record = prompt("a", n=3, nothing=None, source="not this one", meta=meta, **dotted)
    assert matches(record, ids, conditions) is expected


def test_results_come_in_their_order_without_those_skipped() -> None:
    results = [result("a", n=1), BROKEN, result("b", n=2), result("c", n=1)]
    assert [one.completion.prompt.id for one in select_results(results, [], [])] == ["a", "b", "c"]
    assert [one.completion.prompt.id for one in select_results(results, ["c", "a"], [])] == ["a", "c"]
    assert [one.completion.prompt.id for one in select_results(results, [], [("n", "1")])] == ["a", "c"]
    assert list(select_results([], [], [])) == []


@pytest.mark.parametrize(
    ("ids", "conditions", "says"),
    [
        (["z"], [], "expected results with id=z, found none; id could be 0, 1, 2, 3, 4, 5, 6, 7, ..."),
        (
            ["y", "z"],
            [("n", "9")],
            "with id=y or id=z and n=9, found none; id could be 0, 1, 2, 3, 4, 5, 6, 7, ...; n ",
        ),
        ([], [("n", "9")], "expected results with n=9, found none; n could be 0, 1, 2"),
        ([], [("m", "9")], "found none; no result has a field 'm': it could be n, long, id, source"),
        ([], [("long", "9")], f"long could be {'x' * 39}…"),
        (["broken"], [], "found none; broken was skipped: no prompt in it; id could be 0, 1"),
    ],
)
def test_where_nothing_matches_it_is_said_what_there_is(
    ids: list[str], conditions: list[tuple[str, str]], says: str
) -> None:
    results = [*(result(str(number), n=number % 3, long="x" * 50) for number in range(10)), BROKEN]
    with pytest.raises(UsageError) as refused:
        list(select_results(results, ids, conditions))
    assert says in str(refused.value)


def test_a_folder_without_results_has_no_fields_either() -> None:
    with pytest.raises(UsageError, match="no result has a field 'n': it could be none, as there are no results"):
        list(select_results([dataclasses.replace(BROKEN)], [], [("n", "1")]))
