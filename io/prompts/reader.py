"""Read prompts, one record at a time from one source after the other; errors name the line.

``records.py`` defines records. A record that can't be used becomes a ``SetAside`` with the reason; with ``strict`` it
raises InputError instead.
"""

from __future__ import annotations

import copy
import random
import shutil
import tempfile
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby
from pathlib import Path

from promptlight.io.prompts.files._encodings import parse_encoding
from promptlight.io.prompts.files._fetching import open_source
from promptlight.io.prompts.files._folders import find_sources
from promptlight.io.prompts.files._logs import spread_row
from promptlight.io.prompts.files.rows import Row, read_rows, to_record
from promptlight.io.prompts.files.sources import Source
from promptlight.io.prompts.formats._answers import is_right
from promptlight.io.prompts.formats.recognition import MAYBE_LOGS, RecordFormat, Seen, is_log
from promptlight.io.prompts.jsonline import HALF_CHARACTER, RecordError, spell_halves
from promptlight.io.prompts.reading import Reading
from promptlight.io.prompts.records import Places, fingerprint, read_record
from promptlight.io.prompts.selection import matches
from promptlight.salience.errors import InputError, UsageError
from promptlight.salience.text.chat import USER, Message, format_turns
from promptlight.salience.types import Explain, Prompt, SetAside


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which records to take: with one of these ids, with all of these values in their fields, and a sample of those."""

    ids: Sequence[str] = ()
    conditions: Sequence[tuple[str, str]] = ()
    sample: int | None = None
    seed: int = 0
    limit: int | None = None  # applied first: only the first records are read


class PromptReader:
    """The records of some sources in order, one in memory at a time; each loop over it reads them again.

    A source is a file, ``name:file``, an address, ``-`` or ``sample_prompts`` (``files/sources.py``). ``encoding`` is
    that of files of text; by default it is UTF-8, or what a file seems to be in. A source may also be a folder, a
    pattern or a data set (``files/_folders.py``), of which ``split`` says what to read.

    Of the last loop so far, ``n_blank`` counts the blank lines that were skipped, and ``seen`` the records in other
    tools' formats. Ids are unique: a second record with the same id is skipped, and gets another one. Iterating raises
    InputError for a source that can't be read or has no records, with ``strict`` for the first record that can't be
    used, and after the last record if selected records are missing.
    """

    def __init__(
        self,
        sources: str | Path | Sequence[str | Path],
        *,
        strict: bool = False,
        reading: Reading | None = None,
        selection: Selection | None = None,
        encoding: str | None = None,
        split: str | None = None,
    ) -> None:
        given = [sources] if isinstance(sources, str | Path) else sources
        known = parse_encoding(encoding)
        self.sources = [replace(found, encoding=known) for source in given for found in find_sources(source, split)]
        self.strict = strict
        self.reading = reading or Reading()
        self.selection = selection or Selection()
        self.n_blank = 0
        self.seen = Seen()

    @cached_property
    def _folder(self) -> Path:
        """A folder for copies of sources that are not files; it is removed with the reader."""
        folder = tempfile.mkdtemp(prefix="promptlight-")
        weakref.finalize(self, shutil.rmtree, folder)
        return Path(folder)

    @cached_property
    def _paths(self) -> list[tuple[Source, Path]]:
        """Each source, as its first bytes say what it is, with its file."""
        return [open_source(source, self._folder) for source in self.sources]

    def __iter__(self) -> Iterator[Prompt | SetAside]:
        chosen = self._require_wanted(filter(self._is_wanted, self._read()))
        yield from chosen if self.selection.sample is None else self._draw(chosen, self.selection.sample)

    def holds_log(self) -> bool:
        """Whether the first record is of an evaluation's log; False if it can't be read."""
        try:
            for source, path in self._paths:
                for _, row in read_rows(source, path):
                    if row:
                        return is_log(self.reading.wanted_format, to_record(source, spread_row(row)[0]))
        except (InputError, RecordError):
            return False
        return False

    @property
    def whole_files(self) -> set[str]:
        """The files, as results name them, of which every record is read; a pipe may hold others the next time."""
        wanted = self.selection
        if wanted.ids or wanted.conditions or wanted.sample is not None or wanted.limit is not None:
            return set()
        return {spell_halves(source.path) for source in self.sources if source.is_file or source.is_remote}

    def without_strictness(self) -> PromptReader:
        """A reader of the same records that skips unusable ones instead of raising."""
        paths = self._paths  # fetched before they are shared, so that nothing is fetched twice
        lenient = copy.copy(self)
        assert lenient._paths is paths
        lenient.strict = False
        return lenient

    def _read(self) -> Iterator[Prompt | SetAside]:
        """Read all records up to the limit."""
        self.n_blank, self.seen = 0, Seen(notes=list(self._say_folders()))
        places: Places = {}
        for source, path in self._paths:
            n_before = len(places)
            for number, row in read_rows(source, path, self.seen.notes.append):
                if len(places) == self.selection.limit:
                    return
                if not row:
                    self.n_blank += 1
                    continue
                yield from self._read_row(row, source, number, places)
            if len(places) == n_before and not source.is_part:
                raise _no_prompts(source)
        if not places:
            raise _no_prompts(self.sources[0])

    def _say_folders(self) -> Iterator[str]:
        """Which files each folder stood for."""
        for root, group in groupby((source for source in self.sources if source.is_part), lambda source: source.root):
            parts = [source.path for source in group]
            files = f"{len(parts)} files, {parts[0]} to {parts[-1]}" if len(parts) > 1 else parts[0]
            yield f"{root}: read as {files}"

    def _read_row(self, row: Row, source: Source, number: int, places: Places) -> Iterator[Prompt | SetAside]:
        """Read the row's record, or each of a log's several answers, up to the limit; and note the place of each."""
        for answer in spread_row(row) if self.reading.wanted_format in MAYBE_LOGS else [row]:
            if len(places) == self.selection.limit:
                return
            record = read_record(answer, source, number, places, self.reading, self.seen)
            if self.strict and isinstance(record, SetAside):
                raise InputError(source.path, number, record.reason, parameters=record.parameters)
            places[record.id] = (source.path, number)
            yield record

    def _is_wanted(self, record: Prompt | SetAside) -> bool:
        """Whether the selection takes a record; an unusable one is taken unless ids select other records."""
        if isinstance(record, SetAside):
            return not self.selection.ids or record.id in self.selection.ids
        return matches(record, self.selection.ids, self.selection.conditions)

    def _require_wanted(self, records: Iterator[Prompt | SetAside]) -> Iterator[Prompt | SetAside]:
        """Pass records on, without those that are left out as right.

        Raises InputError after the last one if an id is missing, or no record had the values or was wrong.
        """
        wanted, missing, n_found = self.selection, dict.fromkeys(self.selection.ids), 0
        for record in records:
            missing.pop(record.id, None)
            if self._is_right(record):
                self.seen.n_right += 1
                continue
            n_found += 1
            yield record
        if missing:
            found = f"expected records with the ids {', '.join(wanted.ids)}, found no {', '.join(missing)}"
            raise InputError(_name(self.sources), None, found, parameters=("ids", "conditions"))
        if self.seen.n_right and not n_found:
            found = f"expected answers that were wrong, found {self.seen.n_right:,} that were right"
            raise InputError(_name(self.sources), None, found, parameters=("foil",))
        if wanted.conditions and not n_found:
            asked = ", ".join(f"{name}={value}" for name, value in wanted.conditions)
            found = f"expected records with {asked}, found none"
            raise InputError(_name(self.sources), None, found, parameters=("conditions",))

    def _is_right(self, record: Prompt | SetAside) -> bool:
        """Whether a right answer is left out, as there is nothing that it should have been instead."""
        explains_failures = self.reading.gold_as_foil and self.reading.explain is Explain.OUTPUT
        return explains_failures and isinstance(record, Prompt) and is_right(record.fields)

    def _draw(self, records: Iterator[Prompt | SetAside], n_wanted: int) -> Iterator[Prompt | SetAside]:
        """Draw this many of them with equal probability, and keep their order."""
        generator = random.Random(self.selection.seed)
        drawn: list[tuple[int, Prompt | SetAside]] = []
        for number, record in enumerate(records):
            place = number if number < n_wanted else generator.randrange(number + 1)
            if place < n_wanted:
                drawn[place : place + 1] = [(number, record)]
        for _, record in sorted(drawn, key=lambda pair: pair[0]):
            yield record


def read_prompts(
    sources: str | Path | Sequence[str | Path],
    *,
    strict: bool = False,
    chat: bool = False,
    explain: Explain = Explain.RESPONSE,
    format: RecordFormat = RecordFormat.AUTO,
    encoding: str | None = None,
) -> Iterator[Prompt | SetAside]:
    """Read prompts in one pass over a ``PromptReader``.

    A record without an ``id`` gets the file's name and its line number, such as ``prompts-3``. ``explain`` is that of
    the analysis: it says whether the model continues a chat's last message of its own, or that is the target.
    Records in other tools' formats are recognised by their keys; ``format`` names one instead.
    """
    reading = Reading(chat=chat, explain=explain, format=format)
    return iter(PromptReader(sources, strict=strict, reading=reading, encoding=encoding))


def prompt_from_text(text: str, *, chat: bool = False, thinking: bool = False) -> Prompt:
    """Make a prompt from a typed text; with ``chat``, as the user's turn of a chat, which may ask for ``thinking``."""
    if thinking and not chat:
        raise UsageError("expected a chat with thinking, found none: ask for both", parameters=("chat", "thinking"))
    if not text.strip():
        raise UsageError("expected a prompt with some text, found none", parameters=("text",))
    if HALF_CHARACTER.search(text):  # Python's form of bytes that the terminal's encoding lacks
        raise UsageError(
            "expected a prompt in UTF-8, found other bytes; set the terminal to UTF-8", parameters=("text",)
        )
    shown, turns = format_turns([Message(USER, text)]) if chat else (text, ())
    fields = {"thinking": True} if thinking else {}
    return Prompt(id="prompt", text=shown, turns=turns, fields=fields, fingerprint=fingerprint(text.encode()))


def _name(sources: Sequence[Source]) -> str:
    return ", ".join(source.path for source in sources)


def _no_prompts(source: Source) -> InputError:
    what = "no prompts in it; expected one JSON object per line, each with a `prompt`"
    return InputError(source.path, None, what)
