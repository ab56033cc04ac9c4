"""CSV and TSV: what Python's writer wrote comes back, and quotes between tabs mean one thing in a file."""

# pyright: standard

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from promptlight.io.prompts.files.rows import read_rows
from promptlight.io.prompts.files.sources import parse_source
from promptlight.salience.errors import InputError
from tests.fuzz.surface import WHOLE_TEXTS, Surface, assert_says, split_whole_texts

FOLDER = tempfile.TemporaryDirectory(prefix="promptlight-fuzz-")
NAMES = ("id", "prompt", "n")
DELIMITERS = (",", ";", "\t", "|")
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16")


@dataclass(frozen=True)
class Case:
    """Cells and how they are written; or a file's bytes as they are, or tab-separated cells without quoting."""

    cells: Sequence[str] = ()
    delimiter: int = 0
    encoding: int = 0
    quotes_all: bool = False
    raw: bytes | None = None
    is_bare: bool = False


def check(case: Case) -> None:
    if case.raw is not None:
        read(case.raw)
    elif case.is_bare:
        check_bare(case)
    else:
        check_round_trip(case)


def check_round_trip(case: Case) -> None:
    mark = DELIMITERS[case.delimiter % len(DELIMITERS)]
    rows = [row for row in rows_of(case) if any(row)]
    if mark == "\t" and any("\t" in cell and "\n" in cell for row in rows for cell in row):
        return  # each line of it may be a whole row
    file = io.StringIO()
    said = f"sep={mark}\n" * (mark == "|")
    writer = csv.writer(file, delimiter=mark, quoting=csv.QUOTE_ALL if case.quotes_all else csv.QUOTE_MINIMAL)
    writer.writerow(NAMES)
    writer.writerows(rows)
    found, notes = read((said + file.getvalue()).encode(ENCODINGS[case.encoding % len(ENCODINGS)]), "csv")
    assert found == [dict(zip(NAMES, row, strict=True)) for row in rows], (found, rows)
    assert notes == []


def check_bare(case: Case) -> None:
    """Cells are as they were written, or as strict CSV has them, in the whole file; the first is said."""
    rows = [[cell.translate({9: " ", 10: " ", 13: " "}) for cell in row] for row in rows_of(case)]
    rows = [row for row in rows if any(cell.strip() for cell in row)]
    lines = ["\t".join(row) + "\n" for row in [NAMES, *rows]]
    found, notes = read("".join(lines).encode(), "tsv")
    strict = [dict(zip(NAMES, row, strict=False)) for row in csv.reader(lines[1:], delimiter="\t")]
    literal = [dict(zip(NAMES, row, strict=True)) for row in rows]
    assert found == (literal if notes else [row for row in strict if any(row.values())]), (found, literal, strict)


def rows_of(case: Case) -> list[list[str]]:
    cells = [*case.cells, *[""] * (-len(case.cells) % len(NAMES))]
    return [cells[start : start + len(NAMES)] for start in range(0, len(cells), len(NAMES))]


def read(content: bytes, ending: str = "tsv") -> tuple[list[Any] | None, list[str]]:
    """The rows that are not blank, and what was said; no rows if the file is refused."""
    path = Path(FOLDER.name) / f"p.{ending}"
    path.write_bytes(content)
    notes: list[str] = []
    try:
        return [row for _, row in read_rows(parse_source(path), path, notes.append) if row], notes
    except InputError as error:
        assert_says(error, "expected")
        return None, notes


def from_bytes(data: bytes) -> Case:
    how, rest = (data[0], data[1:]) if data else (0, b"")
    if how >= 192:
        return Case(raw=rest)
    cells = split_whole_texts(rest, rest.count(b"\xff") + 1)
    return Case(cells, how % 4, how // 4 % 3, how & 32 > 0, is_bare=how & 128 > 0)


CELLS = st.lists(WHOLE_TEXTS | st.sampled_from(['"', '"a"', '"a" b', '""', 'a "']), max_size=9)
SURFACE = Surface(
    cases=st.builds(Case, CELLS, st.integers(0, 3), st.integers(0, 2), st.booleans())
    | st.builds(Case, CELLS, is_bare=st.just(True))
    | st.builds(lambda raw: Case(raw=raw), st.binary(max_size=60)),
    from_bytes=from_bytes,
    check=check,
    seeds=(
        b'\0a\xff"b"\xffc\nd',
        b"\x21a;\xffb,\xff\t",
        b'\x80"Hello" she said\xff\xff\xff5" enough',
        b'\xc0id\tprompt\n1\t"a\nb"\n',
        b"\xc0sep=;\nprompt;x;;\na;b;;\n",
    ),
)
