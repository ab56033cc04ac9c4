"""``promptlight report``: stored results as one page that opens in any browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from promptlight.cli.chosen import ChosenResults
from promptlight.cli.options import IdsOption, SectionsOption, StoredMethodOption, WhereOption
from promptlight.cli.trusting import StoredTrust
from promptlight.salience.types import Granularity


def report(
    results: Annotated[Path, typer.Argument(help="A results folder that `promptlight run` made.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The HTML file to write.")],
    title: Annotated[str, typer.Option(help="The page's heading.")] = "Why did the model write that?",
    sections: SectionsOption = None,
    method: StoredMethodOption = None,
    where: WhereOption = None,
    id: IdsOption = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")] = False,
) -> None:
    """Write one self-contained HTML page, for colleagues who have no terminal.

    It opens from disk and loads nothing: choose a part of what the model wrote, and see what it was because of.
    """
    from promptlight.cli.views.colours import list_ramps
    from promptlight.io.files import check_free
    from promptlight.io.report import write_report
    from promptlight.salience.aggregation import find_segmentation
    from promptlight.salience.spans import describe_spans

    check_free(output, overwrite=overwrite)
    chosen = ChosenResults(results, ids=id, where=where, sections=sections, method=method)
    pairs = (
        (analysis, describe_spans(analysis.completion, find_segmentation(analysis, Granularity.SECTION)))
        for analysis in chosen
    )
    n_prompts = write_report(output, pairs, title=title, ramps=list_ramps(), trust=StoredTrust(results).describe)
    print(f"{n_prompts} prompts in {output} ({output.stat().st_size / 1000:,.0f} kB); open it in a browser")
    chosen.raise_damage()
