"""``promptlight try``: change a prompt, and see how the answer and its reasons change."""

from __future__ import annotations

from typing import Annotated

import typer

from promptlight.cli.options.changes import Changes
from promptlight.cli.options.completion import complete_id
from promptlight.cli.options.drawing import Drawing
from promptlight.cli.options.given import names_of, refuse_given
from promptlight.cli.options.groups import with_groups
from promptlight.cli.options.parts import EachPart
from promptlight.cli.options.prompt_text import PromptText
from promptlight.cli.options.question import AskingTwo, refuse_through_by
from promptlight.cli.options.rerun import Rerun
from promptlight.cli.options.shared import (
    ChatForTextOption,
    FoilOption,
    ResultsOrPromptArgument,
    ShownMethodOption,
    StoredObjectiveOption,
    ThinkingOption,
    TopOption,
)
from promptlight.cli.work.live_model import build_live_model
from promptlight.cli.work.stored_results import SectionNames, find_stored, say_where_model_is
from promptlight.io.places import Place
from promptlight.io.results.folders import find_folder
from promptlight.salience.errors import UsageError
from promptlight.salience.types import Analysis, Prompt


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
    parts: EachPart,
    rerun: Rerun,
    chat: ChatForTextOption = False,
    thinking: ThinkingOption = False,
) -> None:
    """Change a prompt and compare: what the model writes before and after, and which parts of the text matter for it.

    Both prompts run now, with the same model; nothing is stored. With --each, one part of the prompt after the other is
    taken away, and what the model writes then is stored in the results folder: the same command resumes where it
    stopped.
    """
    from promptlight.cli.views.comparison import view_comparison
    from promptlight.cli.work.changed_prompt import change_prompt
    from promptlight.cli.work.comparing import explain_both
    from promptlight.io.results.reader import read_settings

    prompt = text.read()
    if results is not None and prompt is not None:
        raise UsageError("expected either a results folder or --prompt TEXT, found both: leave one out")
    folder = find_folder(results, instead="--prompt TEXT") if prompt is None else None
    if folder is not None:
        unused = ["chat", "thinking"]
        refuse_given(context, unused, "on a stored prompt: it is for a --prompt, or for `promptlight run`")
    else:
        refuse_given(context, ["id"], "on a --prompt: leave it out")
    _refuse_unused(context, changes, parts)
    names = SectionNames(asking.sections)
    drawing.check()
    asked = _find_asked(folder, id, prompt, chat=chat, thinking=thinking)
    if parts.is_asked:
        from promptlight.cli.work.trying_parts import AskedTarget, try_parts

        target = AskedTarget(choice=asking.target, cut=asking.target_by)
        drawing.draw(try_parts(asked, folder, parts, target, names, rerun, n_top=top, overwrite=drawing.overwrite))
        return
    refuse_through_by(context, asking.way)
    questions = asking.questions((method, method))
    original = asked if isinstance(asked, Prompt) else asked.completion.prompt
    changed = change_prompt(original, changes)
    stored, if_missing = (read_settings(folder), say_where_model_is(folder)) if folder else ({}, "")
    live = build_live_model(stored, rerun, method, if_missing=if_missing)
    live = live.asked_for(objective, foil)
    before, after = live.explain(original, changed)
    both, facts = explain_both((before, after), questions, names), live.describe_run()
    drawing.draw(view_comparison(*both, (facts, facts), n_top=top, title="promptlight try"))


def _find_asked(
    folder: Place | None, id: str | None, prompt: str | None, *, chat: bool, thinking: bool
) -> Prompt | Analysis:
    """The stored prompt with its result, or one made of a text."""
    from promptlight.io.prompts.reader import prompt_from_text

    if folder:
        return find_stored(folder, id=id)
    return prompt_from_text(prompt or "", chat=chat, thinking=thinking)


def _refuse_unused(context: typer.Context, changes: Changes, parts: EachPart) -> None:
    """Raise UsageError for options of a comparison with --each, and the other way round."""
    if parts.is_asked:
        unasked = [name for name in names_of(AskingTwo) if name not in ("target", "target_by", "sections")]
        unused = [*names_of(Changes), *unasked, "method", "objective", "foil"]
        refuse_given(context, unused, "with --each: every part of the prompt is tried, without scores")
    else:
        refuse_given(context, [name for name in names_of(EachPart) if name != "each"], "without --each CUT")
    if parts.output is None:
        refuse_given(context, ["format"], "without --output FILE")
    if not changes.replace:
        refuse_given(context, ["replace_all"], "without --replace 'OLD=>NEW'")
