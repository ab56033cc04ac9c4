"""``promptlight list``: what is in a results folder, a line for each prompt."""

from __future__ import annotations

from typing import Annotated

import typer

from promptlight.cli.options.given import refuse_given
from promptlight.cli.options.groups import with_groups
from promptlight.cli.options.picture import Picture
from promptlight.cli.options.shared import JsonOption, OverwriteOption, ResultsArgument, StoredMethodOption, WhereOption
from promptlight.io.results.folders import find_folder


@with_groups
def list_prompts(
    context: typer.Context,
    results: ResultsArgument = None,
    *,
    where: WhereOption = None,
    method: StoredMethodOption = None,
    limit: Annotated[int | None, typer.Option(min=1, metavar="N", help="List only the first N prompts.")] = None,
    picture: Picture,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """List what is in a results folder: each prompt's id, what was written, which line mattered most, what failed.

    The line is the strongest source of the last line that was written. A wide terminal shows more columns.
    """
    from promptlight.cli.work.listing import list_folder

    if not picture.files:
        refuse_given(context, ["overwrite"], "without a file to draw into")
    picture.check(as_json=as_json, overwrite=overwrite)
    list_folder(find_folder(results), picture, where=where or (), method=method, limit=limit, as_json=as_json)
