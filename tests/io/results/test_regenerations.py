"""What changes an answer is kept next to the results, prompt by prompt."""

# pyright: standard

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from promptlight.io.results.regenerations import (
    REGENERATED,
    RegenerationStore,
    judgement_schema,
    read_regenerated,
    regeneration_schema,
)
from promptlight.salience.errors import OutputError
from promptlight.salience.explain.explanation import Question
from promptlight.salience.regeneration.judging import judge_method
from promptlight.salience.regeneration.prompt_causes import PromptCauses
from tests.support.causes import make_causes
from tests.support.results import analysis, write


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path / "out", analysis("one"))


def test_causes_come_back_as_they_were_kept(folder: Path) -> None:
    found = replace(make_causes([True, False, False], id="one"), fingerprint="print", label="menu")
    store = RegenerationStore(folder, {"by": "line"})
    store.add(found.to_rows())
    assert store.flush() == folder / REGENERATED
    assert PromptCauses.from_rows(read_regenerated(folder)["one"]) == found
    again = RegenerationStore(folder, {"by": "line"})
    assert PromptCauses.from_rows(again.find_prompt("one", "print")) == found
    assert again.find_prompt("one", "another") == []
    assert again.find_prompt("two", "print") == []
    for other in (RegenerationStore(folder, {"by": "word"}), RegenerationStore(folder, {"by": "line"}, anew=True)):
        assert other.find_prompt("one", "print") == []


def test_a_record_that_changed_leaves_no_rows_of_before(folder: Path) -> None:
    store = RegenerationStore(folder, {})
    store.add(replace(make_causes([True, False, False], id="one"), fingerprint="old").to_rows())
    store.add(replace(make_causes([True, False], id="one"), fingerprint="new").to_rows())
    store.flush()
    assert [(row["fingerprint"], row["number"]) for row in read_regenerated(folder)["one"]] == [("new", 1), ("new", 2)]


def test_without_a_file_nothing_is_known_and_a_damaged_one_is_named(folder: Path) -> None:
    assert dict(read_regenerated(folder)) == {}
    (folder / REGENERATED).parent.mkdir()
    (folder / REGENERATED).write_bytes(b"PAR1 not really")
    with pytest.raises(OutputError, match="delete it and let the model write again"):
        read_regenerated(folder)


def test_rows_have_the_columns_that_the_docs_list() -> None:
    causes = make_causes([True], first=1)
    assert sorted(causes.to_rows()[0]) == sorted(regeneration_schema().names)
    judged = judge_method(analysis("one"), Question(target="1"), causes)
    assert sorted(judged.to_row()) == sorted(judgement_schema().names)
