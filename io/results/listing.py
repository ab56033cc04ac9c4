"""List a results folder from small columns only, without tokens and scores."""

# pyright: standard

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from promptlight.io.places import Place
from promptlight.io.results.reader import read_columns

START_LENGTH = 120  # characters of a prompt for a list
SEARCHED = ("id", "source", "prompt", "completion", "error")


@dataclass(frozen=True, kw_only=True, slots=True)
class Listed:
    """One result in a list. ``shard`` and ``place`` say where it is; without a shard, it is only in memory."""

    id: str
    label: str | None
    start: str  # of the prompt
    reason: str | None  # why it was skipped
    shard: Place | None
    place: int


def list_results(folder: str | Place, problems: list[str]) -> Iterator[Listed]:
    """All results of a folder in the order of writing; damaged shards are added to ``problems``."""
    columns = ["id", "source", "prompt", "error"]
    for shard, table in read_columns(folder, columns, problems):
        starts = pc.call_function("utf8_slice_codeunits", [table["prompt"]], pc.SliceOptions(0, START_LENGTH))
        values = (column.to_pylist() for column in (table["id"], table["source"], starts, table["error"]))
        for place, (id, label, start, reason) in enumerate(zip(*values, strict=True)):
            yield Listed(id=id, label=label, start=start or "", reason=reason, shard=shard, place=place)


def search_results(folder: str | Place, wanted: str) -> Iterator[tuple[Place, int]]:
    """Find the results whose id, label, prompt, completion or reason contains a text, ignoring case."""
    options = pc.MatchSubstringOptions(wanted, ignore_case=True)
    for shard, table in read_columns(folder, list(SEARCHED), []):
        found = pa.array([False] * table.num_rows)
        for column in table.columns:
            matches = pc.call_function("match_substring", [column], options)
            found = pc.call_function("or_kleene", [found, matches])
        yield from ((shard, place) for place, hit in enumerate(found.to_pylist()) if hit)
