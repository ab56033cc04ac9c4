"""CSV for Excel: what a double click opens whole, and reads as text where it is text.

Excel takes a file without a byte order mark for the system's old encoding, and a text that begins like a formula for a
formula, which may fetch and send data. What does not fit into a sheet is refused: Excel cuts it off.
"""

# pyright: standard

from __future__ import annotations

import codecs
import contextlib
import re
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv

from promptlight.salience.errors import OutputError
from promptlight.salience.text.printable import one_line

MAX_ROWS = 2**20 - 1  # of a sheet, below the names of the columns
MAX_UNITS = 2**15 - 1  # of a cell, in units of UTF-16
LIKE_FORMULAS = re.compile(r"\s*[=+\-@＝＋－＠]")


@contextlib.contextmanager
def open_excel_csv(path: Path, schema: pa.Schema) -> Generator[Callable[[pa.Table], None]]:
    """Open a file and yield a function that appends a table. Raises OutputError for what a sheet can't hold."""
    n_rows = 0
    with path.open("wb") as file:
        file.write(codecs.BOM_UTF8)
        with pyarrow.csv.CSVWriter(file, schema) as writer:

            def write(table: pa.Table) -> None:
                nonlocal n_rows
                n_rows += table.num_rows
                if n_rows > MAX_ROWS:
                    raise OutputError(
                        f"expected at most {MAX_ROWS:,} rows, as Excel shows no more, found more: use fewer rows, or"
                        " another format",
                        parameters=("format",),
                    )
                writer.write_table(_quote_formulas(table))

            yield write


def _quote_formulas(table: pa.Table) -> pa.Table:
    """Put an apostrophe before texts that begin like a formula. Raises OutputError for a text that no cell can hold."""
    columns: list[Any] = [
        [text and _to_cell(field.name, text) for text in column.to_pylist()]
        if pa.types.is_string(field.type)
        else column
        for field, column in zip(table.schema, table.columns, strict=True)
    ]
    return pa.table(columns, schema=table.schema)


def _to_cell(name: str, text: str) -> str:
    """A text as a cell of Excel."""
    cell = f"'{text}" if LIKE_FORMULAS.match(text) else text
    n_units = len(cell.encode("utf-16-le")) // 2
    if n_units > MAX_UNITS:
        raise OutputError(
            f"{name}: expected texts of at most {MAX_UNITS:,} characters, as a cell of Excel holds no more, found"
            f" {n_units:,} ({one_line(text[:40])}...): write another format",
            parameters=("format",),
        )
    return cell
