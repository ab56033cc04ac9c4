"""JSON in arrays and spread over lines: what Python's parser reads as a whole, the reader reads one by one."""

# pyright: standard

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from promptlight.io.prompts.files.rows import read_rows
from promptlight.io.prompts.files.sources import Format, Source
from promptlight.salience.errors import InputError
from tests.fuzz.surface import WHOLE_TEXTS, Surface, assert_says, split_whole_texts

FOLDER = tempfile.TemporaryDirectory(prefix="promptlight-fuzz-")
GAPS = ("", " ", "\n", "\r\n\t", "  \n\n", "\t")
N_LAYOUTS = 4  # an array on a line, an indented array, objects one after the other, indented objects


@dataclass(frozen=True)
class Case:
    """Texts of records and how they are laid out; with ``raw``, a file's bytes as they are."""

    texts: Sequence[str]
    layout: int = 0
    gap: int = 0
    raw: bytes | None = None


def check(case: Case) -> None:
    if case.raw is not None:
        check_raw(case.raw)
        return
    records = [{"prompt": text, text: [text, {"n": number}]} for number, text in enumerate(case.texts)]
    assert read_values(lay_out(records, case.layout, GAPS[case.gap % len(GAPS)])) == records


def check_raw(content: bytes) -> None:
    """If the file is an array of objects to Python's parser, they come back one by one."""
    try:
        found = read_values(content)
    except InputError as error:
        assert_says(error, "expected")
        found = None
    except (ValueError, RecursionError):  # an item that is skipped
        found = None
    try:
        whole = json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return
    if isinstance(whole, list) and all(isinstance(item, dict) for item in whole):
        assert found == whole


def read_values(content: bytes) -> list[Any]:
    path = Path(FOLDER.name) / "prompts.json"
    path.write_bytes(content)
    rows = read_rows(Source("prompts", str(path), Format.JSONL), path)
    return [json.loads(row) for _, row in rows if isinstance(row, bytes) and row]


def lay_out(records: Sequence[Any], layout: int, gap: str) -> bytes:
    indent = 2 if layout % 2 else None
    texts = [json.dumps(record, indent=indent, ensure_ascii=layout >= N_LAYOUTS) for record in records]
    inside = f"{gap},{gap}".join(texts)
    text = f"{gap}[{gap}{inside}{gap}]{gap}" if layout % N_LAYOUTS < 2 else gap.join(texts)
    return text.encode()


def from_bytes(data: bytes) -> Case:
    how = data[0] if data else 0
    if how & 128:
        return Case((), raw=data[1:])
    return Case(
        split_whole_texts(data[2:], data.count(b"\xff") + 1),
        layout=how % (2 * N_LAYOUTS),
        gap=data[1] if len(data) > 1 else 0,
    )


RAW = st.lists(st.sampled_from([*'[]{}",:\\ \n1', '{"a": [1]', '"b": "}]"']), max_size=20).map("".join).map(str.encode)
SURFACE = Surface(
    cases=st.builds(Case, st.lists(WHOLE_TEXTS, min_size=1, max_size=4), st.integers(0, 7), st.integers(0, 5))
    | st.builds(lambda raw: Case((), raw=raw), RAW),
    from_bytes=from_bytes,
    check=check,
    seeds=(
        b'\0\0a\xffb"\\\xff[{',
        b"\1\2one\xfftwo",
        b"\2\1{\xff}",
        b"\3\0[\xff]",
        b'\x80[{"a": "]"}, {"b": "\\\\"}]',
        b'\x80{"a": 1}{"a": [1, "}"]}',
        b'\x80[\n  1,\n  "a,b"\n]',
    ),
)
