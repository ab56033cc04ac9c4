"""Convert one row of a prompt file to a ``Prompt``, or to a ``SetAside`` that says what is wrong with it.

Other tools' records are converted first (``formats/recognition.py``). Ours is a JSON object with ``prompt`` (text, or a
chat as messages) or ``messages`` (a chat: objects with ``role`` and ``content``), and optionally ``id``, ``source``,
``target`` (its own completion), ``sections`` (named parts of the prompt, each by its text or its range of characters)
and any other fields, which are kept; of these ``foil`` or ``foil_text``, ``stop``, ``max_new_tokens`` and ``thinking``
are options of this record. If a chat ends with the model's message, the model continues that; where targets are
explained, it is the target.
"""

from __future__ import annotations

import hashlib
import json
from itertools import count
from typing import Any

from promptlight.io.prompts._options import OPTIONS, check_options, read_text
from promptlight.io.prompts.files.rows import Row, to_record
from promptlight.io.prompts.files.sources import Source
from promptlight.io.prompts.formats._messages import read_messages
from promptlight.io.prompts.formats.recognition import Seen
from promptlight.io.prompts.jsonline import (
    HALF_CHARACTER,
    RecordError,
    check_characters,
    check_value,
    kind_of,
    spell_halves,
)
from promptlight.io.prompts.reading import Reading, name_fields, spell_as_given
from promptlight.io.prompts.sections import read_sections
from promptlight.salience.text.chat import MODEL, USER, Message, format_turns
from promptlight.salience.types import Explain, Prompt, SetAside, SetAsideCode

OWN_FIELDS = ("id", "prompt", "target", "source", "sections")
_READ_FIELDS = (*OWN_FIELDS, "messages", *OPTIONS)
Places = dict[str, tuple[str, int]]
"""The first place of each id: the file's path, and the row's number."""


def read_record(
    row: Row, source: Source, number: int, places: Places, reading: Reading, seen: Seen
) -> Prompt | SetAside:
    """Convert one row to a prompt, or to a SetAside with its readable parts; ``places`` has all earlier ids.

    ``seen`` counts the formats of records.
    """
    own_id, shown_path = spell_halves(f"{source.name}-{number}"), spell_halves(source.path)
    record: dict[str, Any] = {}
    given: dict[str, Any] | None = None  # the fields as the row has them, once they have our names
    try:
        fields = to_record(source, row)
        record, given = _drop_bytes(name_fields(fields, reading, seen, source.name)), fields
        for name, value in record.items():
            check_characters("a field's name", name)
            check_value(f"`{name}`", value)
        id = _read_id(record) or own_id
        if reading.responses is not None:
            record["target"] = reading.responses.find(id)
        if id in places:
            path, line = places[id]
            place = f"line {line}" if path == source.path else f"{path}:{line}"
            raise RecordError(f"expected an id of its own, found {id!r}, which {place} has; give this one another")
        return _build_prompt(record, id, shown_path, number, reading)
    except RecordError as error:
        reason = str(error) if given is None else spell_as_given(str(error), given, reading)
        content = row if isinstance(row, bytes) else repr(row).encode("utf-8", "backslashreplace")
        return SetAside(
            id=_choose_free_id(record, own_id, places),
            path=shown_path,
            line=number,
            code=SetAsideCode.UNUSABLE,
            reason=reason,
            label=_readable(record.get("source")),
            prompt=_readable(record.get("prompt")),
            fingerprint=fingerprint(content + reason.encode()),  # another reading has another reason to store
            parameters=error.parameters,
        )


def _drop_bytes(record: dict[str, Any]) -> dict[str, Any]:
    """The record with null for bytes that are no text, such as an image, in fields that are only kept."""
    return {
        name: None if isinstance(value, bytes) and name not in _READ_FIELDS else value for name, value in record.items()
    }


def _drop_null(record: dict[str, Any]) -> dict[str, Any]:
    """The record without the one of `messages` and `prompt` that is null or empty: a table has both columns."""
    both = {name: record[name] for name in ("messages", "prompt") if name in record}
    absent = [name for name, value in both.items() if value is None or value == ""][: len(both) - 1]
    return {name: value for name, value in record.items() if name not in absent}


def _read_id(record: dict[str, Any]) -> str | None:
    id = record.get("id")
    if id is None or id == "":
        return None
    if isinstance(id, float) and id.is_integer() and abs(id) < 2**53:  # a column with a gap, as pandas stores it
        return str(int(id))
    if isinstance(id, bool) or not isinstance(id, str | int):
        raise RecordError(f"expected `id` to be text or a whole number, found {kind_of(id)}; write it in quotes")
    check_characters("`id`", str(id))
    return str(id)


def _choose_free_id(record: dict[str, Any], own_id: str, taken: Places) -> str:
    """An id to file an unusable record under: its own if it can be read and no other record has it."""
    try:
        id = _read_id(record)
    except RecordError:
        id = None
    if id is not None and id not in taken:
        return id
    return own_id if own_id not in taken else next(id for n in count(2) if (id := f"{own_id}-{n}") not in taken)


def _build_prompt(record: dict[str, Any], id: str, path: str, line: int, reading: Reading) -> Prompt:
    record = _drop_null(record)
    if ("prompt" in record) == ("messages" in record):
        raise RecordError(
            f"expected a field `prompt`, or `messages` for a chat, found {_list_fields(record)}",
            parameters=("prompt_field",),
        )
    target = read_text(record, "target") or None
    check_options(record)  # they stay among the fields
    if "messages" in record:
        messages = read_messages(record["messages"])
        if messages[-1].role == MODEL and target is None and reading.explain is Explain.TARGET:
            target = messages.pop().text
    else:
        messages = [Message(USER, _require_prompt(record))]
    try:
        text, turns = format_turns(messages) if reading.chat or "messages" in record else (messages[0].text, ())
    except ValueError as error:
        raise RecordError(f"{error}; fix `messages`") from error
    return Prompt(
        id=id,
        text=text,
        turns=turns,
        sections=read_sections(record, text, turns),
        given_completion=target,
        label=read_text(record, "source"),
        fields={name: value for name, value in record.items() if name not in OWN_FIELDS},
        path=path,
        line=line,
        fingerprint=fingerprint(json.dumps(record, sort_keys=True).encode()),
    )


def _list_fields(record: dict[str, Any]) -> str:
    if "prompt" in record:
        return "both; keep one, or say which is meant"
    names = ", ".join(f"`{name[:30]}`" for name in list(record)[:5]) or "no fields"
    return f"{names}; give the prompt that name, or say which field holds it"


def _require_prompt(record: dict[str, Any]) -> str:
    text = read_text(record, "prompt")
    if text is None:
        raise RecordError("expected `prompt` to be text, found null; fill it in or remove the line")
    if not text.strip():
        raise RecordError("expected `prompt` to be text, found it empty; fill it in or remove the line")
    return text


def _readable(value: Any) -> str | None:
    """The value if it is text that can be stored, else None."""
    return value if isinstance(value, str) and not HALF_CHARACTER.search(value) else None


def fingerprint(data: bytes) -> str:
    """A short hash that changes when the data does."""
    return hashlib.sha256(data).hexdigest()[:16]
