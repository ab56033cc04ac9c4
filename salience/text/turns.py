"""Lay out a chat as a model's format has it, and say what of it the model reads as marks.

The reader of prompts knows no model: it writes Gemma 3's format, with the system's message in front of the user's. For
Gemma 4, and for a stored chat that another family reads, the same messages are laid out anew:

    Gemma 4, asked to think        what it reads, and which tokens have no text
    system↵                        <|turn>system↵
    ↵                              <|think|>↵
    Be brief.↵                     Be brief.<turn|>↵
    user↵                          <|turn>user↵
    Hi↵                            Hi<turn|>↵
    model↵                         <|turn>model↵

Not asked, the larger models read an empty thought after that: ``<|channel>thought↵<channel|>``, shown as ``thought↵``.
The model's own earlier thoughts are left out, as its template does. A chat that is laid out already stays as it is.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple

from promptlight.salience.errors import ModelError
from promptlight.salience.text.chat import (
    CHANNEL,
    CHANNEL_END,
    MODEL,
    SYSTEM,
    THINK,
    THOUGHT,
    USER,
    ChatFormat,
    is_continued,
)
from promptlight.salience.types import Prompt, Section, Turn

_THOUGHTS = re.compile(rf"{re.escape(CHANNEL)}.*?(?:{re.escape(CHANNEL_END)}|\Z)|{re.escape(CHANNEL_END)}", re.DOTALL)
_SYSTEM_HEAD, _ANSWER_HEAD = f"{SYSTEM}\n", f"{MODEL}\n"
_THINKING_HEAD, _EMPTY_THOUGHT = f"{_SYSTEM_HEAD}\n", f"{THOUGHT}\n"


class _Said(NamedTuple):
    """A message: its role, and the ranges of the old text that it is made of, with this between them."""

    role: str
    ranges: list[tuple[int, int]]
    joint: str = ""
    n_system: int = 0


class Kind(Enum):
    """What a part of a chat is: a mark without text, other text of the format, or what somebody said."""

    MARK = "mark"
    FORMAT = "format"
    SAID = "said"


class Part(NamedTuple):
    """A piece of what a model reads; ``role`` is that of the turn, and ``text`` the piece of a mark."""

    kind: Kind
    text: str
    role: str = ""


def asks_for_thought(prompt: Prompt) -> bool:
    """Whether a chat is laid out so that the model thinks."""
    return bool(prompt.turns) and prompt.text[: prompt.turns[0].start].startswith(_THINKING_HEAD)


def arrange_chat(prompt: Prompt, chat: ChatFormat, *, thinking: bool = False) -> Prompt:
    """The prompt laid out in a model's format, with its sections moved; no chat stays as it is.

    ``thinking`` asks the model for a thought. Raises ModelError if it can't have one.
    """
    if thinking and not chat.thinks:
        raise ModelError(
            f"expected a model that thinks, found one whose chats are between {chat.opening} and {chat.closing}: leave"
            " out the thinking, or use an instruction-tuned Gemma 4",
            parameters=("thinking",),
        )
    if not prompt.turns or (not chat.has_system_turn and not _is_of_another_family(prompt)):
        return prompt
    layout = _Layout(prompt)
    messages = list(_list_messages(prompt, chat))
    if thinking:
        has_system = messages[0].role == SYSTEM
        layout.text += _THINKING_HEAD
        if has_system:
            layout.add(messages.pop(0))
        layout.text += "\n"
    for said in messages:
        layout.text += f"{said.role}\n"
        layout.add(said)
        layout.text += "\n"
    if is_continued(prompt):
        layout.text = layout.text.removesuffix("\n")
    else:
        layout.text += _ANSWER_HEAD + (_EMPTY_THOUGHT if chat.fills_empty_thought and not thinking else "")
    return dataclasses.replace(prompt, text=layout.text, turns=tuple(layout.turns), sections=layout.move_sections())


def list_parts(prompt: Prompt, chat: ChatFormat) -> Iterator[Part]:
    """What a model reads of a chat that is laid out in its format, part by part, without <bos>."""
    text, place = prompt.text, 0
    for turn in prompt.turns:
        borrowed = text[turn.start : turn.start + 1] == "\n"  # a piece may hold both line feeds
        yield from _part_head(text[place : turn.start], chat, borrowed=borrowed)
        yield Part(Kind.SAID, text[turn.start - borrowed : turn.stop], turn.role)
        if turn.stop == len(text):
            return
        yield Part(Kind.MARK, chat.closing)
        yield Part(Kind.FORMAT, "\n")
        place = turn.stop + 1
    head = text[place:]
    yield from (Part(Kind.MARK, chat.opening), Part(Kind.FORMAT, head.removesuffix(_EMPTY_THOUGHT)))
    if head.endswith(_EMPTY_THOUGHT):
        yield from (Part(Kind.MARK, CHANNEL), Part(Kind.FORMAT, _EMPTY_THOUGHT), Part(Kind.MARK, CHANNEL_END))


def _part_head(head: str, chat: ChatFormat, *, borrowed: bool) -> Iterator[Part]:
    """The parts before what somebody says; without the last line feed if that is ``borrowed``."""
    yield Part(Kind.MARK, chat.opening)
    if chat.thinks and head.startswith(_THINKING_HEAD):
        yield from (Part(Kind.FORMAT, _SYSTEM_HEAD), Part(Kind.MARK, THINK))
        head = head.removeprefix(_SYSTEM_HEAD)
        if head != "\n":  # nothing else is in the system's turn
            yield from (Part(Kind.FORMAT, "\n"), Part(Kind.MARK, chat.closing), Part(Kind.FORMAT, "\n"))
            yield Part(Kind.MARK, chat.opening)
            head = head.removeprefix("\n\n")
    yield Part(Kind.FORMAT, head[: len(head) - borrowed])


def _is_of_another_family(prompt: Prompt) -> bool:
    """Whether a chat has what only Gemma 4's format has: a system turn, or an empty thought."""
    last = prompt.text[prompt.turns[-1].stop :]
    return prompt.text.startswith(_SYSTEM_HEAD) or last.endswith(_ANSWER_HEAD + _EMPTY_THOUGHT)


def _list_messages(prompt: Prompt, chat: ChatFormat) -> Iterator[_Said]:
    """The messages of a chat as this format has them."""
    turns = list(prompt.turns)
    if not chat.has_system_turn and turns[0].role == SYSTEM and len(turns) > 1 and turns[1].role == USER:
        system, user = turns[0], turns[1]
        both = [(system.start, system.stop), (user.start, user.stop)]
        yield _Said(USER, both, "\n\n", n_system=system.stop - system.start)
        turns = turns[2:]
    for turn in turns:
        start = turn.start
        if chat.has_system_turn and turn.n_system:
            start += turn.n_system + len("\n\n")
            yield _Said(SYSTEM, _strip(prompt.text, [(turn.start, turn.start + turn.n_system)]))
        whole = [(start, turn.stop)]
        is_open = turn.stop == len(prompt.text)
        is_earlier = chat.thinks and turn.role == MODEL and not is_open
        yield _Said(turn.role, _leave_thoughts_out(prompt.text, start, turn.stop) if is_earlier else whole)


def _leave_thoughts_out(text: str, start: int, stop: int) -> list[tuple[int, int]]:
    """The ranges of what the model said besides its thoughts, stripped if there were any."""
    kept: list[tuple[int, int]] = []
    place = start
    for found in _THOUGHTS.finditer(text, start, stop):
        kept.append((place, found.start()))
        place = found.end()
    return _strip(text, [*kept, (place, stop)]) if kept else [(start, stop)]


def _strip(text: str, ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The ranges without blanks at the start of the first and the end of the last."""
    said = "".join(text[start:stop] for start, stop in ranges)
    first, last = len(said) - len(said.lstrip()), len(said.rstrip())
    stripped: list[tuple[int, int]] = []
    place = 0
    for start, stop in ranges:
        begin, end = max(first - place, 0), min(last - place, stop - start)
        place += stop - start
        if begin < end:
            stripped.append((start + begin, start + end))
    return stripped


class _Layout:
    """A text that is built of ranges of a prompt's text."""

    def __init__(self, prompt: Prompt) -> None:
        self.text = ""
        self.turns: list[Turn] = []
        self._prompt = prompt
        self._moved: list[tuple[int, int, int]] = []  # old start, old stop, new start

    def add(self, said: _Said) -> None:
        """Append what somebody said as a turn."""
        begin = len(self.text)
        for number, (start, stop) in enumerate(said.ranges):
            self.text += said.joint if number else ""
            self._moved.append((start, stop, len(self.text)))
            self.text += self._prompt.text[start:stop]
        self.turns.append(Turn(role=said.role, start=begin, stop=len(self.text), n_system=said.n_system))

    def move_sections(self) -> tuple[Section, ...]:
        """The prompt's sections at their new places; what is no longer in the text has none."""
        moved: list[Section] = []
        for section in self._prompt.sections:
            places = [
                (new + max(section.start - start, 0), new + min(section.stop, stop) - start)
                for start, stop, new in self._moved
                if section.start < stop and section.stop > start
            ]
            if places:
                moved.append(dataclasses.replace(section, start=places[0][0], stop=places[-1][1]))
        return tuple(moved)
