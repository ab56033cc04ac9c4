"""Read a results folder, one shard in memory at a time.

A damaged shard only hides its own rows: reading continues with the others and reports it at the end.
"""

# pyright: standard

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from promptlight.io.places import Place, parse_place
from promptlight.io.results._rows import from_row
from promptlight.io.results.schema import read_kind
from promptlight.io.results.shards import (
    naming,
    read_metadata,
    read_shard,
    read_tables,
    require_shards,
    settings_of,
    to_rows,
)
from promptlight.salience.errors import OutputError
from promptlight.salience.text.spelling import suggest
from promptlight.salience.types import Analysis, SetAside


def read_settings(folder: str | Place) -> dict[str, Any]:
    """The settings that all results of a folder share."""
    return read_metadata(require_shards(parse_place(folder))[0])["settings"]


def read_results(folder: str | Place, problems: list[str] | None = None) -> Iterator[Analysis | SetAside]:
    """All results of a folder in the order of writing, one shard in memory at a time.

    Damaged shards are skipped, and an OutputError after the last result names them all; with a list of ``problems``,
    they are added to that instead.
    """
    raising = problems is None
    problems = [] if problems is None else problems
    for shard in require_shards(parse_place(folder)):
        try:
            yield from _read_shard_results(shard)
        except OutputError as error:
            problems.append(str(error))
    if problems and raising:
        raise OutputError("; ".join(problems))


def find_result(folder: str | Place, *, id: str | None = None, row: int = 0) -> Analysis | SetAside:
    """Find the result with an id, or else at a row number (from 0; negative numbers count from the end).

    Damaged shards only matter if they come before the row, or if no other shard has the id. Then an OutputError names
    them.
    """
    shards = require_shards(parse_place(folder))
    shard, place = _find_row(folder, shards, row) if id is None else _find_id(folder, shards, id)
    return read_result(shard, place)


def read_result(shard: Place, place: int) -> Analysis | SetAside:
    """The result at a place of a shard, from 0."""
    table = read_shard(shard)
    kind = read_kind(settings_of(table))
    with naming(shard):
        return from_row(to_rows(table.slice(place, 1))[0], kind)


def read_columns(folder: str | Place, columns: list[str], problems: list[str]) -> Iterator[tuple[Place, pa.Table]]:
    """Some columns of each shard, one shard in memory at a time; damaged ones are added to ``problems``."""
    for shard, table in read_tables(require_shards(parse_place(folder)), columns):
        if isinstance(table, OutputError):
            problems.append(str(table))
        else:
            yield shard, table


def list_ids(folder: Place) -> list[str]:
    """The ids of all results that can be read, in the order of writing."""
    return [id for _, table in read_columns(folder, ["id"], []) for id in table["id"].to_pylist()]


def list_completions(folder: Place) -> Iterator[tuple[str, str]]:
    """The id of each result that can be read, and what was written; skipped records have an empty text."""
    for _, table in read_columns(folder, ["id", "completion"], []):
        for row in table.to_pylist():
            yield row["id"], row["completion"] or ""


def list_records(folder: Place) -> Iterator[tuple[str, str | None, str | None, dict[str, Any]]]:
    """The id, label, own completion and other fields of all results that can be read."""
    for _, table in read_columns(folder, ["id", "source", "target", "fields"], []):
        for row in table.to_pylist():
            yield row["id"], row["source"], row["target"], json.loads(row["fields"] or "{}")


def _find_row(folder: str | Place, shards: Sequence[Place], row: int) -> tuple[Place, int]:
    """The shard of a row and its place there; a negative row counts from the end."""
    n_rows = 0
    for shard in shards if row >= 0 else reversed(shards):
        n_here = read_shard(shard, ["id"]).num_rows
        place = row - n_rows if row >= 0 else row + n_rows + n_here
        if 0 <= place < n_here:
            return shard, place
        n_rows += n_here
    raise OutputError(f"{folder}: no row {row}; it has {n_rows} rows, numbered from 0")


def _find_id(folder: str | Place, shards: Sequence[Place], id: str) -> tuple[Place, int]:
    """The shard of an id and its place there."""
    known: list[str] = []
    problems: list[str] = []
    for shard, table in read_tables(shards, ["id"]):
        if isinstance(table, OutputError):
            problems.append(str(table))
            continue
        ids = table["id"].to_pylist()
        if id in ids:
            return shard, ids.index(id)
        known += ids
    if problems:
        raise OutputError(f"{folder}: no result with id {id!r} where it can be read; {'; '.join(problems)}")
    listed = ", ".join(known[:8]) + (", ..." if len(known) > 8 else "")
    raise OutputError(f"{folder}: no result with id {id!r}; it has {listed}{suggest(id, known)}")


def _read_shard_results(shard: Place) -> Iterator[Analysis | SetAside]:
    table = read_shard(shard)
    kind = read_kind(settings_of(table))
    with naming(shard):
        for batch in table.to_batches(max_chunksize=16):  # as Python objects, rows take much more memory
            for row in to_rows(batch):
                yield from_row(row, kind)
