"""The tables of ``export`` and ``summarize``: their columns, and the rows of one prompt.

A tidy table has one row per target span and source span. docs/tables.md is generated from the schemas here.
"""

# pyright: standard

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from promptlight.io.results.tried import describe_try
from promptlight.io.tables.formats import DATABASES, TableFormat, check_output, write_rows, write_tables
from promptlight.io.tables.kinds import TableKind
from promptlight.io.tables.prompts import prompts_schema, to_prompt, to_tokens, tokens_schema
from promptlight.salience.errors import OutputError
from promptlight.salience.text.targets import find_target_spans
from promptlight.salience.types import Analysis, Role, SpanTable

if TYPE_CHECKING:
    import pyarrow as pa

    from promptlight.io.results.facts import RunFacts


def tidy_schema() -> pa.Schema:
    """Columns of a tidy table."""
    import pyarrow as pa

    from promptlight.io.results.schema import column

    return pa.schema(
        [
            column("id", pa.string(), "the prompt's id"),
            column("source", pa.string(), "the record's label; empty if it has none"),
            *_list_try_columns(),
            column("method", pa.string(), "how salience was computed, such as `grad_l2`"),
            column("target_number", pa.int32(), "number of the target in the completion, from 1"),
            column("target_start", pa.int32(), "its first token, from 0, counted over prompt and completion"),
            column("target_stop", pa.int32(), "the token after its last one"),
            column("target_text", pa.string(), "its text, with blanks and line feeds"),
            column(
                "source_number", pa.int32(), "number of the source among all spans of prompt and completion, from 1"
            ),
            column("source_start", pa.int32(), "its first token, from 0"),
            column("source_stop", pa.int32(), "the token after its last one"),
            column(
                "source_text",
                pa.string(),
                "its text, with blanks and line feeds; special tokens such as `<bos>` by name",
            ),
            column("source_role", pa.string(), "`prompt`, `completion`, or `special` (`<bos>` and a chat's format)"),
            column("source_line", pa.int32(), "line of the text where it begins, from 1"),
            column("source_section", pa.string(), "section of the text where it begins; empty if none"),
            column(
                "score",
                pa.float32(),
                "salience of the source for the target; not comparable between targets, use `share` for that",
            ),
            column(
                "share",
                pa.float32(),
                "score over the sum of absolute scores of all visible sources, -1 to 1; 0 if special",
            ),
            *_list_way_columns(),
            column(
                "exact",
                pa.bool_(),
                "whether scores come from the whole target's gradient, not from adding up its tokens' scores",
            ),
        ]
    )


def _list_try_columns() -> list[pa.Field]:
    """How a prompt that was tried came about."""
    import pyarrow as pa

    from promptlight.io.results.schema import column

    meanings = {
        "parent": "id of the prompt that was changed in the served page; empty for prompts of the run, and new ones",
        "note": "what was noted on this try; empty if nothing, and for prompts of the run",
        "author": "who tried it; empty likewise",
        "tried": "when it was tried, in UTC, such as 2026-11-27T18:30:05Z; empty for prompts of the run",
    }
    return [column(name, pa.string(), meaning) for name, meaning in meanings.items()]


def _list_way_columns() -> list[pa.Field]:
    """The shares by way."""
    import pyarrow as pa

    from promptlight.io.results.schema import column

    meanings = {
        "direct": "part of the target that comes from the source directly: its positive score over the sum of those of"
        " all visible sources; empty unless targets were followed back",
        "through": "part of the target that comes from the source through words that the model wrote before the target",
        "total": "both together: for each target, 1 over all sources in the prompt; that of a source in the completion"
        " says how much came by way of it",
    }
    return [column(name, pa.float32(), meaning) for name, meaning in meanings.items()]


def summary_schema() -> pa.Schema:
    """Columns of a summary."""
    import pyarrow as pa

    from promptlight.io.results.schema import column

    return pa.schema(
        [
            column("name", pa.string(), "name of the group: the text, line, section or role that its spans share"),
            column("n_prompts", pa.int32(), "number of prompts with the target in which it occurs"),
            column(
                "mean_share",
                pa.float64(),
                "mean over those prompts of its spans' share of all visible scores",
            ),
            column("share_low", pa.float64(), "lower end of the mean's 95% interval; empty for a single prompt"),
            column("share_high", pa.float64(), "upper end"),
            column("n_top", pa.int32(), "number of prompts in which its share is the largest"),
            column(
                "top_words",
                pa.string(),
                "its strongest words, the strongest first, separated by blanks; at most three",
            ),
            column("tried", pa.bool_(), "whether these prompts were tried in the served page, or are the run's own"),
        ]
    )


def write_tidy_table(
    path: Path,
    tables: Iterable[tuple[Analysis, SpanTable]],
    *,
    target: str | None = None,
    top: int | None = None,
    facts: RunFacts | None = None,
    format: TableFormat | None = None,
    overwrite: bool = False,
) -> int:
    """Write all tables to one file; returns the number of rows.

    With a ``target``, only its spans have rows, under their numbers. Sources at or after a target have no row. Rows are
    written in blocks of 16 MiB, so memory stays small. In a database the table is ``scores``; ``prompts``, ``tokens``
    and ``facts`` lie next to it. Raises OutputError if an id comes twice there.
    """
    scores = TableKind(name="scores", schema=tidy_schema(), parent="prompts")
    if check_output(path, format, overwrite=overwrite) not in DATABASES:
        rows = ((scores.name, to_tidy(analysis, table, target=target, top=top)) for analysis, table in tables)
        return write_tables(path, [scores], rows, facts=facts, format=format, overwrite=overwrite)
    prompts = TableKind(name="prompts", schema=prompts_schema(), key="id")
    tokens = TableKind(name="tokens", schema=tokens_schema(), parent="prompts")

    def pieces() -> Iterator[tuple[str, pa.Table]]:
        for analysis, table in _refuse_twins(tables):
            yield prompts.name, to_prompt(analysis)
            yield tokens.name, to_tokens(analysis)
            yield scores.name, to_tidy(analysis, table, target=target, top=top)

    return write_tables(path, [scores, prompts, tokens], pieces(), facts=facts, format=format, overwrite=overwrite)


def _refuse_twins(tables: Iterable[tuple[Analysis, SpanTable]]) -> Iterator[tuple[Analysis, SpanTable]]:
    """Raise OutputError for the second prompt of an id."""
    ids: set[str] = set()
    for analysis, table in tables:
        id = analysis.completion.prompt.id
        if id in ids:
            raise OutputError(f"{id}: expected each id once, found it twice in the results; write another format")
        ids.add(id)
        yield analysis, table


def write_summary(
    path: Path,
    rows: Iterable[Mapping[str, Any]],
    *,
    facts: RunFacts | None = None,
    format: TableFormat | None = None,
    overwrite: bool = False,
) -> int:
    """Write the rows of a summary, a value for each column; returns the number of rows."""
    kind = TableKind(name="summary", schema=summary_schema())
    return write_rows(path, kind, rows, facts=facts, format=format, overwrite=overwrite)


def to_tidy(analysis: Analysis, table: SpanTable, *, target: str | None = None, top: int | None = None) -> pa.Table:
    """One prompt's rows; with ``top`` only each target's strongest visible sources, by absolute score.

    A ``target`` keeps the rows of its spans (``find_target_spans``). Raises UsageError if there are none.
    """
    import pyarrow as pa

    targets, sources = table.targets, table.sources
    earlier = [[source.stop <= target.start for source in sources] for target in targets]
    kept = np.array(earlier, dtype=bool).reshape(table.scores.shape)
    visible = np.array([source.role is not Role.SPECIAL for source in sources])
    if top is not None:
        kept = _keep_strongest(table.scores, kept & visible, top)
    if target is not None:
        wanted = {span.number for span in find_target_spans(targets, target)}
        kept &= np.array([span.number in wanted for span in targets])[:, None]
    totals = np.abs(table.scores[:, visible]).sum(axis=1, keepdims=True)
    shares = np.where(visible, table.scores / np.where(totals > 0, totals, 1), 0)
    rows, columns = np.nonzero(kept)
    prompt = analysis.completion.prompt
    how = describe_try(prompt)
    tried = [how.parent, how.note or None, how.author or None, how.tried] if how else [None] * 4
    of_all = [prompt.id, prompt.label, *tried, table.method.value]
    of_targets = [[number, t.start, t.stop, t.text] for number, t in enumerate(targets, 1)]
    of_sources = [[s.number + 1, s.start, s.stop, s.text, s.role.value, s.line, s.section] for s in sources]
    data = [
        *([value] * len(rows) for value in of_all),
        *([of_targets[row][place] for row in rows] for place in range(4)),
        *([of_sources[column][place] for column in columns] for place in range(7)),
        table.scores[rows, columns],
        shares[rows, columns],
        *_take_ways(table, rows, columns),
        [table.exact] * len(rows),
    ]
    schema = tidy_schema()
    return pa.table(
        [pa.array(column, type=field.type) for column, field in zip(data, schema, strict=True)], schema=schema
    )


def _take_ways(table: SpanTable, rows: np.ndarray, columns: np.ndarray) -> Iterator[pa.Array]:
    """The shares by way, in the order of the schema: null for targets that were not followed back."""
    import pyarrow as pa

    ways = table.ways
    for shares in [None] * 3 if ways is None else [ways.direct, ways.through, ways.total]:
        if shares is None:
            yield pa.nulls(len(rows), pa.float32())
        else:
            yield pa.array(shares[rows, columns], from_pandas=True)


def _keep_strongest(scores: np.ndarray, candidates: np.ndarray, n_kept: int) -> np.ndarray:
    """Mark the strongest candidates of each row; of equal ones the first. All are [targets, sources]."""
    order = np.argsort(-np.where(candidates, np.abs(scores), -1), axis=1, kind="stable")
    kept = np.zeros_like(candidates)
    np.put_along_axis(kept, order[:, :n_kept], values=True, axis=1)
    return kept & candidates
