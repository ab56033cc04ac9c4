"""Read a chat's messages as people store them: roles by several names, content as text or parts, nothing in some.

Keys may be ShareGPT's, ``from`` and ``value``. Messages may also be JSON text in a table's column, or an object of
lists, ``{"role": [...], "content": [...]}``, as the library datasets stores a list of objects.
"""

from __future__ import annotations

import json
from typing import Any, cast

from promptlight.io.prompts.jsonline import RecordError, check_value, kind_of
from promptlight.salience.text.chat import MODEL, ROLES, SYSTEM, TOOL, USER, Message

# ShareGPT's names too; its function_call holds the call as text
_ROLES = {**ROLES, "human": USER, "gpt": MODEL, "chatgpt": MODEL, "function_call": MODEL, "observation": TOOL}
_TEXT_PARTS = ("text", "input_text", "output_text")  # the latter two in OpenAI's responses
_KEYS = {True: ("from", "value"), False: ("role", "content")}  # whether they are ShareGPT's


def read_messages(value: Any) -> list[Message]:
    """At least one message, each of a known role and with text.

    A system message without text is left out, and so is a last one of the model's: the model writes it.
    """
    value = spread_messages(value)
    if not isinstance(value, list) or not value:
        found = "it empty" if value in ([], "") else kind_of(value)
        raise RecordError(f'expected `messages` to be an array of {{"role": ..., "content": ...}}, found {found}')
    values = cast("list[Any]", value)
    read = [_read_message(one, number, is_last=number == len(values)) for number, one in enumerate(values, 1)]
    if not (messages := [message for message in read if message]):
        raise RecordError("expected `messages` with some text, found none; fill in `content`")
    return messages


def spread_messages(value: Any) -> Any:
    """Messages as a list, where they are JSON text or an object of lists; anything else is returned as it is."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        return _parse_messages(value)
    if isinstance(value, dict):
        columns = cast("dict[str, Any]", value)
        lengths = {len(cast("list[Any]", one)) if isinstance(one, list) else -1 for one in columns.values()}
        if len(lengths) == 1 and lengths != {-1}:
            return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return cast("Any", value)


def is_chat(value: Any) -> bool:
    """Whether a value holds messages, also as JSON text."""
    spread = spread_messages(value)
    messages = cast("list[Any]", spread) if isinstance(spread, list) else []
    return bool(messages) and isinstance(messages[0], dict)


def _parse_messages(text: str) -> Any:
    """JSON text of a list of messages, parsed; any other text as it is."""
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        return text
    messages = cast("list[Any]", parsed) if isinstance(parsed, list) else []
    if not messages or not all(isinstance(one, dict) and ("role" in one or "from" in one) for one in messages):
        return text
    check_value("a message", messages)
    return messages


def _read_message(value: Any, number: int, *, is_last: bool) -> Message | None:
    place = f"message {number}"
    message = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
    named, held = _KEYS["from" in message and "role" not in message]
    role, content = message.get(named), message.get(held)
    own = _ROLES.get(role.lower()) if isinstance(role, str) else None
    if own is None:
        found = repr(role) if isinstance(role, str) else kind_of(role if isinstance(value, dict) else value)
        raise RecordError(f"expected `{named}` of {place} to be {', '.join(ROLES)}, found {found}")
    for field in ("tool_calls", "function_call"):
        if message.get(field):
            raise RecordError(f"`{field}` of {place}: this field is not read; write the call as text into `{held}`")
    if isinstance(content, list):
        texts = [_read_part(part, f"part {n} of {place}") for n, part in enumerate(cast("list[Any]", content), 1)]
        content = "".join(texts if own == SYSTEM else map(str.strip, texts))
    if content is None or (isinstance(content, str) and not content.strip()):
        if own == SYSTEM or (own == MODEL and is_last):
            return None
        found = "it empty" if isinstance(content, str) else kind_of(content)
        raise RecordError(f"expected `{held}` of {place} to be text, found {found}; fill it in")
    if not isinstance(content, str):
        raise RecordError(f"expected `{held}` of {place} to be text, found {kind_of(content)}; fill it in")
    return Message(own, content)


def _read_part(value: Any, place: str) -> str:
    """The text of one part of a message, as in ``{"type": "text", "text": ...}``; the type may be missing."""
    part = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
    if (kind := part.get("type", "text")) not in _TEXT_PARTS:
        raise RecordError(f"expected text alone in a chat, found {place} of the type {kind!r}; leave it out")
    if not isinstance(text := part.get("text"), str):
        found = kind_of(text if part else value)
        raise RecordError(f'expected {place} to be {{"type": "text", "text": ...}}, found {found}')
    return text
