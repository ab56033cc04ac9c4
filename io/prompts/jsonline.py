"""One line of JSON as an object whose every value can be stored and written again, or the reason why not."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from typing import Any, NoReturn, cast

KINDS = {
    dict: "an object",
    list: "an array",
    str: "text",
    bool: "true or false",
    int: "a number",
    float: "a decimal number",
}
LONGEST_LINE = 2**24  # bytes; more is no prompt but a file without line ends, or one that unpacks to anything
MAX_DEPTH = 100  # far below Python's recursion limit, so that whoever writes the fields again can
# A line of an array or of an object that was spread over several lines.
PART_OF_MORE = re.compile(r'\s*(?:[\[\]}]|\{$|"[^"]*"\s*:)|.*(?:,|\}\])$')
HALF_CHARACTER = re.compile(r"[\ud800-\udfff]")  # JSON can spell them, UTF-8 and so Parquet can't


class RecordError(Exception):
    """Why one record can't be used. Halves of characters that it quotes are spelt out, so that it can be stored."""

    def __init__(self, reason: str, *, parameters: tuple[str, ...] = ()) -> None:
        self.parameters = parameters
        super().__init__(spell_halves(reason))


def spell_halves(text: str) -> str:
    """The same text with halves of characters as ``\\udce9``: file names in another encoding have some."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def decode_line(line: bytes) -> str:
    """One line as text. Raises RecordError for one that is too long, or naming the byte that is none."""
    if len(line) > LONGEST_LINE:
        most = f"{LONGEST_LINE:,} bytes"
        raise RecordError(f"expected lines of at most {most}, found a longer one; put each record on one")
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        found = f"0x{line[error.start]:02X} at byte {error.start + 1}"
        raise RecordError(f"expected UTF-8, found {found}; save the file as UTF-8") from error


def parse_object(line: bytes) -> dict[str, Any]:
    """One line as a JSON object."""
    text = decode_line(line)
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
            f'expected an object such as {{"prompt": "..."}}, found {kind_of(record)}; write one JSON object per line'
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


def check_value(place: str, value: Any, depth: int = 1) -> None:
    """Raise RecordError where a value could not be stored: half characters, or too many levels."""
    if depth > MAX_DEPTH:
        raise _too_deep()
    if isinstance(value, str):
        check_characters(place, value)
    elif isinstance(value, list):
        for item in cast("list[Any]", value):
            check_value(place, item, depth + 1)
    elif isinstance(value, dict):
        for name, item in cast("dict[str, Any]", value).items():
            check_characters(place, name)
            check_value(place, item, depth + 1)


def check_characters(place: str, text: str) -> None:
    if half := HALF_CHARACTER.search(text):
        found = f"\\u{ord(half[0]):04x}"
        raise RecordError(f"expected whole characters in {place}, found {found}, half of one; write the whole one")


def _too_deep() -> RecordError:
    return RecordError(
        f"expected fields of at most {MAX_DEPTH} levels, found more nested into each other; flatten them"
    )


def kind_of(value: Any) -> str:
    return "null" if value is None else next(kind for type_, kind in KINDS.items() if isinstance(value, type_))
