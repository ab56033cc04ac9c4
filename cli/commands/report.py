"""``promptlight report``: write stored results as one page that opens in any browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from promptlight.cli.options.completion import complete_folder
from promptlight.cli.options.shared import (
    ColoursOption,
    IdsOption,
    OverwriteOption,
    SectionsOption,
    StoredMethodOption,
    WayOption,
    WhereOption,
)
from promptlight.cli.work.stored_results import ChosenResults
from promptlight.io.page.colours import Colours
from promptlight.io.results.folders import find_folder
from promptlight.salience.text.printable import one_line
from promptlight.salience.types import Way


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
    title: Annotated[str, typer.Option(help="Heading of the page.")] = "Why did the model write that?",
    sections: SectionsOption = None,
    method: StoredMethodOption = None,
    where: WhereOption = None,
    id: IdsOption = None,
    colours: ColoursOption = Colours.SAFE,
    way: WayOption = Way.DIRECT,
    overwrite: OverwriteOption = False,
) -> None:
    """Write one self-contained HTML page, for colleagues who have no terminal.

    It opens from disk and loads nothing: choose a part of what the model wrote, and see what mattered for it.
    """
    from promptlight.cli.work.report_entries import list_entries
    from promptlight.io.files import check_free, choose_aside, is_stream
    from promptlight.io.page.colours import list_ramps
    from promptlight.io.page.write import write_report

    check_free(output, overwrite=overwrite)
    folders = [
        ChosenResults(path, ids=id, where=where, sections=sections) for path in map(find_folder, results or [None])
    ]
    entries = list_entries(folders, method)
    n_prompts = write_report(output, entries, title=title, ramps=list_ramps(), colours=colours, way=way)
    size = "" if is_stream(output) else f" ({output.stat().st_size / 1000:,.0f} kB)"
    print(f"{n_prompts} prompts in {one_line(str(output))}{size}; open it in a browser", file=choose_aside(output))
    for chosen in folders:
        chosen.raise_damage()
