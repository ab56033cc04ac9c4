"""``promptlight try``: change a prompt, and see how the answer and its reasons change."""

from __future__ import annotations

from typing import Annotated

import typer

from promptlight.cli.options.changes import Changes
from promptlight.cli.options.completion import complete_id
from promptlight.cli.options.drawing import Drawing
from promptlight.cli.options.given import refuse_given
from promptlight.cli.options.groups import with_groups
from promptlight.cli.options.prompt_text import PromptText
from promptlight.cli.options.question import AskingTwo, refuse_through_by
from promptlight.cli.options.rerun import Rerun
from promptlight.cli.options.shared import (
    ChatOption,
    FoilOption,
    ResultsOrPromptArgument,
    ShownMethodOption,
    StoredObjectiveOption,
    TopOption,
)
from promptlight.cli.work.live_model import build_live_model
from promptlight.cli.work.stored_results import SectionNames, find_stored, say_where_model_is
from promptlight.io.results.folders import find_folder
from promptlight.salience.errors import UsageError


@with_groups
def attempt(
    context: typer.Context,
    results: ResultsOrPromptArgument = None,
    id: Annotated[
        str | None,
        typer.Option(
            "--id", help="Id of the stored prompt to change (default: the first).", autocompletion=complete_id
        ),
    ] = None,
    *,
    text: PromptText,
    changes: Changes,
    asking: AskingTwo,
    method: ShownMethodOption = None,
    top: TopOption = 8,
    drawing: Drawing,
    objective: StoredObjectiveOption = None,
    foil: FoilOption = None,
    rerun: Rerun,
    chat: ChatOption = False,
) -> None:
    """Change a prompt and compare: what the model writes before and after, and which parts of the text matter for it.

    Both prompts run now, with the same model; nothing is stored.
    """
    from promptlight.cli.views.comparison import view_comparison
    from promptlight.cli.work.changed_prompt import change_prompt
    from promptlight.cli.work.comparing import explain_both
    from promptlight.io.prompts.reader import prompt_from_text
    from promptlight.io.results.reader import read_settings

    prompt = text.read()
    if results is not None and prompt is not None:
        raise UsageError("expected either a results folder or --prompt TEXT, found both: leave one out")
    if prompt is None:
        results = find_folder(results, instead="--prompt TEXT")
        refuse_given(context, ["chat"], "on a stored prompt: it is for a --prompt, or for `promptlight run`")
    else:
        refuse_given(context, ["id"], "on a --prompt: leave it out")
    if not changes.replace:
        refuse_given(context, ["replace_all"], "without --replace 'OLD=>NEW'")
    refuse_through_by(context, asking.way)
    questions, names = asking.questions((method, method)), SectionNames(asking.sections)
    drawing.check()
    original = find_stored(results, id=id).completion.prompt if results else prompt_from_text(prompt or "", chat=chat)
    changed = change_prompt(original, changes)
    stored, if_missing = (read_settings(results), say_where_model_is(results)) if results else ({}, "")
    live = build_live_model(stored, rerun, method, if_missing=if_missing)
    live = live.asked_for(objective, foil)
    before, after = live.explain(original, changed)
    drawing.draw(view_comparison(*explain_both((before, after), questions, names), n_top=top, title="promptlight try"))
