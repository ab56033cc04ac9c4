"""Reading prompts: JSON lines, one record at a time, every fault named with its line.

A record is a JSON object with ``prompt`` (text) and optionally ``id``, ``source`` (a label), ``target`` (a
completion of its own) and any other fields, which are kept. A record that can't be used becomes a ``SetAside`` with
the reason; with ``strict`` it raises InputError instead.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections import Counter
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any, NoReturn, cast

from promptlight.salience.errors import InputError, UsageError
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
BOM = b"\xef\xbb\xbf"
MAX_DEPTH = 100  # far below Python's recursion limit, so that whoever writes the fields again can
WHAT_IS_EXPECTED = "expected a file of prompts, one JSON object per line"
# A line of an array or of an object that was spread over several lines.
PART_OF_MORE = re.compile(r'\s*(?:[\[\]}]|\{$|"[^"]*"\s*:)|.*(?:,|\}\])$')
HALF_CHARACTER = re.compile(r"[\ud800-\udfff]")  # JSON can spell them, UTF-8 and so Parquet can't


class RecordError(Exception):
    """Why one record can't be used."""


class PromptReader:
    """The records of a JSONL file in order, read anew by each loop over it, one line in memory at a time.

    ``n_blank`` counts the blank lines that the latest loop has skipped so far. No two records have the same id: the
    second one is set aside under another. Iterating raises InputError for a file that can't be read or that has no
    records, and with ``strict`` for the first record that can't be used.
    """

    def __init__(self, path: str | Path, *, strict: bool = False) -> None:
        self.path = str(path)
        self.strict = strict
        self.n_blank = 0

    def __iter__(self) -> Iterator[Prompt | SetAside]:
        self.n_blank = 0
        first_lines: dict[str, int] = {}
        for number, line in enumerate(_read_lines(self.path), 1):
            if not line:
                self.n_blank += 1
                continue
            record = _read_record(line, self.path, number, first_lines)
            if self.strict and isinstance(record, SetAside):
                raise InputError(self.path, number, record.reason)
            first_lines[record.id] = number
            yield record
        if not first_lines:
            raise _no_prompts(self.path)


def read_prompts(path: str | Path, *, strict: bool = False) -> Iterator[Prompt | SetAside]:
    """One pass over a ``PromptReader``.

    A record without an ``id`` gets the file's name and its line number, such as ``prompts-3``.
    """
    return iter(PromptReader(path, strict=strict))


def count_lines(path: str | Path) -> int:
    """Lines of a file that are not blank: how many records to expect. Raises InputError if it can't be read."""
    if Path(path).is_fifo():
        raise InputError(str(path), None, f"{WHAT_IS_EXPECTED}, found a pipe, which can't be read twice: save it first")
    n_lines = sum(1 for line in _read_lines(path) if line)
    if n_lines == 0:
        raise _no_prompts(str(path))
    return n_lines


def prompt_from_text(text: str) -> Prompt:
    """A prompt that was typed on the command line."""
    if not text.strip():
        raise UsageError("--prompt: expected some text, found none; write it between quotes")
    if HALF_CHARACTER.search(text):  # how Python passes on bytes that are not of the terminal's encoding
        raise UsageError("--prompt: expected text in UTF-8, found other bytes; set the terminal to UTF-8")
    return Prompt(id="prompt", text=text, fingerprint=_fingerprint(text.encode()))


def _read_lines(path: str | Path) -> Iterator[bytes]:
    """Lines without their ends, split at newlines only (U+2028 may stand in a prompt); blank ones are empty."""
    try:
        with open(path, "rb") as file:
            for number, line in enumerate(file):
                yield (line.removeprefix(BOM) if number == 0 else line).rstrip()
    except OSError as error:
        raise InputError(str(path), None, f"{WHAT_IS_EXPECTED}, {_explain(error)}") from error


def _explain(error: OSError) -> str:
    match error:
        case FileNotFoundError():
            return "found no such file; check its name"
        case IsADirectoryError():
            return "found a folder; name a file in it"
        case PermissionError():
            return "found one that you have no permission to read; change that or copy it"
        case _:
            return f"but it can't be read: {error.strerror or error}"


def _no_prompts(path: str) -> InputError:
    return InputError(path, None, "no prompts in it; expected one JSON object per line, each with a `prompt`")


def _read_record(line: bytes, path: str, number: int, first_lines: dict[str, int]) -> Prompt | SetAside:
    """One line as a prompt, or what is readable of it; ``first_lines`` says where each id before it stands."""
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
        return _build_prompt(record, id, path, number)
    except RecordError as error:
        return SetAside(
            id=_choose_free_id(record, own_id, first_lines),
            path=path,
            line=number,
            reason=str(error),
            source=_readable(record.get("source")),
            prompt=_readable(record.get("prompt")),
            fingerprint=_fingerprint(line),
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


def _build_prompt(record: dict[str, Any], id: str, path: str, line: int) -> Prompt:
    if "prompt" not in record:
        found = ", ".join(f"`{name[:30]}`" for name in list(record)[:5]) or "no fields"
        raise RecordError(f"expected a field `prompt`, found {found}; give the prompt that name")
    text = _read_text(record, "prompt")
    if text is None:
        raise RecordError("expected `prompt` to be text, found null; fill it in or remove the line")
    if not text.strip():
        raise RecordError("expected `prompt` to be text, found it empty; fill it in or remove the line")
    return Prompt(
        id=id,
        text=text,
        target=_read_text(record, "target") or None,
        source=_read_text(record, "source"),
        fields={name: value for name, value in record.items() if name not in OWN_FIELDS},
        path=path,
        line=line,
        fingerprint=_fingerprint(json.dumps(record, sort_keys=True).encode()),
    )


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


def _fingerprint(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]
