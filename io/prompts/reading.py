"""How to read records: whose fields they have, which fields hold what, and what is explained."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from promptlight.io.prompts._fields import find_field
from promptlight.io.prompts.formats._messages import is_chat
from promptlight.io.prompts.formats.recognition import (
    RecordFormat,
    Seen,
    convert_record,
    name_as_given,
    recognize_format,
)
from promptlight.io.prompts.jsonline import RecordError
from promptlight.io.prompts.responses import Responses
from promptlight.io.prompts.template import Template
from promptlight.salience.text.spelling import suggest
from promptlight.salience.types import Explain

_QUOTED_NAME = re.compile(r"`(\w+)`")


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How to convert rows to prompts: the format and names of fields, a template, whether plain prompts become chats,
    and what is explained. Names may have dots (``_fields.py``).
    """

    format: RecordFormat = RecordFormat.AUTO
    prompt_field: str | None = None  # None: "prompt", and the format may be recognised
    target_field: str = "target"
    id_field: str = "id"
    template: Template | None = None  # makes the prompt from the record's fields
    responses: Responses | None = None  # the given completions, by the records' ids
    chat: bool = False  # makes a plain prompt the user's turn of a chat
    explain: Explain = Explain.RESPONSE  # a chat's last message, if the model's, is continued (RESPONSE) or the target
    gold_as_foil: bool = False  # the right answer of a log is the foil of one that was wrong

    @property
    def wanted_format(self) -> RecordFormat:
        """The format to read. An option or a template for the prompt says what it is: then no other is looked for."""
        is_told = self.format is RecordFormat.AUTO and (self.template or self.prompt_field)
        return RecordFormat.OWN if is_told else self.format


def name_fields(record: dict[str, Any], reading: Reading, seen: Seen, name: str) -> dict[str, Any]:
    """The record with our names for its fields, and with the prompt from the template.

    What an option names goes before what the format says. ``name`` is the file's.
    """
    format, as_foil = reading.wanted_format, reading.gold_as_foil
    named = dict(convert_record(record, format, reading.explain, seen, name, gold_as_foil=as_foil))
    _require_prompt_field(record, reading)
    for own, option in _list_options(reading):
        named = _rename(named, record, option, own)
    if reading.prompt_field == "prompt" and "prompt" in record:
        named.pop("messages", None)
    if reading.template is not None:
        if named.get("messages") is not None and not reading.template.reads("messages"):
            raise RecordError("expected fields for the template, found a chat; leave out `messages` or the template")
        named.pop("messages", None)
        return named | {"prompt": reading.template.fill(record)}
    if "messages" not in named and is_chat(prompt := named.get("prompt")):
        seen.n_parsed += isinstance(prompt, str)
        named["messages"] = named.pop("prompt")
    return named


def spell_as_given(reason: str, record: dict[str, Any], reading: Reading) -> str:
    """The reason against a record whose fields have our names, with the names that they have in the record."""
    format = reading.wanted_format
    names = name_as_given(record, recognize_format(record) if format is RecordFormat.AUTO else format)
    names |= {own: option for own, option in _list_options(reading) if find_field(record, option)[0]}
    return _QUOTED_NAME.sub(lambda found: f"`{names.get(found[1], found[1])}`", reason)


def _list_options(reading: Reading) -> list[tuple[str, str]]:
    """A field of ours and the name that an option gives it."""
    options = ("target", reading.target_field), ("id", reading.id_field), ("prompt", reading.prompt_field)
    return [(own, option) for own, option in options if option is not None and option != own]


def _require_prompt_field(record: dict[str, Any], reading: Reading) -> None:
    """Raise RecordError if the field that an option names is not there: another one would be taken for the prompt."""
    name = reading.prompt_field
    if name is not None and reading.template is None and not find_field(record, name)[0]:
        others = list(record)
        listed = ", ".join(f"`{one[:30]}`" for one in others[:5]) or "no fields"
        hint = suggest(name, others)
        raise RecordError(f"expected a field `{name}`, found {listed}{hint}", parameters=("prompt_field",))


def _rename(named: dict[str, Any], record: dict[str, Any], option: str, own: str) -> dict[str, Any]:
    """``named`` with the value of a field of the record under a name of ours."""
    there, value = find_field(record, option)
    if not there:
        return named
    if (option, own) == ("messages", "prompt"):  # which of the two, where a record has both
        return {name: value for name, value in named.items() if name != own} | {option: value}
    if own in record:
        raise RecordError(f"expected `{option}` to be the {own}, found `{own}` too; rename one of them")
    return {name: value for name, value in named.items() if name != option} | {own: value}
