"""A lease on a results folder of an object store: one run writes there at a time, and a dead one is outlived.

An object store has no locks. So each run puts an object of its own beside the shards, ``.lease-<random>.json``, that
says who it is, and puts it again now and then while it lives:

1. Announce: put the own object. The store dates it.
2. Look: list the leases. One that is dated at most ``TERM`` before the own one belongs to a live run: take the own
   object back, and refuse. Older ones are of dead runs: delete them.
3. Renew: every ``RENEWAL`` seconds, put the own object again, unless someone has deleted it: then it had run out.
4. Before a shard is written, make sure that the lease has not run out, as that of a computer that was asleep.

Of two runs that begin at the same time, each has announced itself before it looks, so at least one sees the other: both
may be refused, but never both let in. Only the store's clock dates leases; a run measures how old its own one is with a
clock that nobody sets. This needs a store that lists at once what was put, as S3, Google's and Azure's do.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from datetime import datetime

from promptlight.io.places import RemotePath
from promptlight.salience.errors import OutputError

TERM = 60.0  # seconds that a lease lasts without being renewed
RENEWAL = 15.0
MARGIN = 10.0  # seconds before its end from which a lease is renewed before anything is written
N_TRIES, MOST_WAIT = 3, 1.0  # seconds: two runs that begin together try again at different times
_PREFIX = ".lease-"
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # goes on while the computer sleeps


class Lease:
    """The right to write to a folder, from now until ``close``. Raises OutputError if another run has it."""

    def __init__(self, folder: RemotePath) -> None:
        self._folder = folder
        self._own = folder / f"{_PREFIX}{secrets.token_hex(8)}.json"
        self._renewing = threading.RLock()
        self._closing = threading.Event()
        self._renewed, self._is_lost = 0.0, False
        self._acquire()
        self._thread = threading.Thread(target=self._keep_renewing, name="promptlight-lease", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raise OutputError unless the lease lasts a while, renewing it if need be."""
        try:
            with self._renewing:
                if self._is_lost or _now() - self._renewed > TERM - MARGIN:
                    self._renew()
        except OSError as error:
            raise OutputError(f"{self._folder}: the lease can't be renewed ({error.strerror})") from error

    def close(self) -> None:
        """Give the lease back."""
        self._closing.set()
        with self._renewing, contextlib.suppress(OSError):  # otherwise it runs out
            self._own.unlink(missing_ok=True)

    def _acquire(self) -> None:
        for n_left in reversed(range(N_TRIES)):
            self._announce()
            try:
                alive = self._find_others()
            except BaseException:
                self._withdraw()
                raise
            if not alive:
                return
            self._withdraw()
            if not n_left:
                raise OutputError(_refuse(self._folder, alive), parameters=("folder",))
            self._closing.wait(random.uniform(0, MOST_WAIT))

    def _announce(self) -> None:
        """Put the own object. Its age counts from before the store dates it."""
        started = _now()
        owner = {"host": socket.gethostname(), "pid": os.getpid()}
        self._own.put(json.dumps(owner).encode())
        self._renewed = started

    def _withdraw(self) -> None:
        with contextlib.suppress(OSError):
            self._own.unlink(missing_ok=True)

    def _find_others(self) -> dict[str, float]:
        """The owners of live leases but our own, and the seconds until each runs out; deletes those of dead runs."""
        now, alive = self._own.read_modified(), dict[str, float]()
        for lease in _list_leases(self._folder):
            if lease == self._own:
                continue
            with contextlib.suppress(FileNotFoundError):  # given back meanwhile
                left = TERM - _count_seconds(lease.read_modified(), now)
                if left >= 0:
                    alive[_describe_owner(lease)] = left
                else:
                    lease.unlink(missing_ok=True)
        return alive

    def _keep_renewing(self) -> None:
        while not self._closing.wait(RENEWAL):
            with self._renewing, contextlib.suppress(OSError, OutputError):  # ``check`` tries again, and says it
                if not self._closing.is_set():
                    self._renew()

    def _renew(self) -> None:
        """Put the own object again. Raises OutputError if the lease ran out and another run has taken over."""
        self._is_lost = self._is_lost or self._own not in set(_list_leases(self._folder))
        if not self._is_lost:
            before = self._renewed
            self._announce()
            if _now() - before > TERM:  # it had run out: another run may have begun
                self._is_lost = bool(self._find_others())
        if self._is_lost:
            self._withdraw()
            raise OutputError(_tell_loss(self._folder))


def _list_leases(folder: RemotePath) -> Iterator[RemotePath]:
    return (path for path in folder.iterdir() if path.name.startswith(_PREFIX))


def _describe_owner(lease: RemotePath) -> str:
    """The host and the process, as the lease says."""
    try:
        owner = json.loads(lease.read_bytes())
        return f"process {owner['pid']} on {owner['host']}"
    except (ValueError, KeyError, TypeError):
        return "a run that does not say who it is"


def _refuse(folder: RemotePath, alive: dict[str, float]) -> str:
    owner, left = next(iter(alive.items()))
    return (
        f"{folder}: another run is writing there ({owner}); wait, or choose another folder. If that run is dead, it"
        f" holds the folder for another {max(1, round(left))} s"
    )


def _tell_loss(folder: RemotePath) -> str:
    return (
        f"{folder}: this run lost its lease, as it could not renew it for {TERM:.0f} s, and another run may have taken"
        " over; run the same command again once that one has ended"
    )


def _count_seconds(start: datetime, stop: datetime) -> float:
    return (stop - start).total_seconds()


def _now() -> float:
    return time.clock_gettime(_CLOCK)
