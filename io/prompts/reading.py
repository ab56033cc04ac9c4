"""How to read records: whose fields they have, which fields hold what, and what is explained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from promptlight.io.prompts._fields import find_field
from promptlight.io.prompts._messages import is_chat
from promptlight.io.prompts.formats import RecordFormat, Seen, convert_record
from promptlight.io.prompts.jsonline import RecordError
from promptlight.io.prompts.responses import Responses
from promptlight.io.prompts.template import Template
from promptlight.salience.types import Explain


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


def name_fields(record: dict[str, Any], reading: Reading, seen: Seen) -> dict[str, Any]:
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
    there, value = find_field(record, option)
    if not there:
        return named
    if (option, own) == ("messages", "prompt"):  # which of the two, where a record has both
        return {name: value for name, value in named.items() if name != own} | {option: value}
    if own in record:
        raise RecordError(f"expected `{option}` to be the {own}, found `{own}` too; rename one of them")
    return {name: value for name, value in named.items() if name != option} | {own: value}
