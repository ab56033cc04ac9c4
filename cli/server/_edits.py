"""Put new texts in the place of a prompt's turns; sections and turns move along."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import SequenceMatcher

from promptlight.salience.errors import UsageError
from promptlight.salience.text.editing import Edit, apply_edits, find_edits, said_in
from promptlight.salience.types import Prompt

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_WINDOWS = "\r\n"


def change_turns(prompt: Prompt, texts: Mapping[int, str]) -> Prompt:
    """The prompt with these texts, by number of the turn; a plain prompt is turn 0.

    Raises UsageError for a turn that it does not have.
    """
    ranges = said_in(prompt)
    edits: list[Edit] = []
    for turn, text in sorted(texts.items()):
        if not 0 <= turn < len(ranges):
            raise UsageError(f"{prompt.id}: expected a turn from 0 to {len(ranges) - 1}, found {turn}")
        start, stop = ranges[turn]
        before = prompt.text[start:stop]
        edits += find_edits(before, _restore_line_ends(before, text), start)
    return apply_edits(prompt, edits, id=prompt.id)


def _restore_line_ends(before: str, after: str) -> str:
    """The new text with the line ends of the old one: a browser's text field turns them all into line feeds.

    A line that is new gets the old text's first line end.
    """
    if "\r" not in before or "\r" in after:
        return after
    old, new = _LINE.findall(before), _LINE.findall(after)
    seen = [line.replace(_WINDOWS, "\n").replace("\r", "\n") for line in old]
    first = _WINDOWS if _WINDOWS in old[0] else "\r" if "\r" in old[0] else "\n"
    texts: list[str] = []
    for kind, left, left_stop, right, right_stop in SequenceMatcher(None, seen, new, autojunk=False).get_opcodes():
        kept = old[left:left_stop] if kind == "equal" else [line.replace("\n", first) for line in new[right:right_stop]]
        texts += kept
    return "".join(texts)
