"""Check the fields of a record that are options of it: its foil, stop texts, limit of tokens and thinking."""

from __future__ import annotations

import re
from typing import Any, cast

from promptlight.io.prompts.jsonline import RecordError, kind_of

OPTIONS = ("foil", "foil_text", "foil_target", "stop", "max_new_tokens", "thinking")
_LIMIT = re.compile(r"0*[1-9][0-9]{0,8}(\.0+)?")


def check_options(record: dict[str, Any]) -> None:
    """Raise RecordError for an option that has another kind of value."""
    _check_foil(record)
    _check_stop(record.get("stop"))
    _check_limit(record.get("max_new_tokens"))
    _check_thinking(record.get("thinking"))


def read_text(record: dict[str, Any], name: str) -> str | None:
    value = record.get(name)
    if value is not None and not isinstance(value, str):
        raise RecordError(f"expected `{name}` to be text, found {kind_of(value)}; write it in quotes")
    return value


def _check_foil(record: dict[str, Any]) -> None:
    """Raise RecordError unless there is one foil, as text, or none."""
    foil, text = read_text(record, "foil"), read_text(record, "foil_text")
    if foil and text:
        raise RecordError("expected one foil, found `foil` and `foil_text`; keep one")
    if read_text(record, "foil_target") and not text:
        raise RecordError("expected `foil_text` beside `foil_target`, found none; add what takes its place")


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
