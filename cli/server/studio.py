"""The page's model, queue and results behind one face: what a web server, or a test, calls.

    with Studio(folder, live) as studio:
        studio.subscribe(hear)
        studio.submit({"kind": "write", "parent": "dish-mistake", "turn": 0, "text": "..."})

Readers of the page read and ask at the same time; one worker thread does the work, a batch after the other.
"""

# pyright: standard

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

from promptlight.cli.server._shelf import Shelf
from promptlight.cli.work.live_model import LiveModel
from promptlight.io.places import Place, RemotePath
from promptlight.io.results.folders import is_bundled
from promptlight.salience.errors import PromptlightError, UsageError

if TYPE_CHECKING:
    from promptlight.io.page.record import ReportRecord
    from promptlight.io.page.write import Opening
    from promptlight.salience.explain.explanation import Question

Hear = Callable[[str, dict[str, Any]], None]
"""Told the name of an event, ``state`` or ``record``, and what it is about; called from any thread, must not block."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much is taken at once: jobs that wait, records of a file, bytes of a prompt and of a note; jobs that ended
    and are still listed."""

    waiting: int = 100
    records: int = 200
    prompt_bytes: int = 200_000
    note_bytes: int = 10_000
    ended: int = 50


class Busy(PromptlightError):
    """The queue is full: try again later."""


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
        limits: Limits = Limits(),
        question: Question | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._live, self._limits, self._clock = live, limits, clock
        self._shelf = Shelf(_require_own(folder), question)
        self._lock = threading.RLock()
        self._hearing: list[Hear] = []
        self.notices: list[str] = []

    def __enter__(self) -> Self:
        threading.Thread(target=self._shelf.read, name="promptlight-shelf", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop the work; what waits or runs goes on at the next start."""
        self._shelf.close()

    def describe(self) -> dict[str, Any]:
        """The state that every reader sees, ready for JSON: the model, the number of records, the jobs."""
        return {
            "model": {"name": self._live.model, "status": "loading", "error": None},
            "n_records": len(self._shelf),
            "version": self._shelf.version,
            "jobs": [],
        }

    def get_record(self, number: int) -> ReportRecord:
        """A record of the page, from 0, once it is there. Raises IndexError if there is none."""
        return self._shelf.get(number)

    def summarize(self) -> dict[str, Any]:
        """What the page says of all prompts together."""
        return self._shelf.summarize()

    def submit(self, request: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Take a request; its jobs, as ``describe`` has them.

        The same request while its jobs wait or run gives the same jobs. Raises UsageError or InputError for a request
        that can't be taken, Busy if too many jobs wait.
        """
        raise UsageError("expected something that can be tried, found that nothing can yet")

    def cancel(self, job: str) -> None:
        """Drop a job that waits, or stop it. Raises KeyError if there is none."""
        raise KeyError(job)

    def annotate(self, id: str, note: str, author: str) -> None:
        """Change the note of a prompt that was tried. Raises UsageError for any other."""
        raise UsageError(f"{id}: expected a prompt that was tried, found one of the run's own")

    def render(self, opening: Opening) -> Iterator[str]:
        """The page's HTML, piece by piece."""
        raise NotImplementedError

    def write_file(self, kind: Literal["report", "table"], path: Path) -> None:
        """Write what a reader downloads: the page of everything without a server, or the table of ``export`` as CSV."""
        raise NotImplementedError

    def subscribe(self, hear: Hear) -> Callable[[], None]:
        """Tell ``hear`` each event from now on; returns what ends that."""
        with self._lock:
            self._hearing.append(hear)

        def leave() -> None:
            with self._lock:
                if hear in self._hearing:
                    self._hearing.remove(hear)

        return leave


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
