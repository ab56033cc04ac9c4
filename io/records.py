"""One line of a prompt file as a ``Prompt``, or as a ``SetAside`` that says what is wrong with it.

A record is a JSON object with ``prompt`` (text) or ``messages`` (a chat: objects with ``role`` and ``content``), and
optionally ``id``, ``source`` (a label), ``target`` (a completion of its own) and any other fields, which are kept. A
chat that ends with the model's message brings that along as its target.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections import Counter
from itertools import count
from pathlib import Path
from typing import Any, NoReturn, cast

from promptlight.salience.chat import MODEL, ROLES, USER, Message, format_turns
from promptlight.salience.types import Prompt, SetAside

OWN_FIELDS = ("id", "prompt", "target", "source")
KINDS = {
    dict: "an object",
    list: "an array",
    str: "text",
    bool: "true or false",
    int: "a number",
    float: "a decimal number",
}
MAX_DEPTH = 100  # far below Python's recursion limit, so that whoever writes the fields again can
# A line of an array or of an object that was spread over several lines.
PART_OF_MORE = re.compile(r'\s*(?:[\[\]}]|\{$|"[^"]*"\s*:)|.*(?:,|\}\])$')
HALF_CHARACTER = re.compile(r"[\ud800-\udfff]")  # JSON can spell them, UTF-8 and so Parquet can't


class RecordError(Exception):
    """Why one record can't be used."""


def read_record(
    line: bytes, path: str, number: int, first_lines: dict[str, int], *, chat: bool = False
) -> Prompt | SetAside:
    """One line as a prompt, or what is readable of it; ``first_lines`` says where each id before it stands.

    ``chat`` makes the user's turn of a chat of a plain ``prompt``.
    """
    own_id = f"{Path(path).stem}-{number}"
    record: dict[str, Any] = {}
    try:
        record = _parse(line)
        for name, value in record.items():
            _check_characters("a field's name", name)
            _check_value(f"`{name}`", value)
        id = _read_id(record) or own_id
        if id in first_lines:
            reason = f"expected an id of its own, found {id!r}, which line {first_lines[id]} has; give this one another"
            raise RecordError(reason)
        return _build_prompt(record, id, path, number, chat=chat)
    except RecordError as error:
        return SetAside(
            id=_choose_free_id(record, own_id, first_lines),
            path=path,
            line=number,
            reason=str(error),
            source=_readable(record.get("source")),
            prompt=_readable(record.get("prompt")),
            fingerprint=fingerprint(line),
        )


def _parse(line: bytes) -> dict[str, Any]:
    """One line as a JSON object."""
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RecordError(
            f"expected UTF-8, found 0x{line[error.start]:02X} at byte {error.start + 1}; save the file as UTF-8"
        ) from error
    try:
        record = json.loads(
            text, object_pairs_hook=_refuse_repeats, parse_constant=_refuse_constant, parse_float=_parse_float
        )
    except json.JSONDecodeError as error:
        is_part = PART_OF_MORE.match(text)
        hint = "write one JSON object per line, without [ ] around them" if is_part else "mend it there"
        reason = f"{error.msg.removesuffix(' at')} at column {error.colno}"
        raise RecordError(f"expected a JSON object, found invalid JSON: {reason}; {hint}") from error
    except RecursionError as error:
        raise _too_deep() from error
    except ValueError as error:  # Python's own limit on the digits of a whole number
        raise RecordError("expected shorter numbers, found one of thousands of digits; write it in quotes") from error
    if not isinstance(record, dict):
        raise RecordError(
            f'expected an object such as {{"prompt": "..."}}, found {_kind(record)}; write one JSON object per line'
        )
    return cast("dict[str, Any]", record)


def _refuse_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        ((name, n_times),) = Counter(name for name, _ in pairs).most_common(1)
        raise RecordError(f"expected each field once, found {name!r} {n_times} times; keep one")
    return record


def _refuse_constant(name: str) -> NoReturn:
    raise RecordError(f"expected a JSON object, found invalid JSON: {name} is not a JSON value; use null")


def _parse_float(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):  # could only be written again as Infinity, which is no JSON
        raise RecordError(f"expected a smaller number, found {digits[:20]}; write it in quotes")
    return number


def _check_value(place: str, value: Any, depth: int = 1) -> None:
    """Raise RecordError where a value could not be stored: half characters, or too many levels."""
    if depth > MAX_DEPTH:
        raise _too_deep()
    if isinstance(value, str):
        _check_characters(place, value)
    elif isinstance(value, list):
        for item in cast("list[Any]", value):
            _check_value(place, item, depth + 1)
    elif isinstance(value, dict):
        for name, item in cast("dict[str, Any]", value).items():
            _check_characters(place, name)
            _check_value(place, item, depth + 1)


def _check_characters(place: str, text: str) -> None:
    if half := HALF_CHARACTER.search(text):
        found = f"\\u{ord(half[0]):04x}"
        raise RecordError(f"expected whole characters in {place}, found {found}, half of one; write the whole one")


def _too_deep() -> RecordError:
    return RecordError(
        f"expected fields of at most {MAX_DEPTH} levels, found more nested into each other; flatten them"
    )


def _read_id(record: dict[str, Any]) -> str | None:
    id = record.get("id")
    if id is None or id == "":
        return None
    if isinstance(id, bool) or not isinstance(id, str | int):
        raise RecordError(f"expected `id` to be text or a whole number, found {_kind(id)}; write it in quotes")
    _check_characters("`id`", str(id))
    return str(id)


def _choose_free_id(record: dict[str, Any], own_id: str, taken: dict[str, int]) -> str:
    """An id to file an unusable record under: its own if it can be read and no other record has it."""
    try:
        id = _read_id(record)
    except RecordError:
        id = None
    if id is not None and id not in taken:
        return id
    return own_id if own_id not in taken else next(id for n in count(2) if (id := f"{own_id}-{n}") not in taken)


def _build_prompt(record: dict[str, Any], id: str, path: str, line: int, *, chat: bool) -> Prompt:
    if ("prompt" in record) == ("messages" in record):
        raise RecordError(f"expected a field `prompt`, or `messages` for a chat, found {_list_fields(record)}")
    target = _read_text(record, "target") or None
    if "messages" in record:
        messages = _read_messages(record["messages"])
        if messages[-1].role == MODEL:
            if target is not None:
                raise RecordError("expected one target, found `target` and a last message of the model's; keep one")
            target = messages.pop().text
    else:
        messages = [Message(USER, _require_prompt(record))]
    try:
        text, turns = format_turns(messages) if chat or "messages" in record else (messages[0].text, ())
    except ValueError as error:
        raise RecordError(f"{error}; mend `messages`") from error
    return Prompt(
        id=id,
        text=text,
        turns=turns,
        target=target,
        source=_read_text(record, "source"),
        fields={name: value for name, value in record.items() if name not in OWN_FIELDS},
        path=path,
        line=line,
        fingerprint=fingerprint(json.dumps(record, sort_keys=True).encode()),
    )


def _list_fields(record: dict[str, Any]) -> str:
    if "prompt" in record:
        return "both; keep one"
    names = ", ".join(f"`{name[:30]}`" for name in list(record)[:5]) or "no fields"
    return f"{names}; give the prompt that name"


def _require_prompt(record: dict[str, Any]) -> str:
    text = _read_text(record, "prompt")
    if text is None:
        raise RecordError("expected `prompt` to be text, found null; fill it in or remove the line")
    if not text.strip():
        raise RecordError("expected `prompt` to be text, found it empty; fill it in or remove the line")
    return text


def _read_messages(value: Any) -> list[Message]:
    """At least one message, each of a known role and not empty."""
    if not isinstance(value, list) or not value:
        found = "it empty" if value == [] else _kind(value)
        raise RecordError(f'expected `messages` to be an array of {{"role": ..., "content": ...}}, found {found}')
    return [_read_message(message, number) for number, message in enumerate(cast("list[Any]", value), 1)]


def _read_message(value: Any, number: int) -> Message:
    place = f"message {number}"
    message = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
    role, content = message.get("role"), message.get("content")
    if not isinstance(role, str) or role not in ROLES:
        found = repr(role) if isinstance(role, str) else _kind(role if isinstance(value, dict) else value)
        raise RecordError(f"expected `role` of {place} to be {', '.join(ROLES)}, found {found}")
    if isinstance(content, list):  # parts, as some interfaces have them
        parts = cast("list[Any]", content)
        texts = [cast("dict[str, Any]", part).get("text") for part in parts if isinstance(part, dict)]
        if len(texts) == len(parts) and all(isinstance(text, str) for text in texts):
            content = "".join(map(str, texts))
    if not isinstance(content, str) or not content.strip():
        found = "it empty" if isinstance(content, str) else _kind(content)
        raise RecordError(f"expected `content` of {place} to be text, found {found}; fill it in")
    return Message(ROLES[role], content)


def _read_text(record: dict[str, Any], name: str) -> str | None:
    value = record.get(name)
    if value is not None and not isinstance(value, str):
        raise RecordError(f"expected `{name}` to be text, found {_kind(value)}; write it in quotes")
    return value


def _readable(value: Any) -> str | None:
    """Text that can be stored, or None."""
    return value if isinstance(value, str) and not HALF_CHARACTER.search(value) else None


def _kind(value: Any) -> str:
    return "null" if value is None else next(kind for type_, kind in KINDS.items() if isinstance(value, type_))


def fingerprint(data: bytes) -> str:
    """Changes when the data does."""
    return hashlib.sha256(data).hexdigest()[:16]
