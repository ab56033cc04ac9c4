"""Tables as spreadsheets write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from promptlight.io.prompts.reader import PromptReader, read_prompts
from promptlight.salience.errors import InputError
from promptlight.salience.types import Prompt, SetAside
from tests.support.prompt_files import prompts_of, write


@pytest.mark.parametrize(
    ("content", "texts", "lines"),
    [
        ('id;prompt\r\n1;Is it, sweet?\r\n2;"a;b"\r\n', ["Is it, sweet?", "a;b"], [2, 3]),
        ("id\tprompt\r\n1\tIs it, sweet?\r\n", ["Is it, sweet?"], [2]),
        ('"a;b",prompt\n1,p\n', ["p"], [2]),
        ("sep=,\r\nid,prompt\r\n1,p\r\n", ["p"], [3]),
        ('"sep=|"\r\nid|prompt\r\n1|p,q;r\r\n', ["p,q;r"], [3]),
        ("id,prompt,,\n1,p,,\n,,,\n2,q\n", ["p", "q"], [2, 4]),
        ("prompt\na;b\n", ["a;b"], [2]),
        ("\n \nid;prompt\n1;p\n", ["p"], [4]),
        ("\nsep=;\nid;prompt\n1;p\n", ["p"], [4]),
        ("id,prompt\n1,p,\n2,q,,,\n", ["p", "q"], [2, 3]),
        ('id,prompt\r1,p\r\r2,"q\rr"\r', ["p", "q\nr"], [2, 4]),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_table_is_read(tmp_path: Path, content: str, texts: list[str], lines: list[int], encoding: str) -> None:
    prompts = prompts_of(write(tmp_path, content.encode(encoding), "p.csv"))
    assert [(one.text, one.line) for one in prompts] == list(zip(texts, lines, strict=True))


def test_a_row_of_empty_cells_is_blank(tmp_path: Path) -> None:
    reader = PromptReader(write(tmp_path, b"id,prompt,,\n1,p,,\n,,,\n", "p.csv"))
    assert len(list(reader)) == 1
    assert reader.n_blank == 1


def test_a_cell_in_a_column_without_name_is_never_dropped(tmp_path: Path) -> None:
    one, more = read_prompts(write(tmp_path, b"id,prompt,,\n1,p,,x\n2,q,,,x\n", "p.csv"))
    assert isinstance(one, SetAside)
    assert isinstance(more, SetAside)
    assert "found 2 more" in one.reason


def test_lines_of_text_may_end_in_carriage_returns(tmp_path: Path) -> None:
    """Excel's "CSV (Macintosh)" and "Text (Macintosh)"."""
    assert [one.text for one in prompts_of(write(tmp_path, b"a b\rc\r", "p.txt"))] == ["a b", "c"]
    assert [one.text for one in prompts_of(write(tmp_path, b"a\rb\nc\n", "p.txt"))] == ["a\rb", "c"]


def test_a_broken_table_names_the_line_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found it broken") as caught:
        list(read_prompts(write(tmp_path, b'sep=;\nprompt;n\na;1\n"b;2\n', "p.csv")))
    assert caught.value.line == 4
    with pytest.raises(InputError, match="each column once") as caught:
        list(read_prompts(write(tmp_path, b"sep=;\nprompt;prompt\na;1\n", "p.csv")))
    assert caught.value.line == 2


@pytest.mark.parametrize("name", ["p.jsonl", "p.json"])
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be"])
def test_json_in_utf_16_is_read(tmp_path: Path, name: str, encoding: str) -> None:
    mark = "\ufeff" * (encoding == "utf-16-be")
    content = f'{mark}{{"prompt": "é🍕"}}\n{{"prompt": "{"long " * 9999}"}}\n'.encode(encoding)
    one, long = read_prompts(write(tmp_path, content, name))
    assert isinstance(one, Prompt)
    assert isinstance(long, Prompt)
    assert (one.text, long.text) == ("é🍕", "long " * 9999)


@pytest.mark.parametrize("content", [b"\xff\xfea", b"\xff\xfe\x00\xd8a\x00"])
def test_broken_utf_16_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(InputError, match="expected utf-16, as its byte order mark says it is, found 0x"):
        list(read_prompts(write(tmp_path, content, "p.txt")))


BARE = b'id\tprompt\n1\t"Hello" she said\n2\tIs 5" enough?\n3\t"all of it"\n\n4\t"It began here,\n5\tit ended there."\n'


def test_quotes_that_enclose_no_cells_are_letters_and_said(tmp_path: Path) -> None:
    reader = PromptReader(write(tmp_path, BARE, "p.tsv"))
    assert [(one.id, one.text, one.line) for one in reader if isinstance(one, Prompt)] == [
        ("1", '"Hello" she said', 2),
        ("2", 'Is 5" enough?', 3),
        ("3", '"all of it"', 4),
        ("4", '"It began here,', 6),
        ("5", 'it ended there."', 7),
    ]
    (note,) = reader.seen.notes
    assert note.endswith("p.tsv: quotes are read as letters, because they don't enclose whole cells")


@pytest.mark.parametrize(
    ("content", "texts", "is_said"),
    [
        (b'id\tprompt\n1\t"one\ntwo"\n2\t"say ""hi"""\n', ["one\ntwo", 'say "hi"'], False),
        (b'prompt\n"one\ntwo"\n', ["one\ntwo"], False),  # a column of lines can't tell
        (b'prompt\n"one" two\n', ['"one" two'], True),
        (b'id\tprompt\n1\tIs 5" enough?\n', ['Is 5" enough?'], False),
        (b'id\tprompt\n1\t"one\n2\ttwo"\n', ['"one', 'two"'], True),  # each line is a whole row
        (b'prompt\tid\n"one\ttwo"\n', ['"one'], True),
        (b'prompt\tid\n"one\ttwo"\t1\n', ["one\ttwo"], False),
        (b'id\tprompt\n1\t"never closed\n', ['"never closed'], True),
        (b'sep=\t\nid\tprompt\n1\t"a" b\n', ['"a" b'], True),
    ],
)
def test_what_quotes_mean_in_tabs(tmp_path: Path, content: bytes, texts: list[str], is_said: bool) -> None:
    reader = PromptReader(write(tmp_path, content, "p.tsv"))
    assert [one.text for one in reader if isinstance(one, Prompt)] == texts
    assert len(reader.seen.notes) == is_said


@pytest.mark.parametrize("content", [b'id\tprompt\n1\t"one" x\ntwo"\n', b'id\tprompt\n1\t"one\ntwo\n'])
def test_quotes_that_fit_neither_way_are_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(InputError, match="found it broken"):
        list(read_prompts(write(tmp_path, content, "p.tsv")))
