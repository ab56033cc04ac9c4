"""Parse a line of JSON into an object with values that can be stored and written again, or give the reason."""

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
    bytes: "bytes that are not UTF-8",  # in a column of a table
}
LONGEST_LINE = 2**24  # bytes; a longer line means a file without line ends, or one that unpacks without limit
MAX_DEPTH = 100  # far below Python's recursion limit, so that fields can be written again
# A line of an array or of an object that was spread over several lines.
PART_OF_MORE = re.compile(r'\s*(?:[\[\]}]|\{$|"[^"]*"\s*:)|.*(?:,|\}\])$')
HALF_CHARACTER = re.compile(r"[\ud800-\udfff]")  # surrogates: JSON can write them, UTF-8 and so Parquet can't


class RecordError(Exception):
    """The reason why a record can't be used. Surrogates in it are escaped, so that it can be stored."""

    def __init__(self, reason: str, *, parameters: tuple[str, ...] = ()) -> None:
        self.parameters = parameters
        super().__init__(spell_halves(reason))


def spell_halves(text: str) -> str:
    """Escape surrogates as ``\\udce9``: file names in another encoding contain them."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def decode_line(line: bytes, longest: int | None = None) -> str:
    """Decode a line. Raises RecordError if it is too long, or at the first byte that is not UTF-8."""
    if len(line) > (longest := longest or LONGEST_LINE):
        most = f"{longest:,} bytes"
        raise RecordError(f"expected records of at most {most}, found a longer one; put each on a line, or split it")
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        found = f"0x{line[error.start]:02X} at byte {error.start + 1}"
        raise RecordError(f"expected UTF-8, found {found}; save the file as UTF-8") from error


def parse_object(line: bytes, longest: int | None = None, *, lenient: bool = False) -> dict[str, Any]:
    """Parse a line into a JSON object. Raises RecordError if it is none.

    With ``lenient``, NaN and infinities become null: Python's own writer has them, and so do logs.
    """
    text = decode_line(line, longest)
    parse_constant = _drop_constant if lenient else _refuse_constant
    try:
        record = json.loads(
            text, object_pairs_hook=_refuse_repeats, parse_constant=parse_constant, parse_float=_parse_float
        )
    except json.JSONDecodeError as error:
        is_part = PART_OF_MORE.match(text)
        hint = "write one JSON object per line, without [ ] around them" if is_part else "fix it there"
        reason = f"{error.msg.removesuffix(' at')} at column {error.colno}"
        raise RecordError(f"expected a JSON object, found invalid JSON: {reason}; {hint}") from error
    except RecursionError as error:
        raise _too_deep() from error
    except ValueError as error:  # Python limits the digits of an integer
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


def _drop_constant(_name: str) -> None:
    return None


def _parse_float(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):  # it could only be written as Infinity, which is not JSON
        raise RecordError(f"expected a smaller number, found {digits[:20]}; write it in quotes")
    return number


def check_value(place: str, value: Any, depth: int = 1) -> None:
    """Raise RecordError if a value can't be stored: it has surrogates, or too many levels."""
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
