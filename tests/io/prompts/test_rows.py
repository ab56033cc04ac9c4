"""Every format and packing gives the same rows; what can't be read says why."""

# pyright: standard

from __future__ import annotations

import csv
import datetime
import gzip
import json
import tracemalloc
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from promptlight.io.prompts.jsonline import LONGEST_LINE
from promptlight.io.prompts.reader import PromptReader, read_prompts
from promptlight.salience.errors import InputError
from promptlight.salience.types import Prompt, SetAside
from tests.support.prompt_files import RECORDS, prompts_of, save, summary

FILES = ("p.jsonl", "p.json", "p", "p.jsonl.gz", "p.jsonl.zst", "p.csv", "p.CSV", "p.csv.gz", "p.tsv", "p.parquet")


@pytest.mark.parametrize("name", FILES)
def test_every_format_gives_the_same_prompts(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name == "p.CSV":
        save(tmp_path / "p.csv").rename(path)
    else:
        save(path)
    reader = PromptReader(path)
    assert len(list(reader)) == 3
    assert summary(prompts_of(path)) == RECORDS
    assert all(one.path == str(path) for one in prompts_of(path))


def test_a_prompt_a_line(tmp_path: Path) -> None:
    path = tmp_path / "p.txt"
    path.write_bytes(b"\xef\xbb\xbfEat {eggs}\r\n\n  indented\ncaf\xe9\n")
    first, second, third = read_prompts(path)
    assert isinstance(first, Prompt)
    assert isinstance(second, Prompt)
    assert [(one.id, one.text, one.line) for one in (first, second)] == [
        ("p-1", "Eat {eggs}", 1),
        ("p-3", "  indented", 3),
    ]
    assert isinstance(third, SetAside)
    assert "expected UTF-8, found 0xE9" in third.reason


def test_only_the_line_end_of_a_text_line_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "p.txt"
    path.write_bytes(b"The soup is \nThe cake is\t\r\n \t\r\n\x0cweird\x0b\r\r\nlast ")
    reader = PromptReader(path)
    texts = [one.text for one in reader if isinstance(one, Prompt)]
    assert texts == ["The soup is ", "The cake is\t", "\x0cweird\x0b\r", "last "]
    assert reader.n_blank == 1


def test_a_csv_row_is_named_by_its_first_line(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text('prompt,n\n"one\ntwo",1\nthree\nfour,2,3\n,5\n', encoding="utf-8")
    one, three, four, empty = read_prompts(path)
    assert [record.line for record in (one, three, four, empty)] == [2, 4, 5, 6]
    assert isinstance(one, Prompt)
    assert isinstance(three, Prompt)
    assert (one.text, three.fields) == ("one\ntwo", {"n": None})
    assert isinstance(four, SetAside)
    assert isinstance(empty, SetAside)
    assert "found 1 more" in four.reason
    assert "found it empty" in empty.reason


def test_a_long_cell_is_read(tmp_path: Path) -> None:
    (prompt,) = prompts_of(save(tmp_path / "p.csv", [{"prompt": "x" * 200_000}]))
    assert len(prompt.text) == 200_000


def test_what_parquet_holds_becomes_json(tmp_path: Path) -> None:
    day = datetime.date(2026, 11, 24)
    records = [{"prompt": "p", "day": day, "n": 1, "x": float("nan"), "tags": [{"a": day}]}]
    (prompt,) = prompts_of(save(tmp_path / "p.parquet", records))
    assert prompt.fields == {"day": "2026-11-24", "n": 1, "x": None, "tags": [{"a": "2026-11-24"}]}
    json.dumps(prompt.fields)


@pytest.mark.parametrize(
    ("name", "content", "reason", "line"),
    [
        ("p.parquet", b"not parquet", "expected Parquet", None),
        ("p.csv", b"prompt,prompt\na,b\n", "each column once", 1),
        ("p.csv", b'prompt\n"open\n', "found it broken", 2),
        ("p.csv", b"prompt\ncaf\xff\n", "expected UTF-8, found 0xFF", 2),
        ("p.csv", b"", "no prompts in it", None),
        ("p.csv", b"prompt\n", "no prompts in it", None),
        ("p.txt", b"\n\n", "no prompts in it", None),
        ("p.jsonl.gz", b"not packed", "can't be read", None),
        ("p.jsonl.gz", gzip.compress(b'{"prompt": "p"}\n' * 9999)[:-99], "can't be read", None),
        ("p.jsonl.zst", b"not packed", "can't be read", None),
    ],
)
def test_a_broken_file_says_so(tmp_path: Path, name: str, content: bytes, reason: str, line: int | None) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=reason) as caught:
        list(read_prompts(path))
    assert (caught.value.path, caught.value.line) == (str(path), line)


@pytest.mark.parametrize("name", ["p.jsonl", "p.txt"])
def test_a_line_without_end_is_skipped_and_the_next_one_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("promptlight.io.prompts.jsonline.LONGEST_LINE", 40)
    monkeypatch.setattr("promptlight.io.prompts.files.rows.LONGEST_LINE", 40)
    line = '{"prompt": "%s"}' if name == "p.jsonl" else "%s"
    room = 40 - len(line % "")
    path = tmp_path / name
    lengths = (1, room, room + 1, room + 2, room + 3, 500, 1)
    path.write_text("\r\n".join(line % ("x" * length) for length in lengths), encoding="utf-8", newline="")
    records = list(PromptReader(path))
    assert [record.line for record in records] == [1, 2, 3, 4, 5, 6, 7]
    assert [len(record.text) for record in records if isinstance(record, Prompt)] == [1, room, 1]
    assert {record.reason for record in records if isinstance(record, SetAside)} == {
        "expected records of at most 40 bytes, found a longer one; put each on a line, or split it"
    }


def test_a_cell_without_end_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("promptlight.io.prompts.jsonline.LONGEST_LINE", 40)
    monkeypatch.setattr("promptlight.io.prompts.files._spreadsheets.LONGEST_LINE", 40)
    path = tmp_path / "p.csv"
    path.write_text("prompt\nok\n" + "x" * 90 + "\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"expected records of at most 40 bytes") as caught:
        list(read_prompts(path))
    assert caught.value.line == 3
    path.write_text('prompt\n"' + "x" * 30 + "\n" + "x" * 30 + '"\n', encoding="utf-8")
    with pytest.raises(InputError, match="expected cells of at most 40 characters, found a longer one; close"):
        list(read_prompts(path))


def test_reading_a_table_leaves_the_limit_of_the_csv_module_alone(tmp_path: Path) -> None:
    """It holds for the whole process: what installed packages declare is read with it, too."""
    before = csv.field_size_limit()
    path = tmp_path / "p.csv"
    path.write_text("prompt\none\ntwo\n", encoding="utf-8")
    assert [csv.field_size_limit() for _ in read_prompts(path)] == [before, before]
    path.write_text('prompt\none\n"two\n', encoding="utf-8")
    with pytest.raises(InputError, match="found it broken"):
        list(read_prompts(path))
    assert csv.field_size_limit() == before


def test_a_small_file_that_unpacks_to_much_takes_no_more_memory_than_a_few_lines(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl.gz"
    packed = gzip.compress(b"x" * 2**20)  # a MiB
    with path.open("wb") as file:
        file.write(gzip.compress(b'{"prompt": "a"}\n'))
        file.writelines([packed] * 300)
        file.write(gzip.compress(b'\n{"prompt": "b"}\n'))
    tracemalloc.start()
    records = list(PromptReader(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [type(record) for record in records] == [Prompt, SetAside, Prompt]
    assert peak < 6 * LONGEST_LINE < 300 * 2**20


def test_a_table_with_a_column_twice_is_refused(tmp_path: Path) -> None:
    table = pa.table([pa.array(["a"]), pa.array(["b"])], names=["prompt", "prompt"])
    pq.write_table(table, tmp_path / "p.parquet")
    with pytest.raises(InputError, match="expected each column once; rename one"):
        list(read_prompts(tmp_path / "p.parquet"))


@pytest.mark.parametrize("ending", ["gz", "zst"])
def test_a_packed_file_that_is_cut_off_is_refused(tmp_path: Path, ending: str) -> None:
    path = save(tmp_path / f"p.jsonl.{ending}")
    path.write_bytes(path.read_bytes()[:-12])
    with pytest.raises(InputError, match="can't be read: Truncated compressed stream"):
        list(read_prompts(path))
