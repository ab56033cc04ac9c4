"""Reading prompts: JSON lines, one record at a time, every fault named with its line.

A record is a JSON object with ``prompt`` (text) and optionally ``id``, ``source`` (a label), ``target`` (a
completion of its own) and any other fields, which are kept. A record that can't be used becomes a ``SetAside`` with
the reason; with ``strict`` it raises InputError instead.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn, cast

from promptlight.salience.errors import InputError, UsageError
from promptlight.salience.types import Prompt, SetAside

OWN_FIELDS = ("id", "prompt", "target", "source")
KINDS = {dict: "an object", list: "an array", str: "text", bool: "true or false", int: "a number", float: "a number"}
BOM = b"\xef\xbb\xbf"


class RecordError(Exception):
    """Why one record can't be used."""


def count_lines(path: str | Path) -> int:
    """Lines of a file that are not blank: how many records to expect. Raises InputError if it can't be read."""
    n_lines = sum(1 for line in _read_lines(path) if line.strip())
    if n_lines == 0:
        raise InputError(str(path), None, "no prompts in it; expected one JSON object a line, each with a `prompt`")
    return n_lines


def read_prompts(path: str | Path, *, strict: bool = False) -> Iterator[Prompt | SetAside]:
    """The records of a JSONL file in order; blank lines are skipped, one line is in memory at a time.

    A record without an ``id`` gets the file's name and its line number, such as ``prompts-3``. Raises InputError for a
    file that can't be read, and with ``strict`` for the first record that can't be used.
    """
    first_lines: dict[str, int] = {}
    for number, line in enumerate(_read_lines(path), 1):
        if not line.strip():
            continue
        record: dict[str, Any] = {}
        own_id = f"{Path(path).stem}-{number}"
        try:
            record = _parse(line.removeprefix(BOM) if number == 1 else line)
            id = _read_id(record) or own_id
            if id in first_lines:
                raise RecordError(
                    f"the id {id!r} was used in line {first_lines[id]} already; give each record an id of its own"
                )
            prompt = _build_prompt(record, id, str(path), number)
            first_lines[id] = number
            yield prompt
        except RecordError as error:
            if strict:
                raise InputError(str(path), number, str(error)) from error
            unusable = _build_set_aside(record, line, own_id, str(path), number, str(error), taken=first_lines)
            first_lines.setdefault(unusable.id, number)
            yield unusable


def prompt_from_text(text: str) -> Prompt:
    """A prompt that was typed on the command line."""
    if not text.strip():
        raise UsageError("--prompt: expected some text, found none")
    return Prompt(id="prompt", text=text, fingerprint=_fingerprint(text.encode("utf-8", "surrogatepass")))


def _read_lines(path: str | Path) -> Iterator[bytes]:
    try:
        with open(path, "rb") as file:
            yield from file
    except IsADirectoryError as error:
        raise InputError(str(path), None, "a folder; expected a file of prompts, one JSON object a line") from error
    except FileNotFoundError as error:
        raise InputError(str(path), None, "no such file; expected a file of prompts, one JSON object a line") from error
    except OSError as error:
        raise InputError(str(path), None, f"can't be read: {error.strerror or error}") from error


def _parse(line: bytes) -> dict[str, Any]:
    """One line as a JSON object."""
    try:
        text = line.decode("utf-8").strip()
    except UnicodeDecodeError as error:
        raise RecordError(
            f"expected UTF-8, found byte 0x{line[error.start]:02X} at place {error.start + 1}; save the file as UTF-8"
        ) from error
    try:
        record = json.loads(text, object_pairs_hook=_refuse_repeats, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        hint = " (a record must stand on one line)" if text in ("{", "[", "}", "]") or text.endswith(("{", ",")) else ""
        raise RecordError(f"no valid JSON: {error.msg} at character {error.colno}{hint}") from error
    except RecursionError as error:
        raise RecordError("no valid JSON: nested too deeply") from error
    if not isinstance(record, dict):
        raise RecordError(f'expected an object such as {{"prompt": "..."}}, found {_kind(record)}')
    return cast("dict[str, Any]", record)


def _refuse_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise RecordError(f"the field {repeated!r} stands there twice; keep one")
    return record


def _refuse_constant(name: str) -> NoReturn:
    raise RecordError(f"no valid JSON: {name} is not a JSON value; use null")


def _read_id(record: dict[str, Any]) -> str | None:
    id = record.get("id")
    if id is None or id == "":
        return None
    if isinstance(id, bool) or not isinstance(id, str | int):
        raise RecordError(f"expected `id` to be text or a whole number, found {_kind(id)}")
    _check_text("id", str(id))
    return str(id)


def _build_prompt(record: dict[str, Any], id: str, path: str, line: int) -> Prompt:
    if "prompt" not in record:
        found = ", ".join(f"`{name}`" for name in list(record)[:5]) or "no fields"
        raise RecordError(f"expected a field `prompt`, found {found}")
    text = record["prompt"]
    if not isinstance(text, str):
        raise RecordError(f"expected `prompt` to be text, found {_kind(text)}")
    if not text.strip():
        raise RecordError("expected `prompt` to be text, found it empty")
    for name in ("prompt", "target", "source"):
        value = record.get(name)
        if value is not None and not isinstance(value, str):
            raise RecordError(f"expected `{name}` to be text or null, found {_kind(value)}")
        _check_text(name, value or "")
    return Prompt(
        id=id,
        text=text,
        target=record.get("target") or None,
        source=record.get("source"),
        fields={name: value for name, value in record.items() if name not in OWN_FIELDS},
        path=path,
        line=line,
        fingerprint=_fingerprint(json.dumps(record, sort_keys=True).encode()),
    )


def _check_text(name: str, text: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        half = f"\\u{ord(text[error.start]):04x}"
        raise RecordError(f"`{name}` holds {half}, half a character; write the whole one") from error


def _build_set_aside(
    record: dict[str, Any], line: bytes, own_id: str, path: str, number: int, reason: str, *, taken: dict[str, int]
) -> SetAside:
    """Keep what is readable of a record that can't be used; its id is its own only if no other record has it."""
    id, source, prompt = (
        value if isinstance(value, str) and not _has_half_characters(value) else None
        for value in (record.get("id"), record.get("source"), record.get("prompt"))
    )
    return SetAside(
        id=id if id and id not in taken else own_id,
        path=path,
        line=number,
        reason=reason,
        source=source,
        prompt=prompt,
        fingerprint=_fingerprint(line),
    )


def _has_half_characters(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)


def _kind(value: Any) -> str:
    return "null" if value is None else next(kind for type_, kind in KINDS.items() if isinstance(value, type_))


def _fingerprint(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]
