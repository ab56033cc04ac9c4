"""Summarise stored results: print the summary, and write it to a file if requested."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from promptlight.cli.options.picture import Picture
from promptlight.cli.views.summary import view_summary
from promptlight.cli.work.stored_results import ChosenResults
from promptlight.io.results.facts import read_facts
from promptlight.io.tables.formats import TableFormat, check_output
from promptlight.io.tables.tidy import write_summary
from promptlight.salience.explain.summary import GroupQuestion, GroupSummary, summarize_shares
from promptlight.salience.text.printable import one_line


def summarize_results(
    chosen: ChosenResults,
    question: GroupQuestion,
    picture: Picture,
    *,
    n_top: int,
    as_json: bool,
    output: Path | None,
    format: TableFormat | None,
    overwrite: bool,
) -> None:
    """Draw the strongest groups, as JSON all; the file gets all. Raises OutputError if the file exists."""
    if output:
        check_output(output, format, overwrite=overwrite)
    summary = summarize_shares(chosen, question)
    facts = read_facts(chosen.folder)
    picture.draw(view_summary(summary, question, facts, n_top=n_top), as_json=as_json)
    if output:
        n_rows = write_summary(output, map(_to_row, summary.groups), facts=facts, format=format, overwrite=overwrite)
        if not as_json:
            print(f"\n{n_rows:,} rows in {one_line(str(output))}")
    chosen.raise_damage()


def _to_row(group: GroupSummary) -> dict[str, Any]:
    return asdict(group) | {"top_words": " ".join(group.top_words)}
