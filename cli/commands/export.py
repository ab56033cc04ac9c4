"""``promptlight export``: stored results as one tidy table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from promptlight.cli.options.given import refuse_given
from promptlight.cli.options.panels import OUTPUT, QUESTION
from promptlight.cli.options.shared import (
    ByOption,
    FormatOption,
    IdsOption,
    OverwriteOption,
    PoolOption,
    ResultsArgument,
    SectionsOption,
    StoredMethodOption,
    TargetByOption,
    ThroughByOption,
    WhereOption,
    target_option,
)
from promptlight.cli.work.stored_results import ChosenResults
from promptlight.io.results.folders import find_folder
from promptlight.salience.types import Pooling, Way

OUTPUT_HELP = (
    "File to write: .parquet, .csv, .jsonl, .arrow, .sqlite or .duckdb; - is standard output, in the --format given."
)
TargetOption = Annotated[
    str | None,
    target_option(
        "Write the rows of this target only: a span's number, some of its text, or a pattern (default: all)."
    ),
]
WaysOption = Annotated[
    bool,
    typer.Option(
        "--ways",
        help="Fill the columns direct, through and total: the part of a target that comes from a source directly, "
        "through the model's own words before it, and in all.",
        rich_help_panel=QUESTION,
    ),
]


def export(
    context: typer.Context,
    results: ResultsArgument = None,
    *,
    output: Annotated[Path, typer.Option("--output", "-o", help=OUTPUT_HELP)],
    by: ByOption = "line",
    target: TargetOption = None,
    target_by: TargetByOption = None,
    pool: PoolOption = Pooling.SUM,
    ways: WaysOption = False,
    through_by: ThroughByOption = "token",
    sections: SectionsOption = None,
    method: StoredMethodOption = None,
    id: IdsOption = None,
    where: WhereOption = None,
    top: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Write only the N strongest sources of each target.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    format: FormatOption = None,
    overwrite: OverwriteOption = False,
) -> None:
    """Write one row per target span and source span, for pandas, DuckDB, Polars, Datasette or a spreadsheet."""
    from promptlight.cli.work.exporting import export_results
    from promptlight.salience.explain.explanation import Question
    from promptlight.salience.text.spans import parse_cut

    if not ways:
        refuse_given(context, ["through_by"], "without --ways")
    question = Question(
        by=parse_cut(by),
        target=target,
        target_by=parse_cut(target_by) if target_by else None,
        pooling=pool,
        method=method,
        way=Way.ALL if ways else Way.DIRECT,
        through_by=parse_cut(through_by),
    )
    chosen = ChosenResults(find_folder(results), ids=id, where=where, sections=sections)
    export_results(chosen, question, output, top=top, format=format, overwrite=overwrite)
