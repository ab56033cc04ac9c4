"""``promptlight report``: write stored results as one page that opens in any browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from promptlight.cli.options.completion import complete_folder
from promptlight.cli.options.groups import with_groups
from promptlight.cli.options.opening import PageOpening
from promptlight.cli.options.shared import IdsOption, OverwriteOption, SectionsOption, WhereOption
from promptlight.cli.work.stored_results import ChosenResults
from promptlight.io.results.folders import find_folder
from promptlight.salience.text.printable import one_line


@with_groups
def report(
    results: Annotated[
        list[str] | None,
        typer.Argument(
            autocompletion=complete_folder,
            help="Results folders (default: results/, if there is one); several, of other models or settings, are put"
            " on one page to compare.",
        ),
    ] = None,
    *,
    output: Annotated[Path, typer.Option("--output", "-o", help="HTML file to write.")],
    title: Annotated[
        str | None, typer.Option(help="Heading of the page (default: “Why did the model write that?”).")
    ] = None,
    sections: SectionsOption = None,
    where: WhereOption = None,
    id: IdsOption = None,
    overwrite: OverwriteOption = False,
    opening: PageOpening,
) -> None:
    """Write one self-contained HTML page, for colleagues who have no terminal.

    It opens from disk and loads nothing: choose a part of what the model wrote, and see what mattered for it. Many
    options only say how it opens; readers can choose otherwise.
    """
    from promptlight.cli.work.report_entries import ReportEntries
    from promptlight.io.files import check_free, choose_aside, is_stream
    from promptlight.io.page.write import write_report

    check_free(output, overwrite=overwrite)
    question = opening.question()
    folders = [
        ChosenResults(path, ids=id, where=where, sections=sections) for path in map(find_folder, results or [None])
    ]
    entries = ReportEntries(folders, question, opening.start)
    n_prompts = write_report(
        output,
        entries,
        title=title,
        opening=opening.describe(),
        sources=entries.sources,
        everything=entries.everything,
    )
    aside = choose_aside(output)
    size = "" if is_stream(output) else f" ({output.stat().st_size / 1000:,.0f} kB)"
    print(f"{n_prompts} prompts in {one_line(str(output))}{size}; open it in a browser", file=aside)
    if entries.without_target:
        print(entries.describe_missing(n_prompts), file=aside)
    entries.raise_damage()
