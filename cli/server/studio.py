"""The page's model, queue and results behind one face: what a web server, or a test, calls.

    with Studio(folder, live) as studio:
        studio.subscribe(hear)
        studio.submit({"kind": "write", "parent": "dish-mistake", "turn": 0, "text": "..."})

Readers of the page read and ask at the same time; one worker thread does the work, a batch after the other.
"""

# pyright: standard

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

from promptlight.cli.server._board import Board
from promptlight.cli.server._jobs import Job
from promptlight.cli.server._limits import Busy, Limits
from promptlight.cli.server._requests import Requests
from promptlight.cli.server._shelf import Shelf
from promptlight.cli.server._values import check_note
from promptlight.cli.server._worker import Worker
from promptlight.cli.work.live_model import LiveModel
from promptlight.io.places import Place, RemotePath
from promptlight.io.results.folders import is_bundled
from promptlight.salience.errors import UsageError
from promptlight.salience.text.secrets import hide_secrets

if TYPE_CHECKING:
    from promptlight.io.page.record import ReportRecord
    from promptlight.io.page.write import Opening
    from promptlight.salience.explain.explanation import Question

__all__ = ["Busy", "Hear", "Limits", "Studio"]

LIMITS = Limits()
PATIENCE = 10.0  # seconds until a thread that does not stop, as while it loads a model, is left alone
SECONDS_BETWEEN = 0.1  # of two reports of how far a job is

Hear = Callable[[str, dict[str, Any]], None]
"""Told the name of an event, ``state`` or ``record``, and what it is about; called from any thread, must not block."""


class Studio:
    """A results folder, the model that tries changes, and the queue of what is tried. Thread-safe.

    ``question`` is what each prompt opens with. Raises OutputError if another process writes to the folder, UsageError
    for a folder that can't be written to. ``notices`` are sentences about what was found, such as a damaged queue.
    """

    def __init__(
        self,
        folder: Place,
        live: LiveModel,
        *,
        limits: Limits = LIMITS,
        question: Question | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._live, self._limits, self._clock = live, limits, clock
        self._shelf = Shelf(_require_own(folder), question)
        self._lock = threading.RLock()  # one request is taken at a time
        self._meeting = threading.Lock()  # for who hears
        self._hearing: list[Hear] = []
        self._told = 0.0  # when readers last heard how far a job is
        self._board = Board(self._shelf.folder, limits.ended, self._tell_state)
        self.notices = self._board.notices
        self._worker = Worker(
            self._shelf,
            self._board,
            live,
            now=self._spell_now,
            progressed=self._tell_progress,
            made=self._tell_record,
            ready=self._tell_state,
        )
        self._requests = Requests(shelf=self._shelf, options=self._worker.options, limits=limits)
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        for name, work in (("shelf", self._read), ("worker", self._worker.work)):
            thread = threading.Thread(target=work, name=f"promptlight-{name}", daemon=True)
            thread.start()
            self._threads.append(thread)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop the work at its next step; what waits or runs goes on at the next start."""
        self._board.close()
        self._shelf.stop()
        for thread in self._threads:
            thread.join(PATIENCE)
        self._shelf.close()

    def describe(self) -> dict[str, Any]:
        """The state that every reader sees, ready for JSON: the model, the number of records, the jobs."""
        worker = self._worker
        model = {"name": _shorten(self._live.model), "status": worker.status, "error": worker.error}
        return {
            "model": {**model, "repeats": worker.repeats},
            "n_records": len(self._shelf),
            "version": self._shelf.version,
            "jobs": self._board.describe(),
        }

    def get_record(self, number: int) -> ReportRecord:
        """A record of the page, from 0, once it is there. Raises IndexError if there is none."""
        return self._shelf.get(number)

    def summarize(self) -> dict[str, Any]:
        """What the page says of all prompts together, and the facts of each folder, as ``sources``."""
        from promptlight.io.page.write import describe_sources

        return self._shelf.summarize() | {"sources": describe_sources([source.facts for source in self._shelf.sources])}

    def submit(self, request: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Take a request; its jobs, as ``describe`` has them.

        The same request while its jobs wait or run gives the same jobs. Raises UsageError or InputError for a request
        that can't be taken, Busy if too many jobs wait.
        """
        if self._worker.status == "failed":
            raise UsageError(f"nothing can be tried: {self._worker.error}")
        with self._lock:
            open_jobs = self._board.list_open()
            taken = self._shelf.list_ids() | self._board.list_made()
            jobs = self._requests.read(request, self._spell_now(), taken, repeats=self._worker.repeats)
            same = self._board.find_same(jobs[0].key)
            if not same:
                if open_jobs and len(open_jobs) + len(jobs) > self._limits.waiting:  # a file alone is limited by itself
                    raise Busy(
                        f"expected at most {self._limits.waiting} jobs that wait, found {len(open_jobs)} and"
                        f" {len(jobs)} more: try again when some are done"
                    )
                self._board.add(jobs)
        ids = {job.id for job in same or jobs}
        return [one for one in self._board.describe() if one["id"] in ids]

    def cancel(self, job: str) -> None:
        """Drop a job that waits, or stop it; nothing happens to one that is over. Raises KeyError if there is none."""
        self._board.cancel(job)

    def annotate(self, id: str, note: str, author: str) -> None:
        """Change the note of a prompt that was tried. Raises UsageError for any other."""
        said = check_note({"note": note, "author": author}, self._limits)
        number = self._shelf.annotate(id, *said)
        self._tell("record", {"number": number, "id": id, "job": None})
        self._tell_state()

    def render(self, opening: Opening) -> Iterator[str]:
        """The page's HTML, piece by piece."""
        from promptlight.io.page.write import render_page

        self._shelf.wait()
        return render_page(
            self._shelf.list_records(),
            opening=opening,
            sources=[source.facts for source in self._shelf.sources],
            everything=self._shelf.summarize,
            served=True,
        )

    def write_file(self, kind: Literal["report", "table"], path: Path) -> None:
        """Write what a reader downloads: the page of everything without a server, or the table of ``export`` as CSV.

        An existing file is replaced.
        """
        if kind == "report":
            self._shelf.write_report(path)
        else:
            self._shelf.write_table(path)

    def subscribe(self, hear: Hear) -> Callable[[], None]:
        """Tell ``hear`` each event from now on; returns what ends that."""
        with self._meeting:
            self._hearing.append(hear)

        def leave() -> None:
            with self._meeting:
                if hear in self._hearing:
                    self._hearing.remove(hear)

        return leave

    def _read(self) -> None:
        self._shelf.read()
        self._tell_state()

    def _spell_now(self) -> str:
        return self._clock().strftime("%Y-%m-%dT%H:%M:%SZ")

    def _tell_state(self) -> None:
        self._tell("state", self.describe())

    def _tell_progress(self, begins: bool) -> None:
        """Tell the state unless that was a moment ago; the first words at once."""
        now = time.monotonic()
        if begins or now - self._told >= SECONDS_BETWEEN:
            self._told = now
            self._tell_state()

    def _tell_record(self, number: int, id: str, job: Job) -> None:
        self._tell("record", {"number": number, "id": id, "job": job.id})

    def _tell(self, event: str, about: dict[str, Any]) -> None:
        with self._meeting:
            hearing = list(self._hearing)
        for hear in hearing:
            with contextlib.suppress(Exception):  # a reader who is gone must not end anybody's work
                hear(event, about)


def _require_own(folder: Place) -> Path:
    """A folder on this disk. Raises UsageError for results in the package or on an object store."""
    if isinstance(folder, RemotePath) or is_bundled(folder):
        where = "on an object store" if isinstance(folder, RemotePath) else "part of promptlight"
        raise UsageError(
            f"{folder}: expected a folder that what is tried can be kept in, found results that are {where}: say where"
            " to keep it",
            parameters=("keep",),
        )
    return folder


def _shorten(model: str) -> str:
    """A model's name without the folders of a path, which may name a person, and without an address's secrets."""
    path = Path(model)
    return path.name if path.exists() else hide_secrets(model)
