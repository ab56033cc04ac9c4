"""The records of the page, by number: made of the rows of all sources, and anew where something was added or changed.

Rows of the run come first, then what was tried, by time: so a page that was loaded before a restart still counts as the
server does.
"""

# pyright: standard

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from promptlight.cli.server._sources import Source, Sources
from promptlight.cli.work.exporting import write_csv
from promptlight.cli.work.report_entries import ReportEntries, describe_all
from promptlight.cli.work.stored_results import ChosenResults
from promptlight.io.page.overview import describe_everything
from promptlight.io.page.record import ReportRecord, to_record
from promptlight.io.page.summary import Summaries
from promptlight.io.page.write import write_report
from promptlight.io.results.reader import read_columns, read_results
from promptlight.salience.errors import UsageError
from promptlight.salience.explain.explanation import Question
from promptlight.salience.text.printable import printable
from promptlight.salience.types import Analysis, SetAside


class Stopped(Exception):
    """The work of a job ends here: it was cancelled, or the server stops."""


@dataclass(frozen=True, kw_only=True)
class Slot:
    """Where a record comes from, and its name on the page."""

    source: int
    id: str
    name: str


class Shelf:
    """The records of a folder. Thread-safe.

    Opening it opens its ``Sources``. ``read`` makes the records, which takes a while; meanwhile ``get`` waits for the
    one that is asked for.
    """

    def __init__(self, folder: Path, question: Question | None = None) -> None:
        self.folder = folder
        self._question = question or Question()
        self._changed = threading.Condition(threading.RLock())
        self._writing = threading.Lock()  # for the writers, which are not thread-safe
        self.sources = Sources(folder, self._question)
        self._slots: list[Slot] = []
        self._records: list[ReportRecord | None] = []
        self._skipped: list[SetAside] = []
        self._problems: list[str] = []
        self._is_read = self._is_closed = False
        self.version = 0
        try:
            self._list()
        except BaseException:
            self.sources.close()
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
            self.sources.close()

    def __len__(self) -> int:
        with self._changed:
            return len(self._slots)

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
        return self.sources[slot.source].fetch(slot.id)

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
            source.learn_facts()
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
            source.look_again()
        number = self.find_number(source.number, id)
        return None if number is None else self._refresh(number)

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

    def fetch_number(self, number: int) -> Analysis:
        """The result of a record, from the disk."""
        with self._changed:
            slot = self._slots[number]
        return self.fetch(slot)

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
        return Slot(source=source.number, id=id, name=source.entitle(id))

    def _try_to_put(self, number: int, analysis: Analysis) -> None:
        """Make a record, or note why it can't be: others wait for the rest."""
        try:
            self._put(number, analysis)
        except Exception as error:
            self._problems.append(f"{analysis.completion.prompt.id}: {type(error).__name__}: {error}")

    def _put(self, number: int, analysis: Analysis) -> None:
        """Make the record of a row, new or changed."""
        slot = self._slots[number]
        entry = self.sources[slot.source].entries.describe(analysis, slot.name)
        record = to_record(entry, served=True)
        with self._changed:
            if self._records[number] is None and self.sources[slot.source].answers:
                self._summaries.add(number, entry)
            self._records[number] = record
            self._changed.notify_all()

    def _is_settled(self, number: int) -> bool:
        is_there = 0 <= number < len(self._records) and self._records[number] is not None
        return is_there or self._is_read or self._is_closed

    def _describe_all(self) -> Any:
        return describe_all(self._question, self.sources.list_names(), self._skipped, self._problems)
