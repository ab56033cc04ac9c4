"""Parquet and Arrow: what was written comes back, and any other bytes give records or a reason."""

# pyright: standard

from __future__ import annotations

import io
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
from hypothesis import strategies as st

from promptlight.io.prompts.files.rows import read_rows
from promptlight.io.prompts.files.sources import parse_source
from promptlight.io.prompts.reader import PromptReader
from tests.fuzz.reading import read_all
from tests.fuzz.surface import WHOLE_TEXTS, Surface, assert_storable, split_whole_texts

FOLDER = tempfile.TemporaryDirectory(prefix="promptlight-fuzz-")
KINDS = ("parquet", "arrow", "stream", "feather")


@dataclass(frozen=True)
class Case:
    """A file's bytes, or the values of its rows."""

    kind: str
    content: bytes | None = None
    rows: tuple[str, ...] = ()


def check(case: Case) -> None:
    path = Path(FOLDER.name) / ("p.parquet" if case.kind == "parquet" else "p.arrow")
    rows = [make_row(text, number) for number, text in enumerate(case.rows)]
    path.write_bytes(case.content if case.content is not None else write_table(case.kind, rows))
    if case.content is None:
        found = [row for _, row in read_rows(parse_source(path), path)]
        assert found == rows
        return
    reader = PromptReader(path)
    records = read_all(reader)
    if records is None:
        return
    for record in records:
        assert_storable(record.id)
        json.dumps(dict(getattr(record, "fields", {})), allow_nan=False)


def make_row(text: str, number: int) -> dict[str, Any]:
    return {
        "prompt": text,
        "n": None if number % 3 == 2 else number,
        "list": [text] * (number % 3),
        "object": {"a": text, "b": number / 4},
    }


def write_table(kind: str, rows: list[dict[str, Any]]) -> bytes:
    table, file = pa.Table.from_pylist(rows), io.BytesIO()
    match kind:
        case "parquet":
            pq.write_table(table, file, compression="none", use_dictionary=len(rows) % 2 == 0)
        case "feather":
            pyarrow.feather.write_feather(table, file, compression="lz4")
        case _:
            writer = pa.ipc.new_file if kind == "arrow" else pa.ipc.new_stream
            with writer(file, table.schema) as out:
                out.write_table(table, max_chunksize=2)
    return file.getvalue()


def from_bytes(data: bytes) -> Case:
    """Make a case: rows, a file, or changes to a good one (a place and a byte each), as the first byte says."""
    how, rest = (data[0], data[1:]) if data else (0, b"")
    kind = KINDS[how % len(KINDS)]
    if how < 64:
        return Case(kind, rows=tuple(split_whole_texts(rest, rest.count(b"\xff") + 1)))
    if how < 96:
        return Case(kind, rest)
    content = bytearray(write_table(kind, [make_row("p", 0), make_row("", 1)]))
    for start in range(0, len(rest) - 2, 3):
        content[int.from_bytes(rest[start : start + 2], "big") % len(content)] = rest[start + 2]
    return Case(kind, bytes(content))


SURFACE = Surface(
    cases=st.builds(Case, st.sampled_from(KINDS), rows=st.lists(WHOLE_TEXTS, min_size=1, max_size=5).map(tuple))
    | st.builds(from_bytes, st.binary(max_size=40).map(b"\x80".__add__)),
    from_bytes=from_bytes,
    check=check,
    seeds=tuple(bytes([number, 97, 255, 98]) for number in range(len(KINDS)))
    + tuple(bytes([96 + number, 0, 99, 1, 1, 0, 7]) for number in range(len(KINDS))),
)
