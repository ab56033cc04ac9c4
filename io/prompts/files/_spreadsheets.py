"""Read the rows of CSV and TSV as spreadsheets and people write them.

Quotes enclose a cell that has the delimiter, a line feed or a quote in it. Where tabs separate cells, quotes are often
only letters: ``2<TAB>Is 5" enough?``, ``1<TAB>"Hello" she said``.
"""

# pyright: standard

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain, zip_longest
from typing import Any

from promptlight.io.prompts.files._encodings import Say
from promptlight.io.prompts.files.sources import Format, Source
from promptlight.io.prompts.jsonline import LONGEST_LINE, RecordError, decode_line
from promptlight.salience.errors import InputError

BEYOND: Any = None  # the key for cells beyond a table's last column: no column can have this name
_SAID_DELIMITER = re.compile(r'"?sep=([^"\r\n])"?\r?\n?')
_QUOTED = re.compile(r'"[^"]*"')
Lines = Iterator[tuple[int, bytes]]


def read_table(
    source: Source, numbered: Lines, begin_again: Callable[[], Lines], hint: str, say: Say
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Rows by the header's names, each with the number of its first line; a cell may contain line feeds.

    ``begin_again`` gives the lines a second time; ``hint`` ends the reason for a byte that is not UTF-8.
    """
    lines = _decode_lines(source, numbered, hint)
    first, n_skipped = next(lines, ""), 0
    while first and not first.strip():
        first, n_skipped = next(lines, ""), n_skipped + 1
    if said := _SAID_DELIMITER.fullmatch(first):
        mark, n_skipped = said[1], n_skipped + 1
    else:
        mark, lines = _find_delimiter(source, first), chain([first], lines)
    quoting = csv.QUOTE_MINIMAL
    if mark == "\t" and _has_bare_quotes(_decode_lines(source, begin_again(), hint), n_skipped):
        say(f"{source.path}: quotes are read as letters, because they don't enclose whole cells")
        quoting = csv.QUOTE_NONE
    table = csv.reader(lines, delimiter=mark, quoting=quoting, strict=True)
    try:
        yield from _read_rows(source, table, n_skipped)
    except csv.Error as error:
        line = table.line_num + n_skipped
        if "field limit" in str(error):
            reason = f"expected cells of at most {LONGEST_LINE:,} characters, found a longer one; close its quote"
        else:
            reason = f"expected CSV with a header, found it broken: {error}; fix it there"
        raise InputError(source.path, line, reason) from error


def _read_rows(source: Source, table: Any, n_skipped: int) -> Iterator[tuple[int, dict[str, Any]]]:
    with _fields_up_to(LONGEST_LINE):
        names: list[str] = next(table, [])
    while names and not names[-1].strip():
        names.pop()
    if len(set(names)) < len(names):
        raise InputError(source.path, 1 + n_skipped, "expected each column once in the header; rename one")
    while True:
        before = table.line_num
        with _fields_up_to(LONGEST_LINE):
            cells = next(table, None)
        if cells is None:
            return
        if cells:
            row = dict(zip_longest(names, cells[: len(names)])) | {BEYOND: cells[len(names) :]}
            yield before + 1 + n_skipped, _without_empty_columns(row)


def _has_bare_quotes(lines: Iterator[str], n_skipped: int) -> bool:
    """Whether quotes in tab-separated lines are letters: they enclose no whole cells, or they join lines or cells that
    make whole rows without them; and without them, no line has fewer cells than the header.

        id<TAB>prompt
        1<TAB>"Hello" she said      the second quote doesn't end the cell
        2<TAB>"I was there,         and a cell that goes on in the next line would be one row
        3<TAB>and left."
    """
    n_tabs, are_whole = 0, True

    def watch() -> Iterator[str]:
        nonlocal n_tabs, are_whole
        for number, line in enumerate(lines, -n_skipped):
            if number == 0:
                n_tabs = line.count("\t")
            if number >= 0:
                are_whole = are_whole and (not line.strip() or line.count("\t") >= n_tabs)
                yield line

    watched = watch()
    table = csv.reader(watched, delimiter="\t", strict=True)
    n_rows, have_few_cells = 0, False
    try:
        with _fields_up_to(LONGEST_LINE):
            for row in table:
                n_rows += 1
                have_few_cells = have_few_cells or 0 < len(row) <= n_tabs
    except csv.Error:
        for _ in watched:  # count the cells of the other lines
            pass
        return are_whole
    return are_whole and n_tabs > 0 and (n_rows < table.line_num or have_few_cells)


def _find_delimiter(source: Source, header: str) -> str:
    """Excel writes semicolons where the comma is the decimal mark, and tabs in UTF-16."""
    if source.format is Format.TSV:
        return "\t"
    header = _QUOTED.sub("", header)
    return next((mark for mark in ",;\t" if mark in header), ",")


def _without_empty_columns(row: dict[str, Any]) -> dict[str, Any]:
    """The row without empty cells beyond the named columns; nothing if no cell has anything."""
    if not any(row[BEYOND]):
        del row[BEYOND]
    return row if len(row) < 2 or any(row.values()) else {}


@contextmanager
def _fields_up_to(most: int) -> Iterator[None]:
    """The limit is the csv module's own, for the whole process: it is given back before anyone else reads."""
    before = csv.field_size_limit(most)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _decode_lines(source: Source, lines: Lines, hint: str) -> Iterator[str]:
    for number, line in lines:
        try:
            yield decode_line(line)
        except RecordError as error:
            raise InputError(source.path, number, f"{error}{hint}") from error
