"""The values of a request: text, a line, one of several words. What is none is refused by the value's name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from promptlight.cli.server._limits import Limits
from promptlight.io.prompts.jsonline import HALF_CHARACTER
from promptlight.salience.errors import UsageError
from promptlight.salience.text.spelling import suggest

LONGEST_NAME = 200  # characters of an id, an author, a file's name


def read_text(request: Mapping[str, Any], name: str) -> str:
    text = request.get(name)
    if not isinstance(text, str):
        raise UsageError(f"expected `{name}` to be text, found {'none' if text is None else text!r:.60}")
    if HALF_CHARACTER.search(text):
        raise UsageError(f"expected whole characters in `{name}`, found half of one")
    return text


def read_line(request: Mapping[str, Any], name: str) -> str:
    """A short text on one line; empty if there is none."""
    if request.get(name) is None:
        return ""
    text = read_text(request, name).strip()
    if len(text) > LONGEST_NAME or not all(map(str.isprintable, text)):
        raise UsageError(f"expected `{name}` to be one line of at most {LONGEST_NAME} characters")
    return text


def read_choice(request: Mapping[str, Any], name: str, choices: Any) -> Any:
    """One of an enum's values; None if there is none."""
    value = request.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or value not in list(choices):
        hint = suggest(value, choices) if isinstance(value, str) else ""
        raise UsageError(f"expected `{name}` to be {', '.join(choices)}, found {value!r:.60}{hint}")
    return choices(value)


def _read_note(request: Mapping[str, Any], limits: Limits) -> str:
    """The note in a request; empty if there is none. Raises UsageError if it is too long."""
    note = read_text(request, "note") if request.get("note") is not None else ""
    if len(note.encode()) > limits.note_bytes:
        raise UsageError(f"expected a note of at most {limits.note_bytes:,} bytes: shorten it")
    return note


def check_note(request: Mapping[str, Any], limits: Limits) -> tuple[str, str]:
    """The note and the author in a request, each empty if there is none. Raises UsageError if one is too long."""
    return _read_note(request, limits), read_line(request, "author")
