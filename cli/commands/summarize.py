"""``promptlight summarize``: which source spans matter, over many prompts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from promptlight.cli.options.given import refuse_given
from promptlight.cli.options.groups import with_groups
from promptlight.cli.options.panels import OUTPUT, QUESTION
from promptlight.cli.options.picture import Picture
from promptlight.cli.options.question import choose_target, refuse_through_by
from promptlight.cli.options.shared import (
    ByOption,
    FormatOption,
    IdsOption,
    JsonOption,
    OverwriteOption,
    ResultsArgument,
    SectionsOption,
    StoredMethodOption,
    TargetByOption,
    ThroughByOption,
    WayOption,
    WhereOption,
    target_option,
)
from promptlight.cli.work.stored_results import ChosenResults
from promptlight.io.results.folders import find_folder
from promptlight.salience.explain.summary import Grouping, GroupQuestion
from promptlight.salience.types import Way

TargetOption = Annotated[
    str | None,
    target_option("What is explained in each prompt: a span's number, some of its text, or a pattern."),
]
GroupOption = Annotated[
    Grouping,
    typer.Option(
        help="Which sources count as one: those with the same text, line, section or role.",
        rich_help_panel=QUESTION,
    ),
]
TopGroupsOption = Annotated[
    int,
    typer.Option(
        min=1,
        metavar="N",
        help="Number of groups to show; --output writes all.",
        rich_help_panel=OUTPUT,
    ),
]


@with_groups
def summarize(
    context: typer.Context,
    results: ResultsArgument = None,
    *,
    by: ByOption = "line",
    group: GroupOption = Grouping.TEXT,
    target_by: TargetByOption = None,
    target: TargetOption = None,
    way: WayOption = Way.DIRECT,
    through_by: ThroughByOption = "token",
    sections: SectionsOption = None,
    method: StoredMethodOption = None,
    id: IdsOption = None,
    where: WhereOption = None,
    top: TopGroupsOption = 15,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Write all groups to this file.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    format: FormatOption = None,
    overwrite: OverwriteOption = False,
    picture: Picture,
    as_json: JsonOption = False,
) -> None:
    """Show which lines, sections or words of many prompts mattered for their completions, and how sure that is."""
    from promptlight.cli.work.summarizing import summarize_results
    from promptlight.salience.text.spans import parse_cut

    if output is None:
        unused = ["format"] if picture.files else ["format", "overwrite"]
        refuse_given(context, unused, "without --output FILE")
    refuse_through_by(context, way)
    target, target_by = choose_target(target, target_by, way)
    question = GroupQuestion(
        by=parse_cut(by),
        group=group,
        target=target,
        target_by=parse_cut(target_by) if target_by else None,
        method=method,
        way=way,
        through_by=parse_cut(through_by),
    )
    chosen = ChosenResults(find_folder(results), ids=id, where=where, sections=sections)
    picture.check(as_json=as_json, overwrite=overwrite)
    summarize_results(
        chosen, question, picture, n_top=top, as_json=as_json, output=output, format=format, overwrite=overwrite
    )
