"""Edit a prompt's text and shift its chat turns and sections to match."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from promptlight.salience.errors import UsageError
from promptlight.salience.text.chat import MODEL
from promptlight.salience.types import Prompt, Section, Turn

ARROW = "=>"


@dataclass(frozen=True, kw_only=True)
class Edit:
    """Replace the characters start..stop with ``text``."""

    start: int
    stop: int
    text: str


@dataclass(frozen=True, kw_only=True)
class Replacement:
    """What to put in the place of ``old`` in each part of a prompt that has it; ``old`` None: of each whole part."""

    old: str | None
    new: str


def parse_replacement(choice: str) -> tuple[str, str]:
    """Split ``OLD=>NEW``. Raises UsageError for anything else."""
    old, arrow, new = choice.partition(ARROW)
    if not arrow or not old:
        raise UsageError(
            f"expected OLD{ARROW}NEW, as in 'try it{ARROW}leave it', found {choice!r}", parameters=("replace",)
        )
    return old, new


def find_text(prompt: Prompt, wanted: str) -> list[int]:
    """All places of a text in the editable parts of a prompt, left to right. Raises UsageError if there are none."""
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
    """The ranges of a prompt that may be edited: all of it, or a chat's turns without the format around them."""
    return [(turn.start, turn.stop) for turn in prompt.turns] or [(0, len(prompt.text))]


def asked_in(prompt: Prompt) -> tuple[int, int]:
    """The range of what the model answers: all of a prompt, or a chat's last turn that is not the model's."""
    asked = [(turn.start, turn.stop) for turn in prompt.turns if turn.role != MODEL]
    return asked[-1] if asked else said_in(prompt)[-1]


def find_edits(before: str, after: str, offset: int = 0) -> list[Edit]:
    """The edits that turn one text into the other, line by line; ``offset`` is where it starts in the prompt's text."""
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
    """A copy of the prompt with the edits applied and no given completion; a section left without text is dropped.

    Edits must be in order and must not overlap, each within one of the ranges of ``said_in``.
    """
    text, end = "", 0
    for edit in edits:
        text += prompt.text[end : edit.start] + edit.text
        end = edit.stop
    text += prompt.text[end:]
    turns = [_move_turn(turn, edits) for turn in prompt.turns]
    sections = [
        Section(name=one.name, start=_move(one.start, edits, after=True), stop=_move(one.stop, edits, after=False))
        for one in prompt.sections
    ]
    kept = tuple(section for section in sections if section.start < section.stop)
    parts = {"text": text, "turns": tuple(turns), "sections": kept}
    return dataclasses.replace(prompt, id=id, **parts, given_completion=None, fingerprint="")


def _move_turn(turn: Turn, edits: Sequence[Edit]) -> Turn:
    start, stop = _move(turn.start, edits, after=False), _move(turn.stop, edits, after=True)
    n_system = _move(turn.start + turn.n_system, edits, after=False) - start if turn.n_system else 0
    return Turn(role=turn.role, start=start, stop=stop, n_system=n_system)


def _move(place: int, edits: Sequence[Edit], *, after: bool) -> int:
    """Map a position of the old text to the new one; ``after`` puts it behind what is inserted right there."""
    moved = place
    for edit in edits:
        growth = len(edit.text) - (edit.stop - edit.start)
        if edit.stop < place or (edit.stop == place and (after or edit.start < edit.stop)):
            moved += growth
        elif edit.start < place:  # within the replaced text: move to its end or its start
            moved += (edit.start - place) + (len(edit.text) if after else 0)
    return moved
