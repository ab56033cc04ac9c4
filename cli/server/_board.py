"""The queue: which jobs wait, run and ended, in order. Thread-safe.

Jobs that wait or run are kept in ``_evaluation/queue.json``, which is written whenever they change; so a server that
was killed finds them again.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from promptlight.cli.server._jobs import Job, Kind, State
from promptlight.io.files import writing
from promptlight.io.results.shards import EVALUATION_FOLDER
from promptlight.salience.errors import OutputError

QUEUE = Path(EVALUATION_FOLDER) / "queue.json"
_VERSION = 1


class Board:
    """The jobs of a folder. ``changed`` is called, without a lock held, after each change that readers should see.

    ``notices`` has a sentence if the kept queue could not be read; it is then set aside.
    """

    def __init__(self, folder: Path, most_ended: int, changed: Callable[[], None]) -> None:
        self._path = folder / QUEUE
        self._most_ended, self._tell = most_ended, changed
        self._condition = threading.Condition(threading.RLock())
        self._is_closed = False
        self._seconds: dict[Kind, float] = {}  # that a job took, of late
        self.notices: list[str] = []
        self.jobs: dict[str, Job] = self._read()

    def add(self, jobs: Sequence[Job]) -> None:
        """Put jobs at the end. Raises OutputError if they can't be kept; then none is taken."""
        with self._condition:
            before = dict(self.jobs)
            self.jobs |= {job.id: job for job in jobs}
            try:
                self._keep()
            except OutputError:
                self.jobs = before
                raise
            self._condition.notify_all()
        self._tell()

    def find_same(self, key: str) -> list[Job]:
        """The jobs of the same request that are not over."""
        with self._condition:
            return [job for job in self.jobs.values() if job.key == key and not job.state.is_over]

    def list_open(self) -> list[Job]:
        """The jobs that wait or run."""
        with self._condition:
            return [job for job in self.jobs.values() if not job.state.is_over]

    def list_made(self) -> set[str]:
        """The ids of the rows of all jobs that are listed, also of those that were cancelled."""
        with self._condition:
            return {job.makes for job in self.jobs.values() if job.makes is not None}

    def take(self, most: int) -> list[Job]:
        """Wait for jobs, and take the first: with all that are written together with it, at most so many.

        None are left once the board is closed.
        """
        with self._condition:
            self._condition.wait_for(lambda: self._is_closed or self._list_waiting())
            waiting = [] if self._is_closed else self._list_waiting()
            taken = waiting[:1]
            if taken and taken[0].kind is Kind.WRITE:
                n_writes = next((n for n, job in enumerate(waiting) if job.kind is not Kind.WRITE), len(waiting))
                taken = waiting[: min(n_writes, most)]
            for job in taken:
                job.state = State.RUNNING
        if taken:
            self._tell()
        return taken

    def report(self, job: Job, share: float, left: float | None, phase: str, text: str | None = None) -> None:
        """Note how far a job is, unless it is over. ``text`` None: as before."""
        with self._condition:
            if job.state is State.RUNNING:
                job.share, job.left, job.phase = share, left, phase
                job.text = job.text if text is None else text

    def end(self, job: Job, state: State, *, error: str | None = None, number: int | None = None) -> None:
        """A job is over; one that was cancelled meanwhile stays so."""
        with self._condition:
            if job.state.is_over:
                return
            job.state, job.error, job.number = state, error, number
            job.share, job.left, job.text = 1.0 if state is State.DONE else job.share, None, ""
            self._forget_ended()
            with contextlib.suppress(OutputError):  # a restart then takes it up again, and finds its row
                self._keep()
        self._tell()

    def cancel(self, id: str) -> None:
        """Cancel a job that is not over. Raises KeyError if there is none."""
        with self._condition:
            job = self.jobs[id]
        self.end(job, State.CANCELLED)

    def note_seconds(self, kind: Kind, seconds: float) -> None:
        """Remember how long a job took, to say how long others will."""
        with self._condition:
            before = self._seconds.get(kind, seconds)
            self._seconds[kind] = (before + seconds) / 2

    def describe(self) -> list[dict[str, Any]]:
        """All jobs in order, as readers see them."""
        with self._condition:
            waiting = [job.id for job in self._list_waiting()]
            running = [job.left for job in self.jobs.values() if job.state is State.RUNNING]
            known = [left for left in running if left is not None]
            ahead: float | None = max(known, default=None if running else 0.0)
            described: list[dict[str, Any]] = []
            for job in self.jobs.values():
                left = job.left
                if job.state is State.WAITING:
                    own = self._seconds.get(job.kind)
                    ahead = None if ahead is None or own is None else ahead + own
                    left = ahead
                place = waiting.index(job.id) + 1 if job.state is State.WAITING else 0
                described.append(job.describe(place, left))
            return described

    def close(self) -> None:
        """Let whoever waits for jobs go; what waits or runs is kept."""
        with self._condition:
            self._is_closed = True
            self._condition.notify_all()

    @property
    def is_closed(self) -> bool:
        """Whether the work should stop."""
        return self._is_closed

    def _list_waiting(self) -> list[Job]:
        return [job for job in self.jobs.values() if job.state is State.WAITING]

    def _forget_ended(self) -> None:
        ended = [job.id for job in self.jobs.values() if job.state.is_over]
        for id in ended[: max(0, len(ended) - self._most_ended)]:
            del self.jobs[id]

    def _keep(self) -> None:
        """Write the jobs that are not over, so that they outlive this process."""
        kept = {"version": _VERSION, "jobs": [job.to_json() for job in self.list_open()]}
        if not kept["jobs"] and not self._path.exists():
            return
        with writing(self._path, durable=True) as temporary:
            temporary.write_text(json.dumps(kept, ensure_ascii=False), encoding="utf-8")

    def _read(self) -> dict[str, Job]:
        """The jobs that an earlier server left; a file that can't be read is set aside."""
        try:
            kept = json.loads(self._path.read_text(encoding="utf-8"))
            if kept["version"] != _VERSION:
                raise ValueError(f"version {kept['version']}")
            jobs = [Job.from_json(one) for one in kept["jobs"]]
            return {job.id: job for job in jobs}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            self._set_aside(error)
            return {}

    def _set_aside(self, error: Exception) -> None:
        number = 1
        while (aside := self._path.with_name(f"queue.damaged-{number}.json")).exists():
            number += 1
        self._path.replace(aside)
        reason = f"{type(error).__name__}: {error}"
        self.notices.append(
            f"{self._path}: could not be read ({reason}), and is now {aside.name}; what waited there is not tried"
        )
