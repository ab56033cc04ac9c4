"""Gemma's chat format: turns of a user and the model, each between two marks.

    what is shown, Prompt.text     what the model reads
    user↵                          <start_of_turn>user↵
    Can I eat this?↵               Can I eat this?<end_of_turn>↵
    model↵                         <start_of_turn>model↵

``Prompt.turns`` holds the texts of the turns, as ranges of ``Prompt.text``; everything between them belongs to the
format. The rules are those of the templates that Gemma 1, 2 and 3 are published with:

 1. A system message at the start goes in front of the first user's message (Gemma 3's rule; Gemma 1 and 2 refuse it).
 2. Every other message becomes a turn, named by its role. Messages are stripped, the system's is not.
 3. A turn of the model's own is opened at the end. If the model has the last message, that is continued instead: its
    turn stays open, and ``Prompt.text`` ends with it.

The templates refuse chats whose turns don't alternate, from the user on. Here they are written as they come.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from promptlight.salience.types import Prompt, Turn

TURN_MARKS = ("<start_of_turn>", "<end_of_turn>")  # of Gemma 1 to 3
MARKS = ("<bos>", "<eos>", *TURN_MARKS)  # that people type
USER, MODEL, SYSTEM, TOOL = "user", "model", "system", "tool"
ROLES = {"user": USER, "model": MODEL, "assistant": MODEL, "system": SYSTEM, "developer": SYSTEM, "tool": TOOL}


class Message(NamedTuple):
    """One message of a chat; ``role`` is one of the values of ``ROLES``."""

    role: str
    text: str


def format_turns(messages: Sequence[Message]) -> tuple[str, tuple[Turn, ...]]:
    """Format a chat as the text that the model continues, and give the range of each turn in it.

    Raises ValueError without a message of the user's, and unless one follows a system message at the start.
    """
    if not any(message.role == USER for message in messages):
        raise ValueError("expected a message of the user's, found none; add one")
    text = ""
    turns: list[Turn] = []
    for role, said in _place_system(messages):
        text += f"{role}\n"
        turns.append(Turn(role=role, start=len(text), stop=len(text) + len(said)))
        text += f"{said}\n"
    if turns[-1].role == MODEL:
        return text.removesuffix("\n"), tuple(turns)
    return f"{text}{MODEL}\n", tuple(turns)


def is_continued(prompt: Prompt) -> bool:
    """Whether a chat ends within the model's turn."""
    return bool(prompt.turns) and prompt.turns[-1].stop == len(prompt.text)


def _place_system(messages: Sequence[Message]) -> list[Message]:
    """The stripped messages, with a system message at the start in front of the first user's."""
    said = [Message(role, text.strip()) for role, text in messages]
    if messages[0].role != SYSTEM:
        return said
    if said[1].role != USER:
        raise ValueError(
            f"expected a message of the user's after the system's, found the {said[1].role}'s; put one there"
        )
    return [Message(USER, f"{messages[0].text}\n\n{said[1].text}"), *said[2:]]
