"""Gemma's chat format: turns of a user and the model, each between two marks.

    what is shown, Prompt.text     what the model reads
    user↵                          <start_of_turn>user↵
    Can I eat this?↵               Can I eat this?<end_of_turn>↵
    model↵                         <start_of_turn>model↵

``Prompt.turns`` holds the texts of the turns, as ranges of ``Prompt.text``; everything between them belongs to the
format. A system message goes at the start of the first user turn, as in Gemma's own template. Messages are stripped.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from promptlight.salience.types import Turn

USER, MODEL, SYSTEM = "user", "model", "system"
ROLES = {"user": USER, "model": MODEL, "assistant": MODEL, "system": SYSTEM}


class Message(NamedTuple):
    """One message of a chat; ``role`` is USER, MODEL or SYSTEM."""

    role: str
    text: str


def format_turns(messages: Sequence[Message]) -> tuple[str, tuple[Turn, ...]]:
    """Format a chat as the text that the model continues, and give the range of each turn in it.

    Raises ValueError unless user and model alternate and the user has the first and the last turn.
    """
    said = [Message(role, text.strip()) for role, text in messages]
    if said and said[0].role == SYSTEM:
        if len(said) == 1:
            raise ValueError("expected a message of the user after the system's, found none; add one")
        said[:2] = [Message(said[1].role, f"{said[0].text}\n\n{said[1].text}")]
    text = ""
    turns: list[Turn] = []
    for number, message in enumerate(said):
        expected = (USER, MODEL)[number % 2]
        if message.role != expected:
            raise ValueError(f"expected the {expected}'s turn at message {number + 1}, found the {message.role}'s")
        text += f"{message.role}\n"
        turns.append(Turn(role=message.role, start=len(text), stop=len(text) + len(message.text)))
        text += f"{message.text}\n"
    if len(turns) % 2 == 0:
        found = "the model's" if turns else "none"
        raise ValueError(f"expected a last message of the user, found {found}")
    return f"{text}{MODEL}\n", tuple(turns)
