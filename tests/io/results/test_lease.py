"""A lease lets one run write to an object store at a time, and outlives no dead run; nothing here waits for a clock."""

# pyright: standard

from __future__ import annotations

import os
import re
import socket
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from promptlight.io.places import RemotePath
from promptlight.io.results import _lease
from promptlight.io.results._lease import RENEWAL, TERM, Lease
from promptlight.salience.errors import OutputError
from tests.support.processes import wait_until
from tests.support.results import analysis, ids_of, open_writer, write


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[RemotePath]:
    """A folder in this process's memory."""
    monkeypatch.setattr(_lease, "MOST_WAIT", 0.001)
    yield RemotePath(f"memory://bucket-{uuid4().hex}/run")
    MemoryFileSystem.store.clear()


class Clock:
    """The clock by which a run measures the age of its own lease."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(_lease, "_now", clock)
    return clock


def leases_in(folder: RemotePath) -> list[RemotePath]:
    return [path for path in folder.iterdir() if path.name.startswith(".lease-")] if folder.exists() else []


def age(folder: RemotePath, seconds: float) -> None:
    """Let the leases have been dated that long ago by the store."""
    for lease in leases_in(folder):
        stored: Any = MemoryFileSystem.store[lease.address.removeprefix("memory:/")]
        stored.modified -= timedelta(seconds=seconds)


def test_a_lease_is_taken_and_given_back(store: RemotePath) -> None:
    lease = Lease(store)
    assert len(leases_in(store)) == 1
    lease.check()
    lease.close()
    assert leases_in(store) == []
    Lease(store).close()


def test_a_second_run_is_refused_and_told_who_writes_there_and_until_when(store: RemotePath) -> None:
    with open_writer(store) as writer:
        age(store, 20)
        with pytest.raises(OutputError) as refused:
            open_writer(store)
        assert len(leases_in(store)) == 1
        writer.add(analysis("a"))
    message = str(refused.value)
    owner = f"process {os.getpid()} on {socket.gethostname()}"
    assert message.startswith(f"{store}: another run is writing there ({owner}); wait, or choose another folder.")
    (left,) = re.findall(r"If that run is dead, it holds the folder for another (\d+) s$", message)
    assert TERM / 2 < int(left) <= TERM - 20
    assert ids_of(store) == ["a"]


def test_a_dead_runs_lease_runs_out(store: RemotePath) -> None:
    dead = open_writer(store, flush_every=1)
    dead.add(analysis("a"))
    age(store, TERM + 1)
    write(store, analysis("b"))
    assert ids_of(store) == ["a", "b"]
    assert leases_in(store) == []
    dead._lock.close()


def test_only_the_stores_clock_counts(store: RemotePath, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = Lease(store)
    for year in (0.0, 4e9):
        monkeypatch.setattr(time, "time", lambda year=year: year)
        with pytest.raises(OutputError, match="another run is writing there"):
            Lease(store)
    owner.close()


def test_a_lease_is_renewed_while_the_run_lives(store: RemotePath, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_lease, "RENEWAL", 0.001)
    lease = Lease(store)
    (own,) = leases_in(store)
    dated = own.read_modified()
    wait_until(lambda: own.read_modified() > dated)
    lease.close()
    assert leases_in(store) == []
    assert RENEWAL * 2 < TERM - _lease.MARGIN  # one renewal may fail


def test_a_run_that_slept_past_its_lease_goes_on_if_no_other_came(store: RemotePath, clock: Clock) -> None:
    with open_writer(store, flush_every=1) as writer:
        age(store, 3 * TERM)
        clock.seconds += 3 * TERM
        writer.add(analysis("a"))
        with pytest.raises(OutputError, match="another run is writing there"):
            Lease(store)
    assert ids_of(store) == ["a"]


def test_a_run_that_slept_past_its_lease_stops_if_another_came(store: RemotePath, clock: Clock) -> None:
    asleep = open_writer(store, flush_every=1)
    age(store, 3 * TERM)
    with open_writer(store, flush_every=1) as other:
        other.add(analysis("a"))
        clock.seconds += 3 * TERM
        with pytest.raises(OutputError, match="this run lost its lease"):
            asleep.add(analysis("a"))
        clock.seconds = 0
        with pytest.raises(OutputError, match="this run lost its lease"):
            asleep.flush()
        other.add(analysis("b"))
    asleep._lock.close()
    assert ids_of(store) == ["a", "b"]


def test_a_run_that_does_not_know_that_it_slept_overwrites_and_doubles_nothing(store: RemotePath) -> None:
    asleep = open_writer(store, flush_every=1)
    age(store, 3 * TERM)
    with open_writer(store, flush_every=1) as other:
        other.add(analysis("a", seed=1))
        with pytest.raises(OutputError, match=r"part-00000\.parquet: could not be written \(another run has put one"):
            asleep.add(analysis("a", seed=2))
    asleep._lock.close()
    assert ids_of(store) == ["a"]


def test_a_lease_that_cant_be_renewed_ends_the_run_before_it_ends_itself(
    store: RemotePath, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = open_writer(store, flush_every=1)

    def fail(*_: object, **__: object) -> None:
        raise ConnectionError("the store is away")

    with monkeypatch.context() as patch:
        patch.setattr(MemoryFileSystem, "pipe_file", fail)
        clock.seconds = TERM - _lease.MARGIN + 1
        with pytest.raises(OutputError, match=r"the lease can't be renewed \(the store is away\)"):
            writer.add(analysis("a"))
    writer.flush()  # it is back
    writer._lock.close()
    assert ids_of(store) == ["a"]


def test_of_runs_that_begin_together_at_most_one_is_let_in(store: RemotePath) -> None:
    n_let_in: list[int] = []
    for _ in range(20):
        let_in: list[Lease] = []
        together = threading.Barrier(3)

        def begin(let_in: list[Lease] = let_in, together: threading.Barrier = together) -> None:
            together.wait()
            try:
                let_in.append(Lease(store))
            except OutputError:
                return

        threads = [threading.Thread(target=begin) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        n_let_in.append(len(let_in))
        for lease in let_in:
            lease.close()
        assert leases_in(store) == []
    assert max(n_let_in) == 1


def test_a_lease_of_another_kind_of_program_is_respected(store: RemotePath) -> None:
    (store / ".lease-of-someone.json").put(b"not JSON")
    with pytest.raises(OutputError, match="a run that does not say who it is"):
        Lease(store)
    age(store, TERM + 1)
    Lease(store).close()
