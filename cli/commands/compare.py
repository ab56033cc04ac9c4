"""``promptlight compare``: how an explanation changes from one prompt, run or model to another."""

from __future__ import annotations

from typing import Annotated

import typer

from promptlight.cli.options.completion import complete_folder, complete_id
from promptlight.cli.options.drawing import Drawing
from promptlight.cli.options.groups import with_groups
from promptlight.cli.options.panels import QUESTION
from promptlight.cli.options.question import AskingTwo, refuse_through_by
from promptlight.cli.options.shared import ResultsArgument, StoredMethodOption, TopOption
from promptlight.cli.work.stored_results import SectionNames
from promptlight.io.results.folders import find_folder
from promptlight.salience.types import Method


@with_groups
def compare(
    context: typer.Context,
    results: ResultsArgument = None,
    other: Annotated[
        str | None,
        typer.Argument(
            help="A second results folder, of another model or other settings (default: the same one).",
            autocompletion=complete_folder,
        ),
    ] = None,
    id: Annotated[
        str | None,
        typer.Option(
            "--id",
            help="Id of the prompt; without it, a line for each prompt that both folders have.",
            autocompletion=complete_id,
        ),
    ] = None,
    other_id: Annotated[
        str | None,
        typer.Option(
            "--with", help="Id of the prompt to compare with (default: the same id).", autocompletion=complete_id
        ),
    ] = None,
    *,
    asking: AskingTwo,
    method: StoredMethodOption = None,
    other_method: Annotated[
        Method | None,
        typer.Option(
            "--other-method",
            help="Method for the second prompt (default: the same).",
            rich_help_panel=QUESTION,
        ),
    ] = None,
    top: TopOption = 8,
    drawing: Drawing,
) -> None:
    """Compare two prompts, runs or models: what was written, which parts of the texts changed, and whose share moved.

    Two prompts of a folder: --id and --with. The same prompt in two folders: --id. All prompts of two folders: neither.
    """
    from promptlight.cli.work.comparing import view_compared

    refuse_through_by(context, asking.way)
    questions, names = asking.questions((method, other_method or method)), SectionNames(asking.sections)
    drawing.check()
    folders = find_folder(results), None if other is None else find_folder(other)
    drawing.draw(view_compared(folders, (id, other_id), questions, names, n_top=top))
