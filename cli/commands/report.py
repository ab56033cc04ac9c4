"""``promptlight report``: stored results as one page that opens in any browser."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from promptlight.cli.options.shared import IdsOption, OverwriteOption, SectionsOption, StoredMethodOption, WhereOption
from promptlight.cli.work.stored_results import ChosenResults
from promptlight.cli.work.stored_trust import StoredTrust
from promptlight.salience.text.printable import one_line
from promptlight.salience.types import Method

if TYPE_CHECKING:
    from promptlight.io.page.record import ReportEntry


def report(
    results: Annotated[
        list[Path], typer.Argument(help="Results folders; several, of other models or settings, can be compared.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The HTML file to write.")],
    title: Annotated[str, typer.Option(help="The page's heading.")] = "Why did the model write that?",
    sections: SectionsOption = None,
    method: StoredMethodOption = None,
    where: WhereOption = None,
    id: IdsOption = None,
    overwrite: OverwriteOption = False,
) -> None:
    """Write one self-contained HTML page, for colleagues who have no terminal.

    It opens from disk and loads nothing: choose a part of what the model wrote, and see what it was because of.
    """
    from promptlight.io.files import check_free
    from promptlight.io.page.colours import list_ramps
    from promptlight.io.page.write import write_report

    check_free(output, overwrite=overwrite)
    folders = [ChosenResults(path, ids=id, where=where, sections=sections) for path in results]
    n_prompts = write_report(output, list_entries(folders, method), title=title, ramps=list_ramps())
    print(
        f"{n_prompts} prompts in {one_line(str(output))} ({output.stat().st_size / 1000:,.0f} kB); open it in a browser"
    )
    for chosen in folders:
        chosen.raise_damage()


def list_entries(folders: Sequence[ChosenResults], method: Method | None) -> Iterator[ReportEntry]:
    """All prompts of the folders; where there are several, each prompt's name says which one it is of."""
    from promptlight.io.page.record import ReportEntry

    for chosen in folders:
        trust = StoredTrust(chosen.folder)
        for analysis in chosen:
            id = analysis.completion.prompt.id
            yield ReportEntry(
                analysis=analysis,
                name=id if len(folders) == 1 else f"{id} ({chosen.folder})",
                trust=trust.describe,
                method=method,
            )
