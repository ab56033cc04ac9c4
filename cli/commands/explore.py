"""``promptlight explore``: a results folder as an app in the terminal."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from promptlight.cli.options.completion import complete_id
from promptlight.cli.options.groups import with_groups
from promptlight.cli.options.panels import DRAWING
from promptlight.cli.options.question import Asking
from promptlight.cli.options.rerun import Rerun
from promptlight.cli.options.shared import (
    ColoursOption,
    FoilOption,
    IntensityOption,
    MarkingOption,
    PaperOption,
    ResultsArgument,
    SpacingOption,
    StoredMethodOption,
    StoredObjectiveOption,
    WhereOption,
)
from promptlight.cli.views.look import NEUTRAL_INTENSITY, Paper, Spacing, Taste
from promptlight.cli.views.paper import find_paper
from promptlight.cli.work.live_model import build_live_model
from promptlight.cli.work.stored_results import SectionNames, say_where_model_is
from promptlight.io.page.colours import Colours
from promptlight.io.results.folders import find_folder
from promptlight.salience.errors import UsageError


@with_groups
def explore(
    results: ResultsArgument = None,
    id: Annotated[
        str | None,
        typer.Option("--id", help="Id of the prompt to open (default: the first).", autocompletion=complete_id),
    ] = None,
    *,
    row: Annotated[
        int | None,
        typer.Option("--row", help="Row of the prompt to open, of those that --where takes, from 0; -1 is the last."),
    ] = None,
    where: WhereOption = None,
    asking: Asking,
    method: StoredMethodOption = None,
    rerun: Rerun,
    objective: StoredObjectiveOption = None,
    foil: FoilOption = None,
    fold: Annotated[
        bool,
        typer.Option("--fold/--no-fold", help="Fold lines of the prompt that matter little.", rich_help_panel=DRAWING),
    ] = False,
    intensity: IntensityOption = NEUTRAL_INTENSITY,
    marking: MarkingOption = None,
    spacing: SpacingOption = Spacing.DENSE,
    paper: PaperOption = Paper.AUTO,
    colours: ColoursOption = Colours.SAFE,
) -> None:
    """Explore a results folder: choose prompts and targets with keys or mouse, compare, change and run again.

    Everything is read from the folder; only a changed prompt needs a model, and --model, --objective and --foil are for
    that. Press ? for all keys.
    """
    question, names = asking.question(method), SectionNames(asking.sections)
    from promptlight.cli.explorer.app import Explorer
    from promptlight.cli.explorer.library import Library
    from promptlight.io.prompts.selection import parse_condition
    from promptlight.io.results.reader import read_settings

    folder = find_folder(results)
    library = Library(folder, [parse_condition(condition) for condition in where or ()])
    opened = library.find_first(id, row)
    library.check_target(opened, question, names)
    live = build_live_model(read_settings(folder), rerun, if_missing=say_where_model_is(folder))
    live = live.asked_for(objective, foil)
    if not all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):
        raise UsageError("expected a terminal to draw on, found a pipe or a file: try `promptlight show`")
    paper = find_paper(unknown=Paper.DARK) if paper is Paper.AUTO else paper
    taste = Taste(intensity=intensity, marking=marking, spacing=spacing, paper=paper, colours=colours)
    app = Explorer(library, question=question, live=live, names=names, opened=opened, taste=taste, fold=fold)
    app.run()
    if app.running:
        # a model can't be stopped within a step, and a thread in torch would crash the interpreter's shutdown
        sys.stdout.flush()
        os._exit(0)
