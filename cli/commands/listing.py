"""``promptlight list``: what is in a results folder, a line for each prompt."""

from __future__ import annotations

from typing import Annotated

import typer

from promptlight.cli.options.shared import JsonOption, ResultsArgument, StoredMethodOption, WhereOption
from promptlight.io.results.folders import find_folder


def list_prompts(
    results: ResultsArgument = None,
    where: WhereOption = None,
    method: StoredMethodOption = None,
    limit: Annotated[int | None, typer.Option(min=1, metavar="N", help="List only the first N prompts.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List what is in a results folder: each prompt's id, what was written, which line mattered most, what failed.

    The line is the strongest source of the last line that was written. A wide terminal shows more columns.
    """
    from promptlight.cli.work.listing import list_folder

    list_folder(find_folder(results), where=where or (), method=method, limit=limit, as_json=as_json)
