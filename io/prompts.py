"""Reading prompts: JSON lines, one record at a time, every fault named with its line.

``records.py`` says what a record is. One that can't be used becomes a ``SetAside`` with the reason; with ``strict`` it
raises InputError instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from promptlight.io.jsonline import HALF_CHARACTER
from promptlight.io.records import fingerprint, read_record
from promptlight.salience.chat import USER, Message, format_turns
from promptlight.salience.errors import InputError, UsageError
from promptlight.salience.types import Prompt, SetAside

BOM = b"\xef\xbb\xbf"
WHAT_IS_EXPECTED = "expected a file of prompts, one JSON object per line"


class PromptReader:
    """The records of a JSONL file in order, read anew by each loop over it, one line in memory at a time.

    ``n_blank`` counts the blank lines that the latest loop has skipped so far. No two records have the same id: the
    second one is set aside under another. Iterating raises InputError for a file that can't be read or that has no
    records, and with ``strict`` for the first record that can't be used. ``chat`` makes chats of plain prompts.
    """

    def __init__(self, path: str | Path, *, strict: bool = False, chat: bool = False) -> None:
        self.path = str(path)
        self.strict = strict
        self.chat = chat
        self.n_blank = 0

    def __iter__(self) -> Iterator[Prompt | SetAside]:
        self.n_blank = 0
        first_lines: dict[str, int] = {}
        for number, line in enumerate(_read_lines(self.path), 1):
            if not line:
                self.n_blank += 1
                continue
            record = read_record(line, self.path, number, first_lines, chat=self.chat)
            if self.strict and isinstance(record, SetAside):
                raise InputError(self.path, number, record.reason)
            first_lines[record.id] = number
            yield record
        if not first_lines:
            raise _no_prompts(self.path)


def read_prompts(path: str | Path, *, strict: bool = False, chat: bool = False) -> Iterator[Prompt | SetAside]:
    """One pass over a ``PromptReader``.

    A record without an ``id`` gets the file's name and its line number, such as ``prompts-3``.
    """
    return iter(PromptReader(path, strict=strict, chat=chat))


def count_lines(path: str | Path) -> int:
    """Lines of a file that are not blank: how many records to expect. Raises InputError if it can't be read."""
    if Path(path).is_fifo():
        raise InputError(str(path), None, f"{WHAT_IS_EXPECTED}, found a pipe, which can't be read twice: save it first")
    n_lines = sum(1 for line in _read_lines(path) if line)
    if n_lines == 0:
        raise _no_prompts(str(path))
    return n_lines


def prompt_from_text(text: str, *, chat: bool = False) -> Prompt:
    """A prompt that was typed on the command line, for ``chat`` as the user's turn of a chat."""
    if not text.strip():
        raise UsageError("--prompt: expected some text, found none; write it between quotes")
    if HALF_CHARACTER.search(text):  # how Python passes on bytes that are not of the terminal's encoding
        raise UsageError("--prompt: expected text in UTF-8, found other bytes; set the terminal to UTF-8")
    shown, turns = format_turns([Message(USER, text)]) if chat else (text, ())
    return Prompt(id="prompt", text=shown, turns=turns, fingerprint=fingerprint(text.encode()))


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
