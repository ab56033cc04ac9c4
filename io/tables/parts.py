"""The table of ``try`` with each part of a prompt: a row for each part that was taken away or replaced."""

# pyright: standard

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promptlight.io.tables.formats import TableFormat, write_rows
from promptlight.io.tables.kinds import TableKind

if TYPE_CHECKING:
    import pyarrow as pa

    from promptlight.io.results.facts import RunFacts


def parts_schema() -> pa.Schema:
    """Columns of the table."""
    import pyarrow as pa

    from promptlight.io.results.schema import column

    text, number, whole = pa.string(), pa.float64(), pa.int32()
    return pa.schema(
        [
            column("id", text, "the prompt's id"),
            column("source", text, "the record's label; empty if it has none"),
            column("by", text, "how the prompt was cut into parts"),
            column("part_number", whole, "number of the part among all spans of the prompt, from 1"),
            column("part_start", whole, "its first token, from 0, in the unchanged prompt"),
            column("part_stop", whole, "the token after its last one"),
            column("part_text", text, "its text, with blanks and line feeds"),
            column("part_line", whole, "line of the prompt where it begins, from 1"),
            column("part_section", text, "section of the prompt where it begins; empty if none"),
            column("replacement", text, "what stood in its place; empty if it was taken away"),
            column("target_by", text, "how the target is cut"),
            column("target_text", text, "the target in the stored completion"),
            column("old_answer", text, "what the model writes in the target's place now for the unchanged prompt"),
            column("answer", text, "what it writes there for the changed prompt; empty if nothing"),
            column("changed", pa.bool_(), "whether that is another text, apart from the blanks around it"),
            column("distance", whole, "characters to insert, delete or exchange from the old answer to the new one"),
            column("relative_distance", number, "the same over the length of the longer one, 0 to 1"),
            column(
                "log_prob",
                number,
                "log-probability of the old answer after the changed prompt and the old words before it, in nats",
            ),
            column("text_log_prob", number, "that of the old completion from its start to the old answer's end"),
            column("old_log_prob", number, "`log_prob` with the unchanged prompt"),
            column("old_text_log_prob", number, "`text_log_prob` with the unchanged prompt"),
            column("completion", text, "all that the model writes for the changed prompt"),
        ]
    )


def write_parts(
    path: Path,
    rows: Iterable[Mapping[str, Any]],
    *,
    facts: RunFacts | None = None,
    format: TableFormat | None = None,
    overwrite: bool = False,
) -> int:
    """Write the rows, a value for each column; returns their number."""
    kind = TableKind(name="parts", schema=parts_schema())
    return write_rows(path, kind, rows, facts=facts, format=format, overwrite=overwrite)
