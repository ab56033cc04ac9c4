"""Results on a server that speaks S3's protocol: kills, two runs, failing and slow requests lose and double nothing."""

# pyright: standard

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from typing import Any

import pandas as pd
import pytest

from promptlight.io.places import RemotePath
from promptlight.io.results import _lease
from promptlight.io.results.reader import read_results
from promptlight.salience.errors import OutputError
from tests.support.handmade import assert_same_analysis
from tests.support.reporting import kill, preload, receive, start
from tests.support.results import analysis, ids_of, open_writer, set_aside, snapshot, write
from tests.support.s3 import S3Server, serve_s3
from tests.support.stores import read_objects

FLUSH_EVERY = 3
preload(__name__)


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with serve_s3() as server:
        yield server


@pytest.fixture
def store(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> RemotePath:
    """A folder in a bucket of its own."""
    from s3fs import S3FileSystem

    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(_lease, "MOST_WAIT", 0.001)
    S3FileSystem.clear_instance_cache()  # made for another server
    return server.make_bucket()


def leases_in(folder: RemotePath) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.startswith(".lease-")]


def name(number: int) -> str:
    return f"id-{number}"


def run_in_parts(folder: Any) -> None:
    write(folder, analysis("a"), set_aside("b"), analysis("c"))
    with open_writer(folder, flush_every=2) as writer:
        assert list(writer.done) == ["a", "b", "c"]
        writer.forget("b")
        for id in "bd":
            writer.add(analysis(id))


def assert_as_undisturbed(folder: RemotePath, n_records: int) -> None:
    """Nothing is lost, nothing is twice, and everything is as it was computed."""
    expected = [analysis(name(number), seed=number) for number in range(n_records)]
    for found, wanted in zip(read_results(folder), expected, strict=True):
        assert_same_analysis(found, wanted)


def test_the_objects_are_byte_for_byte_the_files_of_a_disk(
    store: RemotePath, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("promptlight.io.results.writer.read_clock", lambda: "2026-11-27T18:30:05Z")
    for folder in (store, tmp_path):
        run_in_parts(folder)
    on_disk = {name: content for name, content in snapshot(tmp_path).items() if not name.startswith(".")}
    assert read_objects(store) == on_disk
    assert ids_of(store) == ["a", "c", "b", "d"]
    assert list(pd.read_parquet(str(store))["id"]) == ids_of(store)


def test_duckdb_reads_an_address_through_fsspec(store: RemotePath) -> None:
    import duckdb
    import fsspec

    write(store, analysis("a"), set_aside("b"), analysis("c"))
    with duckdb.connect() as database:
        database.register_filesystem(fsspec.filesystem("s3"))
        found = database.sql(f"SELECT error_code, count(*) FROM '{store}/*.parquet' GROUP BY ALL ORDER BY ALL")
        assert found.fetchall() == [("unusable", 1), (None, 2)]


def test_a_second_run_is_refused_until_the_lease_runs_out(store: RemotePath, server: S3Server) -> None:
    dead = open_writer(store, flush_every=1)
    dead.add(analysis("a"))
    with pytest.raises(OutputError, match=rf"another run is writing there \(process {os.getpid()} on "):
        open_writer(store)
    server.age(store, _lease.TERM + 2)
    with open_writer(store, flush_every=1) as writer:
        assert list(writer.done) == ["a"]
        writer.add(analysis("b"))
        with pytest.raises(OutputError, match=r"part-00001\.parquet: could not be written \(another run has put one"):
            dead.add(analysis("c"))
    assert ids_of(store) == ["a", "b"]
    assert leases_in(store) == []


def test_a_bucket_that_is_not_there_or_read_only_is_one_clear_line(store: RemotePath, server: S3Server) -> None:
    missing = RemotePath("s3://no-such-bucket/run")
    with pytest.raises(OutputError) as refused:
        open_writer(missing)
    wanted = f"{missing}: can't write there (The specified bucket does not exist); choose another folder"
    assert str(refused.value) == wanted
    with pytest.raises(OutputError, match="no such results folder"):
        list(read_results(missing))
    write(store, analysis("a"))
    with server.read_only():
        with pytest.raises(OutputError) as refused:
            open_writer(store)
        assert str(refused.value) == f"{store}: can't write there (Access Denied); choose another folder"
        assert ids_of(store) == ["a"]


def test_a_bucket_that_becomes_read_only_is_named_with_the_shard(store: RemotePath, server: S3Server) -> None:
    writer = open_writer(store, flush_every=1)
    writer.add(analysis("a"))
    with server.read_only(), pytest.raises(OutputError) as refused:
        writer.add(analysis("b"))
    assert str(refused.value) == f"{store / 'part-00001.parquet'}: could not be written (Access Denied)"
    writer.__exit__()
    assert ids_of(store) == ["a", "b"]


def test_no_secret_is_in_a_message_or_an_object(store: RemotePath, server: S3Server) -> None:
    write(store, analysis("a"))
    with server.read_only(), pytest.raises(OutputError) as refused:
        open_writer(store)
    said = str(refused.value).encode() + b"".join(read_objects(store).values())
    assert server.environment["AWS_SECRET_ACCESS_KEY"].encode() not in said
    assert server.environment["AWS_ACCESS_KEY_ID"].encode() not in said


def test_with_failing_requests_nothing_is_lost_or_doubled(store: RemotePath, server: S3Server) -> None:
    n_before = server.n_requests
    with server.failing(0.05, seed=1):
        for n_records in (12, 24, 36):
            with open_writer(store, flush_every=1) as writer:
                assert len(writer.done) == n_records - 12
                for number in range(n_records - 12, n_records):
                    writer.add(analysis(name(number), seed=number))
        assert_as_undisturbed(store, 36)
    assert server.n_requests - n_before > 100
    assert leases_in(store) == []


def test_slow_requests_only_take_their_time(
    store: RemotePath, server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_lease, "RENEWAL", 0.05)
    with server.slow(0.2), open_writer(store, flush_every=1) as writer:
        for number in range(3):
            writer.add(analysis(name(number), seed=number))
    assert_as_undisturbed(store, 3)


# ---- processes that are killed --------------------------------------------------------------------------------------


def add_records(reports: Connection, environment: dict[str, str], folder: RemotePath, n_records: int) -> None:
    """A run in small: what is not done yet is added in order, and its number told; or why it could not begin."""
    os.environ.update(environment)
    try:
        with open_writer(folder, flush_every=FLUSH_EVERY) as writer:
            for number in range(n_records):
                if name(number) not in writer.done:
                    time.sleep(0.001)
                    writer.add(analysis(name(number), seed=number))
                    reports.send(number)
    except OutputError as error:
        reports.send(str(error))


@pytest.mark.parametrize("n_kills", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_kill_at_any_moment_loses_less_than_a_shard_and_the_next_run_goes_on(
    store: RemotePath, server: S3Server, n_kills: int
) -> None:
    random, n_stored = Random(n_kills), 0
    for _ in range(n_kills):
        with start(add_records, server.environment, store, 10_000) as (run, reports):
            added = receive(reports, random.randrange(1, 12))
            time.sleep(random.uniform(0, 0.05))
            kill(run)
            assert run.exitcode == -signal.SIGKILL
            added += receive(reports)
        server.wait_until_quiet()
        with pytest.raises(OutputError, match=f"process {run.pid} on "):
            open_writer(store)
        server.age(store, _lease.TERM + 2)
        stored = ids_of(store)
        assert stored == [name(number) for number in range(len(stored))]  # no gap, nothing twice
        assert added == list(range(n_stored, n_stored + len(added)))  # the run went on behind it
        assert n_stored + len(added) - len(stored) < FLUSH_EVERY
        n_stored = len(stored)
    assert n_stored > 0
    with start(add_records, server.environment, store, n_stored + 5) as (_, reports):
        assert receive(reports) == list(range(n_stored, n_stored + 5))
    assert_as_undisturbed(store, n_stored + 5)
    assert leases_in(store) == []


def test_of_two_runs_that_begin_together_at_most_one_writes(store: RemotePath, server: S3Server) -> None:
    with (
        start(add_records, server.environment, store, 9) as (_, one),
        start(add_records, server.environment, store, 9) as (_, two),
    ):
        said = [receive(one), receive(two)]
    refused = [reports for reports in said if reports and isinstance(reports[0], str)]
    assert all("another run is writing there" in reports[0] for reports in refused)
    if len(refused) == 2:  # each has seen the other
        assert not store.exists()
    else:
        assert_as_undisturbed(store, 9)
        assert sorted(number for reports in said if reports not in refused for number in reports) == list(range(9))
