"""``promptlight why``: which part of the prompt made the model write that, tested by writing again."""

from __future__ import annotations

from typing import Annotated

import typer

from promptlight.cli.options.completion import complete_cut, complete_folder, complete_id
from promptlight.cli.options.drawing import Drawing
from promptlight.cli.options.given import refuse_given
from promptlight.cli.options.groups import with_groups
from promptlight.cli.options.panels import CHANGE, QUESTION
from promptlight.cli.options.prompt_text import PromptFileOption
from promptlight.cli.options.rerun import Rerun
from promptlight.cli.options.shared import (
    HOW_TO_CUT,
    ChatForTextOption,
    SectionsOption,
    ShownMethodOption,
    TargetByOption,
    ThinkingOption,
    target_option,
)
from promptlight.cli.work.stored_results import SectionNames

ReplaceOption = Annotated[
    str | None,
    typer.Option(
        "--replace",
        metavar="[OLD=>]NEW",
        help="Put this in place of the strongest part, or of OLD in it, instead of taking it away.",
        rich_help_panel=CHANGE,
    ),
]
TargetOption = Annotated[
    str | None,
    target_option("What to explain: a part of the completion by number, text or pattern (default: its last line)."),
]
PartsOption = Annotated[
    str | None,
    typer.Option(
        "--by",
        metavar="CUT",
        autocompletion=complete_cut,
        help=f"How the prompt is cut into parts: {HOW_TO_CUT} (default: line, or finer if there is only one).",
        rich_help_panel=QUESTION,
    ),
]


@with_groups
def why(
    context: typer.Context,
    named: Annotated[
        str | None,
        typer.Argument(
            autocompletion=complete_folder,
            metavar="[TEXT|RESULTS]",
            help="The text of a prompt; - is stdin; with --id, a results folder (default: results/).",
        ),
    ] = None,
    id: Annotated[
        str | None, typer.Option("--id", help="Id of a stored prompt, instead of a text.", autocompletion=complete_id)
    ] = None,
    prompt_file: PromptFileOption = None,
    *,
    target: TargetOption = None,
    target_by: TargetByOption = None,
    by: PartsOption = None,
    sections: SectionsOption = None,
    method: ShownMethodOption = None,
    replace: ReplaceOption = None,
    top: Annotated[
        int,
        typer.Option(
            min=1,
            metavar="N",
            help="Number of strongest parts to take away, each alone.",
            rich_help_panel=CHANGE,
        ),
    ] = 5,
    drawing: Drawing,
    rerun: Rerun,
    chat: ChatForTextOption = False,
    thinking: ThinkingOption = False,
) -> None:
    """Say why the model wrote something, and test that by writing again.

    Finds the part of the prompt with the most salience for the model's last line, or for --target, takes it away, and
    lets the model write again. The next strongest parts are tried, too, and a weak one for comparison. The answer is
    stored in the results folder: from then on, show and report print it.
    """
    from promptlight.cli.work.asking_why import ask_why, find_asked
    from promptlight.salience.explain.explanation import Question
    from promptlight.salience.text.spans import parse_cut

    question = Question(target=target, target_by=parse_cut(target_by or "line"), method=method)
    cut, names = parse_cut(by) if by else None, SectionNames(sections)
    drawing.check()
    asked, folder = find_asked(named, prompt_file, id, chat=chat, thinking=thinking)
    if folder:
        refuse_given(context, ["chat", "thinking"], "on a stored prompt: it is for a text, or for `promptlight run`")
    drawing.draw(ask_why(asked, folder, question, names, rerun, by=cut, n_top=top, replacement=replace))
