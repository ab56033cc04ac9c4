"""Changes to a prompt's text, with its chat turns and sections moved along."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from promptlight.salience.errors import UsageError
from promptlight.salience.types import Prompt, Section, Turn

ARROW = "=>"


@dataclass(frozen=True, kw_only=True)
class Edit:
    """``text`` in the place of the characters from ``start`` to before ``stop``."""

    start: int
    stop: int
    text: str


def parse_replacement(choice: str) -> tuple[str, str]:
    """``OLD=>NEW`` in two. Raises UsageError for anything else."""
    old, arrow, new = choice.partition(ARROW)
    if not arrow or not old:
        raise UsageError(f"--replace: expected OLD{ARROW}NEW, as in 'try it{ARROW}leave it', found {choice!r}")
    return old, new


def find_text(prompt: Prompt, wanted: str) -> list[int]:
    """Where a text stands in what was said, all places from left to right. Raises UsageError if nowhere."""
    places: list[int] = []
    for start, stop in said_in(prompt):
        place = prompt.text.find(wanted, start, stop)
        while place >= 0:
            places.append(place)
            place = prompt.text.find(wanted, place + len(wanted), stop)
    if not places:
        raise UsageError(f"expected {wanted!r} in the prompt {prompt.id}, found it nowhere; copy it from there")
    return places


def said_in(prompt: Prompt) -> list[tuple[int, int]]:
    """The ranges of a prompt that may be changed: all of it, or a chat's turns without the format around them."""
    return [(turn.start, turn.stop) for turn in prompt.turns] or [(0, len(prompt.text))]


def find_edits(before: str, after: str, offset: int = 0) -> list[Edit]:
    """The edits that make one text of the other, line by line; ``offset`` is where the text begins in the prompt's."""
    lines, others = before.splitlines(keepends=True), after.splitlines(keepends=True)
    places = [offset]
    for line in lines:
        places.append(places[-1] + len(line))
    return [
        Edit(start=places[left], stop=places[left_stop], text="".join(others[right:right_stop]))
        for kind, left, left_stop, right, right_stop in SequenceMatcher(
            None, lines, others, autojunk=False
        ).get_opcodes()
        if kind != "equal"
    ]


def apply_edits(prompt: Prompt, edits: Sequence[Edit], *, id: str) -> Prompt:
    """A new prompt without a target; a section that loses all its text is gone.

    Edits are in order, apart from each other, and each within one of ``said_in``'s ranges.
    """
    text, end = "", 0
    for edit in edits:
        text += prompt.text[end : edit.start] + edit.text
        end = edit.stop
    text += prompt.text[end:]
    turns = [
        Turn(role=turn.role, start=_move(turn.start, edits, after=False), stop=_move(turn.stop, edits, after=True))
        for turn in prompt.turns
    ]
    sections = [
        Section(name=one.name, start=_move(one.start, edits, after=True), stop=_move(one.stop, edits, after=False))
        for one in prompt.sections
    ]
    kept = tuple(section for section in sections if section.start < section.stop)
    parts = {"text": text, "turns": tuple(turns), "sections": kept}
    return dataclasses.replace(prompt, id=id, **parts, given_completion=None, fingerprint="")


def _move(place: int, edits: Sequence[Edit], *, after: bool) -> int:
    """Where a position of the old text is in the new one; ``after``: what is inserted right there stands before it."""
    moved = place
    for edit in edits:
        growth = len(edit.text) - (edit.stop - edit.start)
        if edit.stop < place or (edit.stop == place and (after or edit.start < edit.stop)):
            moved += growth
        elif edit.start < place:  # inside what is replaced: its end for a start, its start for an end
            moved += (edit.start - place) + (len(edit.text) if after else 0)
    return moved
