"""``promptlight try``: change a prompt, and see what that does to the answer and to its reasons."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from promptlight.cli.commands.compare import draw_comparison
from promptlight.cli.options.drawing import Drawing
from promptlight.cli.options.groups import with_groups
from promptlight.cli.options.question import AskingTwo
from promptlight.cli.options.shared import ChatOption, Device, DeviceOption, Dtype, ShownMethodOption, TopOption
from promptlight.cli.work.live_model import build_live_model
from promptlight.cli.work.stored_results import SectionNames, find_stored
from promptlight.salience.errors import InputError, UsageError
from promptlight.salience.types import Prompt

if TYPE_CHECKING:
    from promptlight.salience.text.editing import Edit

AS_STORED = "default: the folder's own, for a --prompt "


@with_groups
def attempt(
    results: Annotated[Path | None, typer.Argument(help="A results folder; or say --prompt.")] = None,
    id: Annotated[str | None, typer.Option("--id", help="Which of its prompts (default: the first).")] = None,
    prompt: Annotated[str | None, typer.Option("--prompt", "-p", help="Change this text instead.")] = None,
    replace: Annotated[
        list[str] | None, typer.Option("--replace", metavar="OLD=>NEW", help="Change the first OLD; repeatable.")
    ] = None,
    replace_all: Annotated[bool, typer.Option("--all", help="Change every OLD, not the first one alone.")] = False,
    prepend: Annotated[
        Path | None, typer.Option("--prepend-file", metavar="FILE", help="Put a file's text before the prompt.")
    ] = None,
    edit: Annotated[bool, typer.Option("--edit", help="Change the text in $EDITOR.")] = False,
    *,
    asking: AskingTwo,
    method: ShownMethodOption = None,
    top: TopOption = 8,
    drawing: Drawing,
    model: Annotated[str | None, typer.Option("--model", "-m", help=f"As in run ({AS_STORED}demo).")] = None,
    device: DeviceOption = Device.AUTO,
    dtype: Annotated[Dtype | None, typer.Option(help=f"The weights' precision ({AS_STORED}auto).")] = None,
    max_new_tokens: Annotated[int | None, typer.Option(min=1, help=f"Longest completion ({AS_STORED}64).")] = None,
    chat: ChatOption = False,
) -> None:
    """Change a prompt and compare: what the model writes before and after, and which parts of the text matter for it.

    Both are run now, with the same model; nothing is stored.
    """
    from promptlight.io.results.reader import read_settings
    from promptlight.salience.explain.explanation import explain_target

    if (results is None) == (prompt is None):
        raise UsageError("expected either a results folder or --prompt TEXT, found both or neither")
    (question, other), names = asking.questions((method, method)), SectionNames(asking.sections)
    drawing.check()
    original = read_original(results, id, prompt, chat)
    changed = change_prompt(original, replace or [], replace_all, prepend, edit)
    live = build_live_model(
        read_settings(results) if results else {},
        model=model,
        device=device,
        dtype=dtype,
        max_new_tokens=max_new_tokens,
        method=method,
    )
    before, after = live.explain(original, changed)
    draw_comparison(
        explain_target(names.give(before, question.by), question),
        explain_target(names.give(after, other.by), other),
        drawing,
        n_top=top,
        title="promptlight try",
    )


def read_original(results: Path | None, id: str | None, text: str | None, chat: bool) -> Prompt:
    """The prompt as it is, from a folder or from the command line."""
    from promptlight.io.prompts.reader import prompt_from_text

    return find_stored(results, id=id).completion.prompt if results else prompt_from_text(text or "", chat=chat)


def change_prompt(prompt: Prompt, replacements: list[str], every: bool, prepend: Path | None, edit: bool) -> Prompt:
    """The prompt as it is to be tried. Raises UsageError where nothing changes."""
    from promptlight.cli.work.editor import edit_text
    from promptlight.salience.text.editing import Edit, apply_edits, find_edits, find_text, parse_replacement, said_in

    changed = prompt

    def apply(edits: list[Edit]) -> Prompt:
        return apply_edits(changed, edits, id=f"{prompt.id} (changed)")

    for replacement in replacements:
        old, new = parse_replacement(replacement)
        places = find_text(changed, old)
        chosen = places if every else places[:1]
        report_places(old, changed, places, chosen)
        changed = apply([Edit(start=place, stop=place + len(old), text=new) for place in chosen])
    start, stop = said_in(changed)[-1]
    if prepend:
        changed = apply([Edit(start=start, stop=start, text=read_prefix(prepend))])
        start, stop = said_in(changed)[-1]
    if edit:
        said = changed.text[start:stop]
        changed = apply(find_edits(said, edit_text(said), start))
    if changed.text == prompt.text:
        raise UsageError("expected a change, found none: say --replace 'OLD=>NEW', --prepend-file FILE or --edit")
    return changed


def report_places(old: str, prompt: Prompt, places: list[int], chosen: list[int]) -> None:
    """On stderr, which of several places is changed."""
    from promptlight.salience.text.printable import quote

    if len(chosen) < len(places):
        first, *others = (str(prompt.text.count("\n", 0, place) + 1) for place in places)
        rest = f"line{'s' if len(others) > 1 else ''} {', '.join(others)}"
        typer.echo(
            f"changed {quote(old, 40)!r} in line {first}; it is in {rest} too: --all changes every one", err=True
        )


def read_prefix(path: Path) -> str:
    """A file's text with a blank line behind it."""
    try:
        text = path.read_text(encoding="utf-8").strip("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(str(path), None, f"could not be read ({error}); expected a text file in UTF-8") from error
    if not text.strip():
        raise InputError(str(path), None, "expected some text, found none")
    return f"{text}\n\n"
