"""Say where an evaluation's figures went: next to the results, and into the user's file."""

# pyright: standard

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from promptlight.cli.options.evaluation import Output
from promptlight.io.places import Place
from promptlight.io.results.facts import read_facts
from promptlight.io.tables.formats import write_rows
from promptlight.io.tables.kinds import TableKind
from promptlight.salience.text.printable import one_line


def report_kept(
    kept: Place | None, rows: Iterable[Mapping[str, Any]], kind: TableKind, output: Output, *, results: Place
) -> None:
    """Write the rows to ``--output``, and print both places; ``kept`` is None for results that nothing is kept with.

    ``results`` is the folder that was evaluated.
    """
    notes = ["not saved: these results are part of promptlight; use --output FILE to save the figures"]
    if kept:
        notes = [f"saved in {kept}; show and report print it"]
    if output.output:
        n_rows = write_rows(
            output.output, kind, rows, facts=read_facts(results), format=output.format, overwrite=output.overwrite
        )
        notes.append(f"{n_rows:,} rows in {output.output}")
    if not output.json:
        print(*map(one_line, notes), sep="\n")
