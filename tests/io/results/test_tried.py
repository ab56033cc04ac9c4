"""What was tried beside a run: how its rows and folders are told apart from the run's own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from promptlight.io.results.reader import find_result, read_results
from promptlight.io.results.tried import (
    Try,
    describe_question,
    describe_try,
    find_tried_folders,
    is_tried,
    name_tried_folder,
    read_try,
)
from promptlight.salience.types import Analysis, Prompt
from tests.support.results import SETTINGS, analysis, ids_of, open_writer, tried, write

FIRST = Try(parent="a", tried="2026-11-27T18:30:05Z", note="without eggs", author="Ada")


def test_a_tried_prompt_says_how_it_came_about_once_it_was_stored(tmp_path: Path):
    write(tmp_path, analysis("a"), tried("a~1", FIRST), tried("new~1", replace(FIRST, parent=None, note="", author="")))
    found = [one for one in read_results(tmp_path) if isinstance(one, Analysis)]
    assert [describe_try(one.completion.prompt) for one in found] == [
        None,
        FIRST,
        Try(parent=None, tried="2026-11-27T18:30:05Z"),
    ]
    assert [is_tried(one) for one in found] == [False, True, True]


@pytest.mark.parametrize(
    ("label", "fields"),
    [
        ("tried", {}),
        ("menu", FIRST.describe()),
        (None, FIRST.describe()),
        ("tried", {"parent": "a"}),
        ("tried", {"tried": FIRST.tried}),
        ("tried", {"parent": "a", "tried": "yesterday"}),
        ("tried", {"parent": "a", "tried": 3}),
    ],
)
def test_a_record_of_the_runs_own_is_not_taken_for_one_that_was_tried(label: str | None, fields: dict[str, object]):
    assert read_try(label, fields) is None
    assert describe_try(Prompt(id="a", text="", label=label, fields=fields)) is None


def test_folders_asked_otherwise_are_listed_by_name_if_they_hold_results(tmp_path: Path):
    write(tmp_path, analysis("a"))
    assert find_tried_folders(tmp_path) == ()
    for name in ("z", "b"):
        write(tmp_path / "_tried" / name, analysis("a"))
    (tmp_path / "_tried" / "empty").mkdir()
    (tmp_path / "_tried" / "notes.txt").write_text("x")
    assert [folder.name for folder in find_tried_folders(tmp_path)] == ["b", "z"]
    assert ids_of(tmp_path) == ["a"]


def test_no_results_folder_has_nothing_that_was_tried(tmp_path: Path):
    assert find_tried_folders(tmp_path / "missing") == ()


def test_a_folders_name_tells_all_its_settings_apart_and_is_a_plain_one():
    first = name_tried_folder(SETTINGS)
    assert first.startswith("grad_l2-logprob-")
    assert first == name_tried_folder(dict(reversed(SETTINGS.items())))
    assert first != name_tried_folder(SETTINGS | {"foil": "../../etc"})
    assert name_tried_folder(SETTINGS | {"objective": "../x"}).count("/") == 0


def test_a_question_is_described_in_the_users_words():
    assert describe_question(SETTINGS, SETTINGS) == "grad_l2, logprob"
    otherwise = SETTINGS | {"methods": ["occlusion"], "objective": "margin", "samples": 8}
    assert describe_question(otherwise, SETTINGS) == "occlusion, margin"
    assert describe_question(SETTINGS | {"foil": "Avoid."}, SETTINGS) == "grad_l2 against “Avoid.”"


def test_another_model_and_another_way_to_write_are_named():
    other = SETTINGS | {"model": "/home/ada/gemma.gguf", "file_sha256": "ab", "max_new_tokens": 8, "stop": ["\n"]}
    asked = 'grad_l2, logprob, by gemma.gguf, max_new_tokens 8, stop ["\\n"]'
    assert describe_question(other, SETTINGS) == asked
    assert describe_question(SETTINGS | {"dtype": "bfloat16"}, SETTINGS) == "grad_l2, logprob, by tiny"


def test_a_folder_that_has_only_what_was_tried_left_is_still_ours(tmp_path: Path):
    write(tmp_path / "_tried" / "b", analysis("a"))
    with open_writer(tmp_path) as writer:
        writer.add(analysis("a"))
    assert find_result(tmp_path, id="a")
