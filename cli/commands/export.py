"""``promptlight export``: stored results as one tidy table."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

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
    WhereOption,
)
from promptlight.cli.work.stored_results import ChosenResults, find_quantised
from promptlight.io.results.folders import find_folder
from promptlight.salience.text.printable import one_line
from promptlight.salience.types import Analysis, Pooling, SpanTable


def export(
    results: ResultsArgument = None,
    *,
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write: .parquet, .csv, .jsonl or .arrow.")],
    by: ByOption = "line",
    target_by: TargetByOption = None,
    pool: PoolOption = Pooling.SUM,
    sections: SectionsOption = None,
    method: StoredMethodOption = None,
    id: IdsOption = None,
    where: WhereOption = None,
    top: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Write only the N strongest sources of each target.")
    ] = None,
    format: FormatOption = None,
    overwrite: OverwriteOption = False,
) -> None:
    """Write one row per target span and source span, for pandas, DuckDB, Polars or a spreadsheet."""
    from promptlight.cli.views.quantised import describe_quantised
    from promptlight.io.tables.tidy import write_tidy_table
    from promptlight.salience.text.spans import parse_cut

    sources, targets = parse_cut(by), parse_cut(target_by) if target_by else None
    folder = find_folder(results)
    chosen = ChosenResults(folder, ids=id, where=where, sections=sections)

    def tables() -> Iterator[tuple[Analysis, SpanTable]]:
        from promptlight.salience.explain.span_scores import build_span_table, choose_targets

        for analysis in chosen:
            wanted = targets or choose_targets(analysis.map_by(method))
            yield analysis, build_span_table(analysis, targets=wanted, sources=sources, pooling=pool, method=method)

    n_rows = write_tidy_table(output, tables(), top=top, format=format, overwrite=overwrite)
    print(f"{n_rows:,} rows in {one_line(str(output))}")
    if note := describe_quantised(find_quantised(folder)):
        print(note)
    chosen.raise_damage()
