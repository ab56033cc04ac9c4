"""Whole files: what is read of them in one loop, and which records are taken."""

# pyright: standard

from __future__ import annotations

import errno
import json
import os
import tracemalloc
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from promptlight.io.prompts.reader import PromptReader, Selection, prompt_from_text, read_prompts
from promptlight.salience.errors import InputError, UsageError
from promptlight.salience.types import SetAside
from tests.support.prompt_files import GOOD, save, write


def test_one_line_is_in_memory_at_a_time(tmp_path: Path) -> None:
    line = json.dumps({"prompt": "x" * 100_000}).encode()
    path = write(tmp_path, b"\n".join([line] * 100))
    tracemalloc.start()
    try:
        n_records = sum(1 for _ in read_prompts(path))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert n_records == 100
    assert peak < 20 * len(line) < path.stat().st_size


@pytest.mark.parametrize(
    ("lines", "ids", "told"),
    [
        pytest.param(
            ['{"id": "a", "prompt": "1"}', "", '{"id": "a", "prompt": "2"}', '{"id": "a", "prompt": "3"}'],
            ["a", "prompts-3", "prompts-4"],
            {3: "'a', which line 1 has", 4: "'a', which line 1 has"},
            id="the first is kept",
        ),
        pytest.param(
            ['{"id": 5, "prompt": "1"}', '{"id": "5", "prompt": "2"}'],
            ["5", "prompts-2"],
            {2: "'5', which line 1 has"},
            id="a number is its digits",
        ),
        pytest.param(
            ['{"id": "prompts-2", "prompt": "1"}', '{"prompt": "2"}'],
            ["prompts-2", "prompts-2-2"],
            {2: "'prompts-2', which line 1 has"},
            id="an id that looks made",
        ),
        pytest.param(
            ['{"prompt": "1"}', '{"id": "prompts-1", "prompt": "2"}'],
            ["prompts-1", "prompts-2"],
            {2: "'prompts-1', which line 1 has"},
            id="an id that was made",
        ),
        pytest.param(
            ['{"id": "a", "prompt": null}', '{"id": "a", "prompt": "2"}'],
            ["a", "prompts-2"],
            {1: "found null", 2: "'a', which line 1 has"},
            id="the first is unusable",
        ),
    ],
)
def test_no_two_records_share_an_id(tmp_path: Path, lines: list[str], ids: list[str], told: dict[int, str]) -> None:
    """A results folder goes by ids, so a record that is skipped needs one that is free, too."""
    records = list(read_prompts(write(tmp_path, "\n".join(lines).encode())))
    assert [record.id for record in records] == ids
    reasons = {record.line: record.reason for record in records if isinstance(record, SetAside)}
    assert reasons.keys() == told.keys()
    for line, part in told.items():
        assert part in reasons[line]


class TestUnreadableFile:
    def test_missing(self, tmp_path: Path) -> None:
        self.expect(tmp_path / "absent.jsonl", "no such file")

    def test_folder(self, tmp_path: Path) -> None:
        self.expect(tmp_path, "found a folder")

    @pytest.mark.parametrize(
        ("code", "said"), [(errno.EACCES, "no permission"), (errno.EIO, "can't be read: Input/output error")]
    )
    def test_system_error(self, tmp_path: Path, code: int, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """Not with chmod: the tests may run as root, who may read everything."""

        def fail(path: object, mode: str) -> None:
            raise OSError(code, os.strerror(code), path)

        monkeypatch.setattr("promptlight.io.prompts.files.rows.open", fail, raising=False)
        self.expect(write(tmp_path, GOOD), said)

    @pytest.mark.parametrize("content", [b"", b"\n \r\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf\n"])
    def test_without_records(self, tmp_path: Path, content: bytes) -> None:
        self.expect(write(tmp_path, content), "no prompts in it")

    def expect(self, path: Path, said: str) -> None:
        with pytest.raises(InputError, match=said) as caught:
            list(read_prompts(path))
        assert (caught.value.path, caught.value.line) == (str(path), None)
        assert "one JSON object per line" in caught.value.reason


def test_a_pipe_is_read_more_than_once() -> None:
    """It is copied first: read once, it would be used up."""
    end_to_read, end_to_write = os.pipe()
    os.write(end_to_write, GOOD)
    os.close(end_to_write)
    reader = PromptReader(f"/dev/fd/{end_to_read}")
    try:
        assert len(list(reader.without_strictness())) == 1
        assert [record.id for record in reader] == [f"{end_to_read}-1"] == [record.id for record in reader]
    finally:
        os.close(end_to_read)


def test_prompt_from_text() -> None:
    prompt, other = prompt_from_text(" Why?\n"), prompt_from_text("Why not?")
    assert (prompt.id, prompt.text, prompt.given_completion, prompt.line) == ("prompt", " Why?\n", None, None)
    assert prompt.fingerprint != other.fingerprint


@pytest.mark.parametrize(("text", "said"), [("", "found none"), (" \n", "found none"), ("caf\udce9", "UTF-8")])
def test_prompt_from_unusable_text(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        prompt_from_text(text)


def ids_of(path: Path, **wanted: Any) -> list[str]:
    reader = PromptReader(path, selection=Selection(**wanted))
    ids = [record.id for record in reader]
    assert len(list(reader)) == len(ids)
    return ids


def test_records_are_chosen(tmp_path: Path) -> None:
    path = save(tmp_path / "p.jsonl")
    assert ids_of(path, ids=["c", "a"]) == ["a", "c"]
    assert ids_of(path, conditions=[("source", "kind")]) == ["a", "c"]
    assert ids_of(path, conditions=[("source", "kind"), ("n", "3")]) == ["c"]
    assert ids_of(path, limit=2) == ["a", "b"]
    assert ids_of(path, limit=2, conditions=[("source", "kind")]) == ["a"]
    assert ids_of(path, sample=9) == ["a", "b", "c"]


def test_a_sample_is_the_seeds_in_order_and_fair(tmp_path: Path) -> None:
    path = save(tmp_path / "p.txt", [{"prompt": str(number)} for number in range(6)])
    drawn = [tuple(ids_of(path, sample=2, seed=seed)) for seed in range(150)]
    assert drawn == [tuple(ids_of(path, sample=2, seed=seed)) for seed in range(150)]
    assert all(first < second for first, second in drawn)
    counts = pd.Series([id for pair in drawn for id in pair]).value_counts()
    assert len(counts) == 6
    assert counts.min() > 30 < counts.max() < 70  # 50 expected, with a deviation of 6


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [({"ids": ["a", "z"]}, "found no z"), ({"conditions": [("source", "none")]}, "source=none, found none")],
)
def test_what_is_asked_for_and_missing_is_said(tmp_path: Path, wanted: dict[str, Any], reason: str) -> None:
    """By one loop over the records, which has handed out all that are there."""
    found: list[str] = []
    with pytest.raises(InputError, match=reason):
        found.extend(record.id for record in PromptReader(save(tmp_path / "p.jsonl"), selection=Selection(**wanted)))
    assert found == (["a"] if "ids" in wanted else [])


def test_what_cannot_be_used_is_reported_unless_others_were_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text('{"id": "a", "prompt": "p", "source": "s"}\n{"id": "bad"}\n{"id": "b"', encoding="utf-8")
    assert ids_of(path, conditions=[("source", "s")]) == ["a", "bad", "p-3"]
    assert ids_of(path, ids=["a"]) == ["a"]
    assert ids_of(path, ids=["bad"]) == ["bad"]
