"""Change a prompt for ``try``: replace texts, put a file in front, or open the user's editor."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from promptlight.cli.options.changes import Changes
from promptlight.cli.work.editor import edit_text
from promptlight.salience.errors import InputError, UsageError
from promptlight.salience.text.editing import (
    Edit,
    apply_edits,
    asked_in,
    find_edits,
    find_text,
    parse_replacement,
    said_in,
)
from promptlight.salience.text.printable import quote
from promptlight.salience.types import Prompt


def change_prompt(prompt: Prompt, changes: Changes) -> Prompt:
    """The changed prompt. Raises UsageError if nothing changes."""
    changed = prompt

    def apply(edits: list[Edit]) -> Prompt:
        return apply_edits(changed, edits, id=f"{prompt.id} (changed)")

    for replacement in changes.replace or ():
        old, new = parse_replacement(replacement)
        places = find_text(changed, old)
        chosen = places if changes.replace_all else places[:1]
        _report_places(old, changed, places, chosen)
        changed = apply([Edit(start=place, stop=place + len(old), text=new) for place in chosen])
    if changes.prepend:
        start, _ = asked_in(changed)
        changed = apply([Edit(start=start, stop=start, text=_read_prefix(changes.prepend))])
    if changes.edit:
        start, stop = said_in(changed)[-1]
        said = changed.text[start:stop]
        changed = apply(find_edits(said, edit_text(said), start))
    if changed.text == prompt.text:
        raise UsageError("expected a change, found none: use --replace 'OLD=>NEW', --prepend-file FILE or --edit")
    return changed


def _report_places(old: str, prompt: Prompt, places: Sequence[int], chosen: Sequence[int]) -> None:
    """Say on stderr which of several places is changed."""
    if len(chosen) < len(places):
        first, *others = (str(prompt.text.count("\n", 0, place) + 1) for place in places)
        rest = f"line{'s' if len(others) > 1 else ''} {', '.join(others)}"
        print(
            f"changed {quote(old, 40)!r} in line {first}; it is in {rest} too: --all changes every one", file=sys.stderr
        )


def _read_prefix(path: Path) -> str:
    """A file's text followed by a blank line. Raises InputError if there is none."""
    try:
        text = path.read_text(encoding="utf-8-sig").strip("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(str(path), None, f"could not be read ({error}); expected a text file in UTF-8") from error
    if not text.strip():
        raise InputError(str(path), None, "expected some text, found none")
    return f"{text}\n\n"
