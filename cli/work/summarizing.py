"""Summarise stored results: print the summary, and write it to a file if requested.

Prompts that were tried in the served page have a summary of their own: they are variants that someone made of a few of
the run's prompts, and would count these twice.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from promptlight.cli.options.picture import Picture
from promptlight.cli.views.summary import view_summary
from promptlight.cli.work.stored_results import ChosenResults
from promptlight.cli.work.tried_folders import say_tried_folders
from promptlight.io.results.facts import read_facts
from promptlight.io.results.tried import is_tried
from promptlight.io.tables.formats import TableFormat, check_output
from promptlight.io.tables.tidy import write_summary
from promptlight.salience.errors import UsageError
from promptlight.salience.explain.summary import GroupQuestion, GroupSummary, ShareTotals, Summary, share_prompt
from promptlight.salience.text.printable import one_line

NOTHING = Summary(groups=(), n_prompts=0, n_skipped=0, reason=None)


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
    """Draw the strongest groups, as JSON all; the file gets all.

    Raises OutputError if the file exists, UsageError if no prompt has the target.
    """
    if output:
        check_output(output, format, overwrite=overwrite)
    summary, tried = _summarize(chosen, question)
    facts = read_facts(chosen.folder)
    picture.draw(view_summary(summary, question, facts, n_top=n_top, tried=tried), as_json=as_json)
    if output:
        rows = [_to_row(group, tried=False) for group in summary.groups]
        rows += [_to_row(group, tried=True) for group in (tried.groups if tried else ())]
        n_rows = write_summary(output, rows, facts=facts, format=format, overwrite=overwrite)
        if not as_json:
            print(f"\n{n_rows:,} rows in {one_line(str(output))}")
    say_tried_folders(chosen.folder)
    chosen.raise_damage()


def _summarize(chosen: ChosenResults, question: GroupQuestion) -> tuple[Summary, Summary | None]:
    """The summary of the run's own prompts, and of those that were tried, if there are any.

    The first is empty if only tried ones were chosen. Raises UsageError if none of those that it is about has the
    target.
    """
    own, tried = ShareTotals(question), ShareTotals(question)
    for analysis in chosen:
        totals = tried if is_tried(analysis) else own
        totals.add(analysis.completion.prompt.id, share_prompt(analysis, question))
    if not tried.n_seen:
        return own.summarize(), None
    if not own.n_seen:
        return NOTHING, tried.summarize()
    summary = own.summarize()
    try:
        return summary, tried.summarize()
    except UsageError as error:
        return summary, replace(NOTHING, n_skipped=tried.n_seen, reason=str(error))


def _to_row(group: GroupSummary, *, tried: bool) -> dict[str, Any]:
    return asdict(group) | {"top_words": " ".join(group.top_words), "tried": tried}
