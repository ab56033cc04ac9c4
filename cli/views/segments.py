"""The output of ``segment``: the spans of a text as a table, or as lines of JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from promptlight.salience.text.printable import one_line, printable_json
from promptlight.salience.types import Completion, Cut, Granularity, Span


def as_table(completion: Completion, spans: Iterable[Span], cut: Cut) -> Iterator[str]:
    """A heading, and a line per span: its number, its tokens' positions, its role, its name and its text in quotes."""
    yield f"{one_line(completion.prompt.id)}: {len(completion.tokens)} tokens"
    for span in spans:
        positions = f"{span.start}" if span.stop == span.start + 1 else f"{span.start}-{span.stop - 1}"
        name = f"{one_line(span.section)}: " if span.section and cut is Granularity.SECTION else ""
        yield f"{span.number + 1:>5}  {positions:>9}  {span.role:<10}  {name}\u201c{one_line(span.text)}\u201d"


def as_lines(completion: Completion, spans: Iterable[Span]) -> Iterator[str]:
    """Each span as JSON: ``start`` and ``stop`` count characters, ``tokens`` have their own."""
    for span in spans:
        tokens = completion.tokens[span.start : span.stop]
        record: dict[str, Any] = {
            "id": completion.prompt.id,
            "number": span.number + 1,
            "role": span.role.value,
            "text": span.text,
            "line": span.line,
            "section": span.section,
            "start": tokens[0].start,
            "stop": tokens[-1].stop,
            "tokens": [{"id": one.id, "piece": one.piece, "start": one.start, "stop": one.stop} for one in tokens],
        }
        yield printable_json(record, indent=None)
