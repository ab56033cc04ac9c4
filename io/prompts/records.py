"""Convert one row of a prompt file to a ``Prompt``, or to a ``SetAside`` that says what is wrong with it.

Other tools' records are converted first (``formats.py``). Ours is a JSON object with ``prompt`` (text, or a chat as
messages) or ``messages`` (a chat: objects with ``role`` and ``content``), and optionally ``id``, ``source`` (a label),
``target`` (its own completion), ``sections`` (named parts of the prompt, each by its text or its range of characters)
and any other fields, which are kept; of these ``foil`` or ``foil_text``, ``stop``, ``max_new_tokens`` and ``thinking``
are options of this record. If a chat ends with the model's message, the model continues that; where targets are
explained, it is the target.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from itertools import count
from typing import Any, cast

from promptlight.io.prompts._messages import is_chat, read_messages
from promptlight.io.prompts.formats import RecordFormat, Seen, convert_record
from promptlight.io.prompts.jsonline import (
    HALF_CHARACTER,
    RecordError,
    check_characters,
    check_value,
    kind_of,
    spell_halves,
)
from promptlight.io.prompts.responses import Responses
from promptlight.io.prompts.rows import Row, to_record
from promptlight.io.prompts.sources import Source
from promptlight.io.prompts.template import Template
from promptlight.salience.text.chat import MODEL, USER, Message, format_turns
from promptlight.salience.text.sections import count_blanks, locate_section, order_sections
from promptlight.salience.types import Explain, Prompt, Section, SetAside, SetAsideCode, Turn

_LIMIT = re.compile(r"0*[1-9][0-9]{0,8}(\.0+)?")
OWN_FIELDS = ("id", "prompt", "target", "source", "sections")
_READ_FIELDS = (*OWN_FIELDS, "messages", "foil", "foil_text", "stop", "max_new_tokens", "thinking")


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How to convert rows to prompts: the format and names of fields, a template, whether plain prompts become chats,
    and what is explained.

    A name with dots, ``body.prompt``, is a field within an object, unless a field has that very name.
    """

    format: RecordFormat = RecordFormat.AUTO
    prompt_field: str | None = None  # None: "prompt", and the format may be recognised
    target_field: str = "target"
    id_field: str = "id"
    template: Template | None = None  # makes the prompt from the record's fields
    responses: Responses | None = None  # the given completions, by the records' ids
    chat: bool = False  # makes a plain prompt the user's turn of a chat
    explain: Explain = Explain.RESPONSE  # a chat's last message, if the model's, is continued (RESPONSE) or the target


Places = dict[str, tuple[str, int]]
"""The first place of each id: the file's path, and the row's number."""


def read_record(
    row: Row, source: Source, number: int, places: Places, reading: Reading, seen: Seen
) -> Prompt | SetAside:
    """Convert one row to a prompt, or set it aside with its readable parts; ``places`` has all earlier ids.

    ``seen`` counts the formats of records.
    """
    own_id, shown_path = spell_halves(f"{source.name}-{number}"), spell_halves(source.path)
    record: dict[str, Any] = {}
    try:
        record = _drop_bytes(_name_fields(to_record(source.format, row), reading, seen))
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
        return SetAside(
            id=_choose_free_id(record, own_id, places),
            path=shown_path,
            line=number,
            code=SetAsideCode.UNUSABLE,
            reason=str(error),
            label=_readable(record.get("source")),
            prompt=_readable(record.get("prompt")),
            fingerprint=fingerprint(row if isinstance(row, bytes) else repr(row).encode()),
            parameters=error.parameters,
        )


def _name_fields(record: dict[str, Any], reading: Reading, seen: Seen) -> dict[str, Any]:
    """The record with our names for its fields, and with the prompt from the template.

    What an option names goes before what the format says. An option or a template for the prompt says what it is: then
    no other format is looked for.
    """
    format = reading.format
    if format is RecordFormat.AUTO and (reading.template or reading.prompt_field):
        format = RecordFormat.OWN
    named = dict(convert_record(record, format, reading.explain, seen))
    for option, own in ((reading.target_field, "target"), (reading.id_field, "id"), (reading.prompt_field, "prompt")):
        if option is not None and option != own:
            named = _rename(named, record, option, own)
    if reading.prompt_field == "prompt" and "prompt" in record:
        named.pop("messages", None)
    if reading.template is not None:
        if "messages" in named:
            raise RecordError("expected fields for the template, found a chat; leave out `messages` or the template")
        return named | {"prompt": reading.template.fill(record)}
    if "messages" not in named and is_chat(named.get("prompt")):
        named["messages"] = named.pop("prompt")
    return named


def _rename(named: dict[str, Any], record: dict[str, Any], option: str, own: str) -> dict[str, Any]:
    """``named`` with the value of a field of the record under a name of ours."""
    there, value = _find_field(record, option)
    if not there:
        return named
    if (option, own) == ("messages", "prompt"):  # which of the two, where a record has both
        return {name: value for name, value in named.items() if name != own} | {option: value}
    if own in record:
        raise RecordError(f"expected `{option}` to be the {own}, found `{own}` too; rename one of them")
    return {name: value for name, value in named.items() if name != option} | {own: value}


def _find_field(record: dict[str, Any], name: str) -> tuple[bool, Any]:
    """Whether the record has a field of this name, or within objects by a name with dots; and its value."""
    if name in record:
        return True, record[name]
    value: Any = record
    for part in name.split("."):
        if not isinstance(value, dict) or part not in value:
            return False, None
        value = cast("dict[str, Any]", value)[part]
    return True, value


def _drop_bytes(record: dict[str, Any]) -> dict[str, Any]:
    """The record with null for bytes that are no text, such as an image, in fields that are only kept."""
    return {
        name: None if isinstance(value, bytes) and name not in _READ_FIELDS else value for name, value in record.items()
    }


def _drop_null(record: dict[str, Any]) -> dict[str, Any]:
    """The record without the one of `prompt` and `messages` that is null: a table has both columns in every row."""
    both = {name: record[name] for name in ("prompt", "messages") if name in record}
    absent = [name for name, value in both.items() if value is None][: len(both) - 1]
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
    target = _read_text(record, "target") or None
    _check_foil(record)  # checked only: these stay among the fields
    _check_stop(record.get("stop"))
    _check_limit(record.get("max_new_tokens"))
    _check_thinking(record.get("thinking"))
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
        sections=_read_sections(record, text, turns),
        given_completion=target,
        label=_read_text(record, "source"),
        fields={name: value for name, value in record.items() if name not in OWN_FIELDS},
        path=path,
        line=line,
        fingerprint=fingerprint(json.dumps(record, sort_keys=True).encode()),
    )


def _list_fields(record: dict[str, Any]) -> str:
    if "prompt" in record:
        return "both; keep one"
    names = ", ".join(f"`{name[:30]}`" for name in list(record)[:5]) or "no fields"
    return f"{names}; give the prompt that name, or say which field holds it"


def _require_prompt(record: dict[str, Any]) -> str:
    text = _read_text(record, "prompt")
    if text is None:
        raise RecordError("expected `prompt` to be text, found null; fill it in or remove the line")
    if not text.strip():
        raise RecordError("expected `prompt` to be text, found it empty; fill it in or remove the line")
    return text


def _read_sections(record: dict[str, Any], text: str, turns: tuple[Turn, ...]) -> tuple[Section, ...]:
    """The named parts of a prompt, in order; ranges count characters of the field ``prompt``."""
    wanted = record.get("sections")
    if wanted is None:
        return ()
    if not isinstance(wanted, dict):
        raise RecordError(f"expected `sections` to be an object of names and texts, found {kind_of(wanted)}")
    sections: list[Section] = []
    try:
        for name, value in cast("dict[str, Any]", wanted).items():
            if value is None:  # a table has every name in every row
                continue
            if not isinstance(value, str):
                start, stop = _read_range(name, value, record)
                if turns:  # chat messages are stripped
                    shift = turns[0].start - count_blanks(record["prompt"])
                    start, stop = max(start + shift, turns[0].start), min(stop + shift, turns[0].stop)
                sections.append(Section(name=name, start=start, stop=stop))
            else:
                sections.append(locate_section(name, value, text))
        return order_sections(sections)
    except ValueError as error:
        raise RecordError(str(error)) from error


def _read_range(name: str, value: Any, record: dict[str, Any]) -> tuple[int, int]:
    """Read a range [start, stop] that contains some text."""
    numbers = cast("list[Any]", value) if isinstance(value, list) else []
    if len(numbers) != 2 or not all(isinstance(number, int) and not isinstance(number, bool) for number in numbers):
        raise ValueError(f"expected section {name!r} to be text or [start, stop], found {kind_of(value)}")
    start, stop = numbers
    prompt = record.get("prompt")
    if not isinstance(prompt, str):
        raise ValueError(f"expected section {name!r} of a chat to be text, found a range; copy the text")
    if not 0 <= start < stop <= len(prompt) or not prompt[start:stop].strip():
        raise ValueError(
            f"expected section {name!r} to be some text from 0 to {len(prompt)}, found [{start}, {stop}]; count "
            "characters of `prompt`"
        )
    return start, stop


def _read_text(record: dict[str, Any], name: str) -> str | None:
    value = record.get(name)
    if value is not None and not isinstance(value, str):
        raise RecordError(f"expected `{name}` to be text, found {kind_of(value)}; write it in quotes")
    return value


def _check_foil(record: dict[str, Any]) -> None:
    """Raise RecordError unless there is one foil, as text, or none."""
    foil, text = _read_text(record, "foil"), _read_text(record, "foil_text")
    if foil and text:
        raise RecordError("expected one foil, found `foil` and `foil_text`; keep one")


def _check_stop(value: Any) -> None:
    """Raise RecordError unless it is a text, a list of texts, or nothing."""
    texts = cast("list[Any]", value) if isinstance(value, list) else [value]
    wrong = [text for text in texts if not (isinstance(text, str) and text)]
    if wrong and value not in (None, ""):  # a table's empty cell
        found = "an empty text" if wrong[0] == "" else kind_of(wrong[0])
        raise RecordError(f"expected `stop` to be a text or a list of texts, found {found}")


def _check_limit(value: Any) -> None:
    """Raise RecordError unless it is a whole number above 0, as a number or as a table's cell has it, or nothing."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if value in (None, "") or (is_number and value >= 1 and value == int(value)):
        return
    if not (isinstance(value, str) and _LIMIT.fullmatch(value)):
        found = repr(value) if is_number or isinstance(value, str) else kind_of(value)
        raise RecordError(f"expected `max_new_tokens` to be a whole number above 0, found {found}")


def _check_thinking(value: Any) -> None:
    """Raise RecordError unless it is true or false, also as a table's cell has it, or nothing."""
    if value not in (None, "") and str(value).lower() not in ("true", "false"):
        found = repr(value) if isinstance(value, str) else kind_of(value)
        raise RecordError(f"expected `thinking` to be true or false, found {found[:60]}; rename the field")


def _readable(value: Any) -> str | None:
    """The value if it is text that can be stored, else None."""
    return value if isinstance(value, str) and not HALF_CHARACTER.search(value) else None


def fingerprint(data: bytes) -> str:
    """A short hash that changes when the data does."""
    return hashlib.sha256(data).hexdigest()[:16]
