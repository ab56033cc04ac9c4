"""JSON that has not one record a line gives the same records, numbered in order; lines stay lines."""

from __future__ import annotations

import io
import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptlight.io.prompts.files import _json_values
from promptlight.io.prompts.files._json_values import has_a_record_a_line, split_values
from promptlight.io.prompts.jsonline import LONGEST_LINE
from promptlight.io.prompts.reader import PromptReader, read_prompts
from promptlight.salience.errors import InputError
from promptlight.salience.types import Prompt, SetAside
from tests.support.prompt_files import RECORDS, prompts_of, summary, write

ODD: list[dict[str, Any]] = [{"prompt": 'a "b" \\', "tags": ["]", "}{", {"x": [[], {}]}]}, {"prompt": "é🍕,\n["}]


def dump(records: list[Any], layout: str) -> str:
    match layout:
        case "array":
            return json.dumps(records, ensure_ascii=False)
        case "pretty array":
            return json.dumps(records, indent=2) + "\n"
        case "array of lines":
            return "[\n" + ",\n".join(map(json.dumps, records)) + "\n]\n"
        case "joined":
            return "".join(map(json.dumps, records))
        case _:
            return "\n".join(json.dumps(record, indent=4) for record in records)


LAYOUTS = ("array", "pretty array", "array of lines", "joined", "pretty")


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("begin", ["", "\ufeff", "\n \n"])
def test_every_layout_gives_the_same_prompts(tmp_path: Path, layout: str, begin: str) -> None:
    path = write(tmp_path, (begin + dump(RECORDS, layout)).encode(), "p.json")
    reader = PromptReader(path)
    for _ in range(2):
        assert [one.line for one in reader] == [1, 2, 3]
    assert summary(prompts_of(path)) == RECORDS


VALUES = st.recursive(
    st.none() | st.integers() | st.text(st.sampled_from('ab"\\[]{},: \n\u20ac'), max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.lists(st.dictionaries(st.text(max_size=3), VALUES, min_size=1, max_size=3), min_size=1, max_size=4)


@given(OBJECTS, st.sampled_from(LAYOUTS), st.integers(1, 9), st.integers(0, 20))
def test_the_values_are_those_of_pythons_own_parser(objects: list[Any], layout: str, chunk: int, n_head: int) -> None:
    """Wherever the file is cut into chunks."""
    data = dump(objects, layout).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_json_values, "_CHUNK", chunk)
        n_head = max(n_head, 1)
        assert [json.loads(value) for value in split_values(data[:n_head], io.BytesIO(data[n_head:]))] == objects


@pytest.mark.parametrize(
    ("first", "second", "is_lines"),
    [
        (b'{"a": 1}', b"", True),
        (b'{"a": 1}', b'{"a": 2}', True),
        (b'{"a": 1} x', b"", True),
        (b'{"a": 1} {"a": 2}', b"", False),
        (b"{", b'"a": 1', False),
        (b'{"a": [', b"{", False),
        (b'{ "a": 1', b', "b": 2', False),
        (b'{"a": 1,', b'{"a": 2}', True),  # a line that was cut off
        (b'{"a": "x', b'y"}', True),
        (b'{"a" 1,', b'"b": 2}', True),
        (b"[", b'{"a": 1}', False),
        (b'[{"a": 1}]', b"", False),
        (b'[{"a": 1}]', b'[{"a": 2}]', True),  # an array a line
        (b'[{"a": [1]', b"},", False),  # the list of its first object
        (b"no JSON", b"{", True),
    ],
)
def test_when_a_file_is_read_line_by_line(first: bytes, second: bytes, is_lines: bool) -> None:
    assert has_a_record_a_line(first, second) is is_lines


@pytest.mark.parametrize("layout", LAYOUTS)
def test_odd_characters_in_text_end_no_record(tmp_path: Path, layout: str) -> None:
    prompts = prompts_of(write(tmp_path, dump(ODD, layout).encode()))
    assert [one.text for one in prompts] == [one["prompt"] for one in ODD]
    assert prompts[0].fields == {"tags": ODD[0]["tags"]}


def test_a_broken_record_is_skipped_and_the_next_one_is_read(tmp_path: Path) -> None:
    values = (b'{"prompt": "a"}', b'{"prompt": "a",}', b'{"prompt": "caf\xff"}', b"7", b"", b'{"prompt": "b"}')
    records = list(read_prompts(write(tmp_path, b"[" + b",\n".join(values) + b",]")))
    assert [(type(one), one.line) for one in records] == [
        (Prompt, 1),
        (SetAside, 2),
        (SetAside, 3),
        (SetAside, 4),
        (Prompt, 6),
    ]
    reasons = [one.reason for one in records if isinstance(one, SetAside)]
    assert "invalid JSON" in reasons[0]
    assert "expected UTF-8, found 0xFF" in reasons[1]
    assert "found a number" in reasons[2]


def test_what_is_left_after_objects_is_skipped(tmp_path: Path) -> None:
    good, bad = read_prompts(write(tmp_path, b'{"prompt": "a"}{"prompt": "b"'))
    assert isinstance(good, Prompt)
    assert isinstance(bad, SetAside)


@pytest.mark.parametrize(
    ("content", "said", "number"),
    [
        (b'[{"prompt": "a"}, {"prompt": "b"}, ', "expected a closing ]", 2),
        (b'[{"prompt": "a"}, {"prompt": "b', "expected a closing ]", 1),
        (b'[\n{"prompt": "a"}\n]\n{"prompt": "b"}', "expected nothing behind the closing ]", 1),
        (b"[]", "no prompts in it", None),
        (b"[ \n ]\n", "no prompts in it", None),
    ],
)
def test_an_array_that_does_not_end_is_refused(tmp_path: Path, content: bytes, said: str, number: int | None) -> None:
    with pytest.raises(InputError, match=said) as caught:
        list(read_prompts(write(tmp_path, content)))
    assert caught.value.line == number


def test_a_record_without_end_is_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("promptlight.io.prompts.jsonline.LONGEST_LINE", 40)
    texts = ["x" * n for n in (1, 26, 27, 500, 1)]
    records = list(read_prompts(write(tmp_path, dump([{"prompt": text} for text in texts], "array").encode())))
    assert [isinstance(one, Prompt) for one in records] == [True, True, False, False, True]
    assert {one.reason for one in records if isinstance(one, SetAside)} == {
        "expected records of at most 40 bytes, found a longer one; put each on a line, or split it"
    }


@pytest.mark.parametrize("layout", ["array of lines", "pretty array", "array", "joined"])
def test_memory_does_not_grow_with_the_file(tmp_path: Path, layout: str) -> None:
    path = write(tmp_path, dump([{"prompt": "x" * 2**16}] * 400, layout).encode())
    room = 4 * LONGEST_LINE if layout in ("array", "joined") else 2**21  # the first line is looked at as a whole
    tracemalloc.start()
    n_read = sum(1 for _ in split_file(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert n_read == 400
    assert peak < room


def split_file(path: Path) -> Any:
    from promptlight.io.prompts.files.rows import read_rows
    from promptlight.io.prompts.files.sources import parse_source

    return read_rows(parse_source(path), path)
