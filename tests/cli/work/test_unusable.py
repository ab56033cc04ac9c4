"""A record that can't be used keeps its place, however far ahead the prompts are read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

import pytest

from promptlight.cli.work._unusable import Result, analyze_in_place
from promptlight.salience.errors import InputError
from promptlight.salience.types import Prompt, SetAside
from tests.support.results import analysis, set_aside

IDS = "aBcdEFgHiJ"  # those in capitals can't be used


def read(*, fails: bool = False) -> Iterator[Prompt | SetAside]:
    for id in IDS:
        yield set_aside(id) if id.isupper() else Prompt(id=id, text="x")
    if fails:
        raise InputError("prompts.jsonl", 11, "planted")


def analyze(prompts: Iterable[Prompt], n_ahead: int) -> Iterator[Result]:
    left, fault = iter(prompts), None
    while True:
        window: list[Prompt] = []
        try:
            for prompt in islice(left, n_ahead):
                window.append(prompt)
        except InputError as error:
            fault = error
        for prompt in window:
            yield set_aside(prompt.id) if prompt.id == "d" else analysis(prompt.id)
        if fault is not None:
            raise fault
        if not window:
            return


@pytest.mark.parametrize("n_ahead", [1, 2, 3, 100])
@pytest.mark.parametrize("fails", [False, True])
def test_records_that_cant_be_used_keep_their_place(n_ahead: int, fails: bool) -> None:
    stored: list[str] = []

    def store_all() -> None:
        records = read(fails=fails)
        for result in analyze_in_place(records, lambda prompts: analyze(prompts, n_ahead), lambda one: keep(one.id)):
            keep(result.id if isinstance(result, SetAside) else result.completion.prompt.id)

    def keep(id: str) -> None:
        stored.append(id)

    if fails:
        with pytest.raises(InputError, match="planted"):
            store_all()
    else:
        store_all()
    assert "".join(stored) == IDS
