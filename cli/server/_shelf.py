"""The results folder behind the page: its records as the page needs them, and the writers that add rows to it.

Source 0 is the folder itself. Completions that were asked about otherwise are in folders of their own within
``_tried``, each a further source. Rows of the run come first, then what was tried, by time: so a page that was loaded
before a restart still counts as the server does.
"""

# pyright: standard

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from promptlight.cli.work.exporting import write_csv
from promptlight.cli.work.report_entries import FolderEntries, ReportEntries, describe_all, name_folders
from promptlight.cli.work.stored_results import ChosenResults
from promptlight.io.page.overview import describe_everything
from promptlight.io.page.record import ReportRecord, to_record
from promptlight.io.page.summary import Summaries
from promptlight.io.page.write import write_report
from promptlight.io.results.facts import RunFacts, read_facts
from promptlight.io.results.reader import read_columns, read_result, read_results
from promptlight.io.results.schema import read_kind
from promptlight.io.results.shards import read_metadata, read_shard, require_shards
from promptlight.io.results.tried import TRIED_FOLDER, describe_question, find_tried_folders, name_tried_folder
from promptlight.io.results.writer import ResultsWriter
from promptlight.salience.errors import UsageError
from promptlight.salience.explain.explanation import Question
from promptlight.salience.text.printable import printable
from promptlight.salience.types import Analysis, SetAside

_OWN = ("schema_version", "settings", "started", "finished")  # of a shard's metadata, what a writer adds itself


class Stopped(Exception):
    """The work of a job ends here: it was cancelled, or the server stops."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """A folder of results; ``title`` says what it asks. Both it and ``name`` are empty for the one that is served."""

    number: int
    folder: Path
    name: str
    title: str
    writer: ResultsWriter

    @property
    def settings(self) -> dict[str, Any]:
        """The settings that all its results share."""
        return self.writer.settings

    def answers(self, question: Question) -> bool:
        """Whether its results have scores by the method that a question is about."""
        return question.method is None or question.method in read_kind(self.settings).methods


@dataclass(frozen=True, kw_only=True)
class Slot:
    """Where a record comes from, and its name on the page."""

    source: int
    id: str
    name: str


class Shelf:
    """The records of a folder, by number. Thread-safe.

    Opening it takes the folder's lock: raises OutputError if another process writes there. ``read`` makes the records,
    which takes a while; meanwhile ``get`` waits for the one that is asked for.
    """

    def __init__(self, folder: Path, question: Question | None = None) -> None:
        self.folder = folder
        self._question = question or Question()
        self._changed = threading.Condition(threading.RLock())
        self._writing = threading.Lock()  # for the writers, which are not thread-safe
        self.sources: list[Source] = []
        self._entries: list[FolderEntries] = []
        self._facts: list[RunFacts | None] = []
        self._slots: list[Slot] = []
        self._records: list[ReportRecord | None] = []
        self._skipped: list[SetAside] = []
        self._problems: list[str] = []
        self._is_read = self._is_closed = False
        self.version = 0
        try:
            if not self._open(folder, "").answers(self._question):
                stored = ", ".join(self.sources[0].settings["methods"])
                raise UsageError(f"expected scores by {self._question.method}, found {stored}", parameters=("method",))
            for inside in find_tried_folders(folder):
                self._open(Path(str(inside)), inside.name)
            self._list()
        except BaseException:
            self.close()
            raise
        self._summaries = Summaries(self._describe_all().question)

    def stop(self) -> None:
        """Let whoever waits for a record go."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def close(self) -> None:
        """Give the folders back."""
        self.stop()
        with self._writing:
            self._close_writers()

    def _close_writers(self) -> None:
        for source in self.sources:
            source.writer.close()

    def __len__(self) -> int:
        with self._changed:
            return len(self._slots)

    @property
    def facts(self) -> list[RunFacts | None]:
        """Where the results of each source come from."""
        with self._changed:
            return list(self._facts)

    def read(self) -> None:
        """Make the record of each row that was there when the shelf was opened."""
        numbers = {(slot.source, slot.id): number for number, slot in enumerate(self._slots)}
        for source in [one for one in self.sources if one.writer.done]:
            for result in read_results(source.folder, self._problems):
                if self._is_closed:
                    return
                if isinstance(result, SetAside):
                    self._skipped.append(result)
                elif (number := numbers.get((source.number, result.completion.prompt.id))) is not None:
                    self._try_to_put(number, result)
        with self._changed:
            kept = [number for number, record in enumerate(self._records) if record is not None]
            self._slots, self._records = [self._slots[n] for n in kept], [self._records[n] for n in kept]
            self._is_read = True
            self.version += 1
            self._changed.notify_all()

    def get(self, number: int) -> ReportRecord:
        """A record, as soon as it is there. Raises IndexError if there is none."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_settled(number))
            record = self._records[number] if 0 <= number < len(self._records) else None
            if record is None:
                raise IndexError(number)
            return record

    def list_records(self) -> Iterator[ReportRecord]:
        """Every record, each as soon as it is there; those that come meanwhile too."""
        self.wait()
        number = 0
        while number < len(self):
            yield self.get(number)
            number += 1

    def wait(self) -> None:
        """Wait until all records were read."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_read or self._is_closed)

    def summarize(self) -> dict[str, Any]:
        """What the page says of all prompts together."""
        self.wait()
        with self._changed:
            return describe_everything(self._describe_all()) | self._summaries.describe()

    def find(self, id: str) -> tuple[int, Slot]:
        """The number and place of an id, or of a name on the page. Raises UsageError if there is none."""
        with self._changed:
            for number, slot in enumerate(self._slots):
                if id in (slot.id, slot.name, printable(slot.name)):
                    return number, slot
        raise UsageError(f"expected the id of a prompt of these results, found {id!r}")

    def list_ids(self) -> set[str]:
        """The ids that rows have, skipped ones too."""
        with self._changed:
            return {id for source in self.sources for id in source.writer.done} | {slot.id for slot in self._slots}

    def find_number(self, source: int, id: str) -> int | None:
        """The number of a source's record with this id; None if it has none."""
        with self._changed:
            places = (n for n, slot in enumerate(self._slots) if (slot.source, slot.id) == (source, id))
            return next(places, None)

    def fetch(self, slot: Slot) -> Analysis:
        """A result from the disk."""
        shard = self.sources[slot.source].writer.done[slot.id].shard
        place = read_shard(shard, ["id"])["id"].to_pylist().index(slot.id)
        result = read_result(shard, place)
        assert isinstance(result, Analysis)
        return result

    def add(self, source: Source, analysis: Analysis) -> int:
        """Store a result as a new row of a source; returns the number of its record.

        Raises Stopped once the shelf is closed: then the folder may be another process's.
        """
        with self._writing:
            if self._is_closed:
                raise Stopped
            source.writer.store(analysis)
        id = analysis.completion.prompt.id
        with self._changed:
            if self._facts[source.number] is None:
                self._facts[source.number] = read_facts(source.folder)
                self._look_again(source)
            number = len(self._slots)
            self._slots.append(self._name(source, id))
            self._records.append(None)
            self._put(number, analysis)
            self.version += 1
        return number

    def annotate(self, id: str, note: str, author: str) -> int:
        """Change the note of a prompt that was tried; returns its number. Raises UsageError for any other prompt."""
        number, slot = self.find(id)
        with self._writing:
            self.sources[slot.source].writer.annotate(slot.id, note, author)
        return self._refresh(number)

    def look_again(self, source: Source, id: str) -> int | None:
        """Make the record of a prompt again, about which something was tried; returns its number, if it has one."""
        with self._changed:
            self._look_again(source)
        number = self.find_number(source.number, id)
        return None if number is None else self._refresh(number)

    def find_source(self, name: str) -> Source:
        """A source by its name. Raises UsageError if it is gone."""
        for source in self.sources:
            if source.name == name:
                return source
        raise UsageError(f"expected the results in {TRIED_FOLDER}/{name}, found none")

    def open_tried(self, settings: Mapping[str, Any], provenance: dict[str, Any]) -> Source:
        """The source in ``_tried`` for results with these settings; a new one if there is none yet."""
        name = name_tried_folder(settings)
        with self._changed:
            known = next((source for source in self.sources if source.name == name), None)
            if known is not None:
                known.writer.come_from(provenance)
                return known
            folder = self.folder / TRIED_FOLDER / name
            return self._take(folder, name, ResultsWriter(folder, dict(settings), provenance, flush_every=1), None)

    def write_report(self, path: Path) -> None:
        """Write the page that ``report`` writes of all sources."""
        entries = ReportEntries([self._choose()], self._question, None)
        write_report(path, entries, sources=entries.sources, everything=entries.everything)

    def write_table(self, path: Path) -> None:
        """Write the table that ``export`` writes of the folder, as CSV."""
        write_csv(self._choose(), self._question, path)

    def _choose(self) -> ChosenResults:
        return ChosenResults(self.folder, ids=None, where=None, sections=None)

    def _refresh(self, number: int) -> int:
        """Make a record anew from what is stored."""
        self._put(number, self.fetch(self._slots[number]))
        with self._changed:
            self.version += 1
        return number

    def _look_again(self, source: Source) -> None:
        """Read anew what was measured and tried about a source."""
        self._entries[source.number] = self._describe_source(source, self._facts[source.number])

    def _describe_source(self, source: Source, facts: RunFacts | None) -> FolderEntries:
        """Describes a source's rows; by its first method where it lacks that of the page's question."""
        asked = self._question if source.answers(self._question) else replace(self._question, method=None)
        return FolderEntries(source.folder, facts, source.number, asked)

    def fetch_number(self, number: int) -> Analysis:
        """The result of a record, from the disk."""
        with self._changed:
            slot = self._slots[number]
        return self.fetch(slot)

    def _open(self, folder: Path, name: str) -> Source:
        """Add a folder with results, and take its lock."""
        metadata = read_metadata(require_shards(folder)[-1])
        provenance = {key: value for key, value in metadata.items() if key not in _OWN}
        writer = ResultsWriter(folder, metadata["settings"], provenance, flush_every=1)
        return self._take(folder, name, writer, read_facts(folder))

    def _take(self, folder: Path, name: str, writer: ResultsWriter, facts: RunFacts | None) -> Source:
        title = self._entitle(name, writer.settings) if name else ""
        source = Source(number=len(self.sources), folder=folder, name=name, title=title, writer=writer)
        self._facts.append(facts)
        self._entries.append(self._describe_source(source, facts))
        self.sources.append(source)
        return source

    def _entitle(self, name: str, settings: Mapping[str, Any]) -> str:
        """What a folder in ``_tried`` asks, with the end of its name if another one asks the same."""
        asked = describe_question(settings, self.sources[0].settings)
        is_taken = any(source.title == asked for source in self.sources)
        return f"{asked}, {name.rpartition('-')[2]}" if is_taken else asked

    def _list(self) -> None:
        """Find the rows that have results, in the order of the page."""
        found: list[tuple[str, Slot]] = []
        for source in self.sources:
            for _, table in read_columns(source.folder, ["id", "error", "fields"], self._problems):
                for row in table.to_pylist():
                    if row["error"] is None:
                        tried = json.loads(row["fields"] or "{}").get("tried")
                        found.append((tried if isinstance(tried, str) else "", self._name(source, row["id"])))
        found.sort(key=lambda one: one[0])
        self._slots = [slot for _, slot in found]
        self._records = [None] * len(found)

    def _name(self, source: Source, id: str) -> Slot:
        return Slot(source=source.number, id=id, name=f"{id} ({source.title})" if source.title else id)

    def _try_to_put(self, number: int, analysis: Analysis) -> None:
        """Make a record, or note why it can't be: others wait for the rest."""
        try:
            self._put(number, analysis)
        except Exception as error:
            self._problems.append(f"{analysis.completion.prompt.id}: {type(error).__name__}: {error}")

    def _put(self, number: int, analysis: Analysis) -> None:
        """Make the record of a row, new or changed."""
        slot = self._slots[number]
        entry = self._entries[slot.source].describe(analysis, slot.name)
        record = to_record(entry, served=True)
        with self._changed:
            if self._records[number] is None and self.sources[slot.source].answers(self._question):
                self._summaries.add(number, entry)
            self._records[number] = record
            self._changed.notify_all()

    def _is_settled(self, number: int) -> bool:
        is_there = 0 <= number < len(self._records) and self._records[number] is not None
        return is_there or self._is_read or self._is_closed

    def _describe_all(self) -> Any:
        names = name_folders([self.folder])
        names += [source.title for source in self.sources[1:]]
        return describe_all(self._question, names, self._skipped, self._problems)
