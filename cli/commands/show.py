"""``promptlight show``: one prompt as coloured text."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from promptlight.cli.options.completing import Completing
from promptlight.cli.options.completion import complete_id
from promptlight.cli.options.drawing import Drawing
from promptlight.cli.options.given import names_of, refuse_given
from promptlight.cli.options.groups import with_groups
from promptlight.cli.options.panels import DRAWING
from promptlight.cli.options.prompt_text import PromptText
from promptlight.cli.options.question import Asking, refuse_through_by
from promptlight.cli.options.shared import FoldOption, ResultsOrPromptArgument, ShownMethodOption, TopOption
from promptlight.cli.work.live_model import LiveModel
from promptlight.cli.work.stored_results import SectionNames, find_stored
from promptlight.cli.work.stored_trust import StoredTrust
from promptlight.io.results.folders import find_folder
from promptlight.salience.errors import UsageError

MatrixOption = Annotated[
    bool,
    typer.Option(
        "--matrix",
        help="Show a matrix: a row per target, a column per source.",
        rich_help_panel=DRAWING,
    ),
]


@with_groups
def show(
    context: typer.Context,
    results: ResultsOrPromptArgument = None,
    id: Annotated[
        str | None, typer.Option("--id", help="Id of the prompt to show.", autocompletion=complete_id)
    ] = None,
    row: Annotated[
        int | None,
        typer.Option("--row", help="Row of the prompt to show, from 0; -1 is the last (default: the first)."),
    ] = None,
    *,
    text: PromptText,
    asking: Asking,
    method: ShownMethodOption = None,
    matrix: MatrixOption = False,
    fold: FoldOption = None,
    top: TopOption = 8,
    drawing: Drawing,
    completing: Completing,
) -> None:
    """Show why a completion was written: its prompt, shaded by how much each part mattered.

    Stored results need no model. With --prompt, the model options say what completes the text.
    """
    from promptlight.cli.views.heatmap import view_explanation
    from promptlight.cli.work.tried_folders import say_tried_folders
    from promptlight.io.prompts.reader import prompt_from_text
    from promptlight.io.results.facts import read_facts
    from promptlight.salience.explain.explanation import explain_target

    prompt = text.read()
    if results is not None and prompt is not None:
        raise UsageError("expected either a results folder or --prompt TEXT, found both: leave one out")
    folder = find_folder(results, instead="--prompt TEXT") if prompt is None else None
    if folder is not None:
        refuse_given(context, names_of(Completing), "on stored results: it is for a --prompt, or for `promptlight run`")
    else:
        refuse_given(context, ("id", "row"), "on a --prompt: leave it out")
    if matrix:
        refuse_given(context, ["fold"], "on a --matrix: it is for the text")
    refuse_through_by(context, asking.way)
    question, names = asking.question(method), SectionNames(asking.sections)  # before a model is loaded
    if matrix:
        question = replace(question, target=asking.target)  # None is all, whatever the way
    drawing.check()
    if folder is not None:
        analysis, facts = find_stored(folder, id=id, row=row), read_facts(folder)
    else:
        live = LiveModel(
            model=completing.model,
            adapter=completing.adapter,
            device=completing.device,
            dtype=completing.dtype,
            options=completing.options(method),
            chat=completing.chat,
        )
        (analysis,) = live.explain(prompt_from_text(prompt or "", chat=completing.chat, thinking=completing.thinking))
        facts = live.describe_run()
    explanation = explain_target(names.give(analysis, question.by), question)
    trust = StoredTrust(folder).describe(analysis, explanation.salience.method, explanation.targets, asking.way)
    said = explanation, trust, facts
    drawing.draw(view_explanation(*said, matrix=matrix, fold=fold, n_top=top, title="promptlight show"))
    if folder is not None:
        say_tried_folders(folder)
