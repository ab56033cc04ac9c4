"""Gemma's chat formats: turns of a user and the model, each between two marks.

    what is shown, Prompt.text     what Gemma 1 to 3 and 3n read     what Gemma 4 reads
    user↵                          <start_of_turn>user↵              <|turn>user↵
    Can I eat this?↵               Can I eat this?<end_of_turn>↵     Can I eat this?<turn|>↵
    model↵                         <start_of_turn>model↵             <|turn>model↵

``Prompt.turns`` holds the texts of the turns, as ranges of ``Prompt.text``; everything between them belongs to the
format. The rules are those of the templates that the models are published with:

 1. A system message at the start goes in front of the first user's message (Gemma 3's rule; Gemma 1 and 2 refuse it).
    Gemma 4 has a system turn (``turns.py``).
 2. Every other message becomes a turn, named by its role. Messages are stripped; before Gemma 4, the system's is not.
 3. A turn of the model's own is opened at the end. If the model has the last message, that is continued instead: its
    turn stays open, and ``Prompt.text`` ends with it.

The templates refuse chats whose turns don't alternate, from the user on. Here they are written as they come.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from promptlight.salience.types import Prompt, StopReason, Turn

USER, MODEL, SYSTEM, TOOL = "user", "model", "system", "tool"
ROLES = {"user": USER, "model": MODEL, "assistant": MODEL, "system": SYSTEM, "developer": SYSTEM, "tool": TOOL}
THINK = "<|think|>"  # in the system turn, asks for a thought
CHANNEL, CHANNEL_END = "<|channel>", "<channel|>"
THOUGHT = "thought"  # the name of the model's channel
TOOL_CALL, TOOL_CALL_END = "<|tool_call>", "<tool_call|>"
TOOL_RESULT, TOOL_RESULT_END = "<|tool_response>", "<tool_response|>"
QUOTE = '<|"|>'


@dataclass(frozen=True, kw_only=True)
class ChatFormat:
    """How a family of models reads a chat; marks are pieces of its vocabulary.

    ``opening`` and ``closing`` are around a turn. ``own_marks`` are what the model writes within its turn, around a
    thought or a tool call; at ``tool_stop`` it waits for the tool's result. ``control`` are all pieces that are never
    read from what a user writes. ``thinks``: the model can be asked for a thought. ``fills_empty_thought``: where it is
    not asked, it reads an empty one at the start of its turn.
    """

    opening: str = "<start_of_turn>"
    closing: str = "<end_of_turn>"
    has_system_turn: bool = False
    thinks: bool = False
    fills_empty_thought: bool = False
    own_marks: tuple[str, ...] = ()
    control: tuple[str, ...] = ()
    tool_stop: str | None = None

    @property
    def stops(self) -> dict[str, StopReason]:
        """The pieces that end a completion, besides <eos>."""
        stops = {self.closing: StopReason.END_OF_TURN}
        return stops if self.tool_stop is None else {**stops, self.tool_stop: StopReason.TOOL_CALL}


GEMMA_CHAT = ChatFormat()  # of Gemma 1 to 3 and 3n
_OWN_MARKS = (CHANNEL, CHANNEL_END, TOOL_CALL, TOOL_CALL_END, TOOL_RESULT, TOOL_RESULT_END, QUOTE)
_OTHER_MARKS = ("<|turn>", "<turn|>", THINK, "<|tool>", "<tool|>")
_MEDIA = ("<|image>", "<|image|>", "<image|>", "<|audio>", "<|audio|>", "<audio|>", "<|video>", "<|video|>", "<video|>")
GEMMA_4_CHAT = ChatFormat(
    opening="<|turn>",
    closing="<turn|>",
    has_system_turn=True,
    thinks=True,
    fills_empty_thought=True,
    own_marks=_OWN_MARKS,
    control=("<pad>", "<eos>", "<bos>", "<mask>", *_OTHER_MARKS, *_OWN_MARKS, *_MEDIA),
    tool_stop=TOOL_RESULT,
)
MARKS = ("<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>", "<|turn>", "<turn|>")  # that people type


class Message(NamedTuple):
    """One message of a chat; ``role`` is one of the values of ``ROLES``."""

    role: str
    text: str


def format_turns(messages: Sequence[Message]) -> tuple[str, tuple[Turn, ...]]:
    """Format a chat as the text that the model continues, and give the range of each turn in it.

    This is Gemma 3's format; ``turns.py`` changes it to another. Raises ValueError without a message of the user's, and
    unless one follows a system message at the start.
    """
    if not any(message.role == USER for message in messages):
        raise ValueError("expected a message of the user's, found none; add one")
    text = ""
    turns: list[Turn] = []
    for (role, said), n_system in _place_system(messages):
        text += f"{role}\n"
        turns.append(Turn(role=role, start=len(text), stop=len(text) + len(said), n_system=n_system))
        text += f"{said}\n"
    if turns[-1].role == MODEL:
        return text.removesuffix("\n"), tuple(turns)
    return f"{text}{MODEL}\n", tuple(turns)


def is_continued(prompt: Prompt) -> bool:
    """Whether a chat ends within the model's turn."""
    return bool(prompt.turns) and prompt.turns[-1].stop == len(prompt.text)


def _place_system(messages: Sequence[Message]) -> list[tuple[Message, int]]:
    """The stripped messages, with a system message at the start in front of the first user's, and its length."""
    said = [(Message(role, text.strip()), 0) for role, text in messages]
    if messages[0].role != SYSTEM:
        return said
    first = said[1][0]
    if first.role != USER:
        raise ValueError(
            f"expected a message of the user's after the system's, found the {first.role}'s; put one there"
        )
    system = messages[0].text
    return [(Message(USER, f"{system}\n\n{first.text}"), len(system)), *said[2:]]
