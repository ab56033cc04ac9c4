"""List the prompts for ``report``, from one folder or several."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from promptlight.cli.views.quantised import describe_quantised
from promptlight.cli.work.stored_results import ChosenResults, find_quantised
from promptlight.cli.work.stored_trust import StoredTrust
from promptlight.salience.types import Method

if TYPE_CHECKING:
    from promptlight.io.page.record import ReportEntry


def list_entries(folders: Sequence[ChosenResults], method: Method | None) -> Iterator[ReportEntry]:
    """All prompts of the folders; with several folders, each prompt's name includes its folder."""
    from promptlight.io.page.record import ReportEntry

    for chosen in folders:
        trust = StoredTrust(chosen.folder)
        quantised = describe_quantised(find_quantised(chosen.folder))
        for analysis in chosen:
            id = analysis.completion.prompt.id
            yield ReportEntry(
                analysis=analysis,
                name=id if len(folders) == 1 else f"{id} ({chosen.folder})",
                trust=trust.describe,
                method=method,
                quantised=quantised,
            )
