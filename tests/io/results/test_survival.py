"""A results folder survives: processes are really killed, disks really full, permissions really missing.

Runs are processes of their own, forked from a server that has imported this module and nothing else.
"""

# pyright: standard

from __future__ import annotations

import contextlib
import json
import os
import re
import resource
import shutil
import signal
import sys
import tempfile
import time
import weakref
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from promptlight.cli.failures import find_exit_code
from promptlight.cli.work.signals import ending_in_order
from promptlight.cli.work.tally import Tally
from promptlight.io import files
from promptlight.io.results import writer as results_writer
from promptlight.io.results.reader import find_result, read_results
from promptlight.io.results.shards import find_shards
from promptlight.salience.errors import OutputError, StoppedError
from promptlight.salience.types import Analysis
from tests.conftest import Command
from tests.support.handmade import assert_same_analysis
from tests.support.paths import EXAMPLES
from tests.support.processes import PATIENCE, finish, start_cold_command, start_command, wait_until
from tests.support.reporting import kill, preload, receive, start
from tests.support.results import analysis, ids_of, open_writer, set_aside, snapshot, write
from tests.support.warm import WarmProcess

FLUSH_EVERY = 3

preload(__name__)


def call(work: Callable[..., None], *arguments: Any) -> tuple[int | None, list[Any]]:
    """How a process ended that was let do its work, and what it reported."""
    with start(work, *arguments) as (process, reports):
        received = receive(reports)
        process.join(PATIENCE)
        return process.exitcode, received


def read_stored_ids(folder: Path) -> list[str]:
    """In order; none of a folder that has no shard yet."""
    shards = find_shards(folder) if folder.is_dir() else []
    return [id for shard in shards for id in pq.read_table(shard, columns=["id"])["id"].to_pylist()]


def leftovers_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.suffix == ".tmp"]


# ---- kill -9 --------------------------------------------------------------------------------------------------------

N_KILLS = 40
MODULES = (results_writer.__file__, files.__file__)
STEPS = {  # the functions there that change a folder
    "_open_folder",
    "flush",
    "forget",
    "write_table",
    "writing",
    "_sync",
    "_remove",
    "__exit__",
}


def name(number: int) -> str:
    return f"id-{number}"


def add_records(reports: Connection, folder: Path, n_records: int) -> None:
    """A run in small: what is not done yet is added in order, and its number told."""
    with open_writer(folder, flush_every=FLUSH_EVERY) as writer:
        for number in range(n_records):
            if name(number) not in writer.done:
                time.sleep(0.001)
                writer.add(analysis(name(number), seed=number))
                reports.send(number)


def test_kill_at_any_moment_loses_less_than_a_shard_and_the_next_run_goes_on(tmp_path: Path) -> None:
    random = Random(0)
    n_stored, n_lost = 0, []
    for _ in range(N_KILLS):
        with start(add_records, tmp_path, 10_000) as (run, reports):
            added = receive(reports, random.randrange(6))
            time.sleep(random.uniform(0, 0.005))
            kill(run)
            assert run.exitcode == -signal.SIGKILL
            added += receive(reports)
        stored = read_stored_ids(tmp_path)
        assert stored == [name(number) for number in range(len(stored))]  # no gap, nothing twice
        assert len(stored) >= n_stored  # what was stored stays
        assert added == list(range(n_stored, n_stored + len(added)))  # the run went on behind it
        n_lost.append(n_stored + len(added) - len(stored))
        n_stored = len(stored)
        with open_writer(tmp_path) as writer:  # the lock is free
            assert list(writer.done) == stored
            assert leftovers_in(tmp_path) == []
    assert max(n_lost) < FLUSH_EVERY
    assert any(lost > 0 for lost in n_lost), "no kill was ever felt"
    assert n_stored > 0

    n_records = n_stored + 5
    assert call(add_records, tmp_path, n_records) == (0, list(range(n_stored, n_records)))
    undisturbed = [analysis(name(number), seed=number) for number in range(n_records)]
    for found, expected in zip(read_results(tmp_path), undisturbed, strict=True):
        assert_same_analysis(found, expected)


def try_again(folder: Path) -> None:
    """What was skipped is forgotten and explained, what is missing is added; good rows are left alone."""
    with open_writer(folder, flush_every=2) as writer:
        for id in "abc":
            done = writer.done.get(id)
            if done is not None and done.error is not None:
                writer.forget(id)
            if id not in writer.done:
                writer.add(analysis(id))


def try_again_until_line(_: Connection, folder: Path, number: int, end: Callable[[], None]) -> None:
    """End this process before the number-th line of ``STEPS`` that it comes to."""
    n_left = number

    def count(frame: FrameType, event: str, _: object) -> Any:
        nonlocal n_left
        if (
            frame.f_code.co_filename not in (results_writer.__file__, files.__file__)
            or frame.f_code.co_name not in STEPS
        ):
            return None
        n_left -= event == "line"
        if n_left == 0:
            end()
        return count

    sys.settrace(count)
    try:
        try_again(folder)
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)


def kill_myself() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def press_ctrl_c() -> None:
    raise KeyboardInterrupt


def check_and_complete(folder: Path) -> None:
    """Nothing is twice, the good row is as it was, and the next run completes the folder."""
    assert sorted(ids_of(folder)) in (["a", "b", "c"], ["a", "b"], ["a", "c"], ["a"])
    assert_same_analysis(find_result(folder, id="a"), analysis("a"))
    try_again(folder)
    assert leftovers_in(folder) == []
    assert sorted(ids_of(folder)) == ["a", "b", "c"]
    for id in "abc":
        assert_same_analysis(find_result(folder, id=id), analysis(id))


@pytest.mark.parametrize(
    ("end", "ended"), [(kill_myself, -signal.SIGKILL), (press_ctrl_c, 128 + signal.SIGINT)], ids=["kill -9", "Ctrl-C"]
)
def test_an_end_before_any_line_that_changes_a_folder_leaves_good_rows_good(
    tmp_path: Path, end: Callable[[], None], ended: int
) -> None:
    """While a folder is opened, a shard of it made smaller and another removed, and a new one added."""
    before = write(tmp_path / "before", analysis("a"), set_aside("b"), set_aside("c"))
    (before / ".part-00007.parquet.tmp").write_bytes(b"PAR1 and not more")
    number, exit_code = 0, ended
    states: list[dict[str, bytes]] = []
    while exit_code == ended:
        number += 1
        folder = shutil.copytree(before, tmp_path / str(number))
        exit_code, _ = call(try_again_until_line, folder, number, end)
        if snapshot(folder) not in states:
            states.append(snapshot(folder))
            check_and_complete(folder)
    assert exit_code == 0
    assert number > 40
    assert len(states) >= 6


def add_within(reports: Connection, folder: Path, n_bytes: int, at_limit: signal.Handlers) -> None:
    """Add two results where no file may grow beyond ``n_bytes``: the process is killed there, or reports an error."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGXFSZ, at_limit)
    try:
        with open_writer(folder) as writer:
            resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, n_bytes))
            writer.add(analysis("c"))
            writer.add(analysis("d"))
    except OutputError as error:
        reports.send(str(error))


def some_sizes(folder: Path) -> list[int]:
    """Numbers of bytes that are too few for a shard."""
    size = find_shards(folder)[0].stat().st_size
    return [0, 1, 4, size // 3, size // 2, size - 1]


def test_kill_inside_a_write_leaves_half_a_temporary_file_only(tmp_path: Path) -> None:
    write(tmp_path, analysis("a"), analysis("b"))
    for n_bytes in some_sizes(tmp_path):
        assert call(add_within, tmp_path, n_bytes, signal.SIG_DFL) == (-signal.SIGXFSZ, [])
        assert (tmp_path / ".part-00001.parquet.tmp").stat().st_size == n_bytes
        assert ids_of(tmp_path) == ["a", "b"]
    write(tmp_path, analysis("c"))
    assert leftovers_in(tmp_path) == []
    assert ids_of(tmp_path) == ["a", "b", "c"]


# ---- Ctrl-C and SIGTERM ---------------------------------------------------------------------------------------------


def add_until_stopped(reports: Connection, folder: Path) -> None:
    """As ``promptlight run`` does it, with more in memory than is ever written on the way."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)  # for a second one that comes when all is over
    try:
        with ending_in_order(Tally(total=10_000)), open_writer(folder, flush_every=10_000) as writer:
            for number in range(10_000):
                if name(number) not in writer.done:
                    time.sleep(0.001)
                    writer.add(analysis(name(number), seed=number))
                    reports.send(number)
    except StoppedError as error:
        reports.send(str(error))
        sys.exit(find_exit_code(error))


@pytest.mark.parametrize(
    ("n_signals", "ending"),
    [(1, "what was computed is kept"), (2, "at once: the last of them may not have been written")],
)
def test_a_signal_at_any_moment_ends_a_run_in_order(tmp_path: Path, n_signals: int, ending: str) -> None:
    """Nothing is lost by the first one, nothing doubled or damaged by a second one that hits the writing."""
    random = Random(n_signals)
    write(tmp_path, *(analysis(name(number), seed=number) for number in range(3)))
    n_stored, endings = 3, set[str]()
    for _ in range(N_KILLS):
        with start(add_until_stopped, tmp_path) as (run, reports):
            added = receive(reports, 1 + random.randrange(6))
            for number in range(n_signals):
                time.sleep(random.uniform(0, 0.005 if number else 0.002))
                assert run.pid is not None
                with contextlib.suppress(ProcessLookupError):  # it may have ended before the second one
                    os.kill(run.pid, random.choice([signal.SIGINT, signal.SIGTERM]))
            *more, said = receive(reports)
            added += more
            run.join(PATIENCE)
        assert run.exitcode in (128 + signal.SIGINT, 128 + signal.SIGTERM)
        assert ("by Ctrl-C" in said) == (run.exitcode == 128 + signal.SIGINT)
        endings.add(said.split(", ")[1].split(";")[0])
        stored = read_stored_ids(tmp_path)
        assert stored == [name(number) for number in range(len(stored))]  # no gap, nothing twice
        assert added == list(range(n_stored, n_stored + len(added)))
        if "what was computed is kept" in said:
            assert len(stored) >= n_stored + len(added)
        assert len(stored) >= n_stored
        n_stored = len(stored)
    assert n_signals == 2 or n_stored > 3
    assert ending in endings
    write(tmp_path)
    assert leftovers_in(tmp_path) == []


def drop_an_interruption(tally: Tally) -> None:
    """As Python does with what is raised while an object is deleted, and a library with what its callback raises."""
    with ending_in_order(tally):
        with contextlib.suppress(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(PATIENCE)
        tally.explained(analysis("a"))


def test_an_interruption_that_is_dropped_comes_again_with_the_next_record() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(StoppedError, match="by SIGTERM after 1 of 9 prompts, what was computed is kept"):
        drop_an_interruption(Tally(total=9))
    assert signal.getsignal(signal.SIGTERM) == before


def hang_up_twice(tally: Tally, done: list[str], *, then: signal.Signals | None = None) -> None:
    """A closed terminal, whose shell hangs up too while the results are written."""
    with ending_in_order(tally):
        try:
            os.kill(os.getpid(), signal.SIGHUP)
            time.sleep(PATIENCE)
        finally:
            os.kill(os.getpid(), then or signal.SIGHUP)
            time.sleep(0.01)
            done.append("written")


@pytest.fixture
def heard() -> Iterator[None]:
    """SIGHUP counts, even if nohup has started the tests."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("heard")
def test_a_second_hangup_does_not_end_the_writing_but_another_signal_does() -> None:
    done: list[str] = []
    with pytest.raises(StoppedError, match="by SIGHUP after 0 of 9 prompts, what was computed is kept") as stopped:
        hang_up_twice(Tally(total=9), done)
    assert (done, find_exit_code(stopped.value)) == (["written"], 129)
    with pytest.raises(StoppedError, match="at once: the last of them"):
        hang_up_twice(Tally(total=9), done, then=signal.SIGTERM)
    assert done == ["written"]


def test_a_hangup_that_nohup_ignores_stops_nothing() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with ending_in_order(Tally(total=9)):
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_an_interruption_in_a_callback_that_python_drops_leaves_no_traceback(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Loading a model drops many objects that something keeps a weak reference to."""

    class Layer:
        pass

    def interrupt(_: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(PATIENCE)

    def break_down(_: object) -> None:
        raise ValueError("a fault of its own")

    def drop(tally: Tally) -> None:
        with ending_in_order(tally):
            for callback in (interrupt, break_down):
                layer = Layer()
                reference = weakref.ref(layer, callback)
                del layer
                assert reference() is None
            tally.explained(analysis("a"))

    monkeypatch.setattr(sys, "unraisablehook", sys.__unraisablehook__)  # pytest has one of its own
    with pytest.raises(StoppedError, match="by SIGTERM after 1 of 9 prompts"):
        drop(Tally(total=9))
    assert sys.unraisablehook is sys.__unraisablehook__
    complained = capfd.readouterr().err
    assert "KeyboardInterrupt" not in complained
    assert "ValueError: a fault of its own" in complained  # what is no stop is still said


@pytest.mark.parametrize("other", [SystemError, RuntimeError])
def test_an_interruption_that_a_library_turns_into_another_error_is_one(other: type[Exception]) -> None:
    """As h5py does with one that comes while it calls back, and Ray within a call."""

    def read_weights(*, interrupted: bool, raised: Exception) -> None:
        with ending_in_order(Tally(total=9)):
            try:
                if interrupted:
                    os.kill(os.getpid(), signal.SIGTERM)
                    time.sleep(PATIENCE)
            except KeyboardInterrupt as error:
                raise raised from error
            raise other("a fault of its own")

    with pytest.raises(StoppedError, match="by SIGTERM after 0 of 9 prompts"):
        read_weights(interrupted=True, raised=other("returned a result with an exception set"))
    with pytest.raises(OutputError, match="the disk is full"):
        read_weights(interrupted=True, raised=OutputError("the disk is full"))
    with pytest.raises(other, match="a fault of its own"):
        read_weights(interrupted=False, raised=other("unused"))


# ---- a clock that jumps ---------------------------------------------------------------------------------------------


def test_no_order_depends_on_the_time_of_a_file(tmp_path: Path) -> None:
    """Shards, the lock and a leftover of years ago and years to come, as a clock that was set leaves them."""
    random = Random(0)
    for number in range(12):
        write(tmp_path, analysis(name(number)))
        (tmp_path / ".part-00099.parquet.tmp").write_bytes(b"PAR1 and not more")
        for path in tmp_path.iterdir():
            at = random.choice([0, 1, 4_000_000_000]) + random.randrange(100_000_000)
            os.utime(path, (at, at))
        assert ids_of(tmp_path) == [name(earlier) for earlier in range(number + 1)]
    assert find_result(tmp_path, row=-1) is not None
    with open_writer(tmp_path) as writer:
        assert len(writer.done) == 12
        assert leftovers_in(tmp_path) == []


# ---- two runs on one folder -----------------------------------------------------------------------------------------


def hold(reports: Connection, folder: Path) -> None:
    with open_writer(folder) as writer:
        writer.add(analysis("a"))
        writer.add(analysis("b"))
        reports.send("open")
        time.sleep(PATIENCE)


def open_and_close(reports: Connection, folder: Path) -> None:
    try:
        with open_writer(folder) as writer:
            reports.send(list(writer.done))
    except OutputError as error:
        reports.send(str(error))


def test_a_second_process_is_refused_until_the_first_is_dead(tmp_path: Path) -> None:
    with start(hold, tmp_path) as (first, reports):
        assert receive(reports, 1) == ["open"]
        before = snapshot(tmp_path)
        for _ in range(3):
            _, said = call(open_and_close, tmp_path)
            assert said == [f"{tmp_path}: another run is writing there; wait, or choose another folder"]
        assert snapshot(tmp_path) == before
        assert ids_of(tmp_path) == ["a", "b"]  # reading is nobody's business
        kill(first)
        assert call(open_and_close, tmp_path) == (0, [["a", "b"]])


# ---- a full disk ----------------------------------------------------------------------------------------------------


def test_a_full_disk_is_named_and_what_was_stored_stays(tmp_path: Path) -> None:
    """The limit of a file's size stands in for the disk's: it fails the same calls, at a byte that can be chosen."""
    write(tmp_path, analysis("a"), analysis("b"))
    before = snapshot(tmp_path)
    for n_bytes in some_sizes(tmp_path):
        exit_code, said = call(add_within, tmp_path, n_bytes, signal.SIG_IGN)
        assert said == [f"{tmp_path / 'part-00001.parquet'}: could not be written (File too large)"]
        assert exit_code == 0
        assert snapshot(tmp_path) == before  # no temporary file either
    write(tmp_path, analysis("c"))
    assert ids_of(tmp_path) == ["a", "b", "c"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_no_space_left_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, analysis("a"))
    open_file = os.open

    def open_on_a_full_disk(path: Path, *_: int) -> int:
        path.symlink_to("/dev/full")
        return open_file(path, os.O_WRONLY)

    with open_writer(tmp_path) as writer:
        writer.add(analysis("b"))
        with monkeypatch.context() as patch:
            patch.setattr(os, "open", open_on_a_full_disk)
            with pytest.raises(OutputError, match=r"part-00001\.parquet: could not be written \(No space left on dev"):
                writer.flush()
        assert leftovers_in(tmp_path) == []
        assert ids_of(tmp_path) == ["a"]
    assert ids_of(tmp_path) == ["a", "b"]  # there was space again when the run ended


# ---- no permission --------------------------------------------------------------------------------------------------


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that every user may enter and write to, which pytest's own are not."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        yield folder
        for path in (*folder.iterdir(), folder):
            path.chmod(0o755)  # else it could not be removed


def try_as_nobody(reports: Connection, use: Callable[[Connection, Path], None], folder: Path) -> None:
    """Use a folder without root's rights, and report the error."""
    if os.geteuid() == 0:
        analysis("a")  # imports what it needs while it can: nobody may not be allowed to read Python's own folder
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
    try:
        use(reports, folder)
    except OutputError as error:
        reports.send(str(error))


def read_all(reports: Connection, folder: Path) -> None:
    for result in read_results(folder):
        assert isinstance(result, Analysis)
        reports.send(result.completion.prompt.id)


def add_while_it_becomes_read_only(reports: Connection, folder: Path) -> None:
    with open_writer(folder, flush_every=1) as writer:
        writer.add(analysis("a"))
        folder.chmod(0o555)
        writer.add(analysis("b"))


def test_a_folder_that_may_not_be_written_can_be_read(public_folder: Path) -> None:
    write(public_folder, analysis("a"))
    public_folder.chmod(0o555)
    for folder in (public_folder, public_folder / "new"):
        _, said = call(try_as_nobody, open_and_close, folder)
        assert said == [f"{folder}: can't write there (Permission denied); choose another folder"]
    assert call(try_as_nobody, read_all, public_folder) == (0, ["a"])


def test_a_folder_that_becomes_read_only_is_named_with_the_shard(public_folder: Path) -> None:
    folder = public_folder / "out"
    _, said = call(try_as_nobody, add_while_it_becomes_read_only, folder)
    assert said == [f"{folder / 'part-00001.parquet'}: could not be written (Permission denied)"]
    assert ids_of(folder) == ["a"]


def test_a_folder_that_may_not_be_read_is_named(public_folder: Path) -> None:
    folder = write(public_folder / "out", analysis("a"))
    folder.chmod(0)
    _, said = call(try_as_nobody, read_all, folder)
    assert said == [f"{folder}: can't be read (Permission denied)"]


def test_a_shard_that_may_not_be_read_is_named_and_the_others_are_read(public_folder: Path) -> None:
    write(public_folder, analysis("a"), analysis("b"), analysis("c"), flush_every=1)
    _, shard, _ = find_shards(public_folder)
    shard.chmod(0)
    _, (*ids, error) = call(try_as_nobody, read_all, public_folder)
    assert ids == ["a", "c"]
    assert error.startswith(f"{shard}: not readable")
    assert "Permission denied" in error
    shard.chmod(0o644)


# ---- the command itself ---------------------------------------------------------------------------------------------

SHORT = ["--max-new-tokens", "2", "--device", "cpu"]


def write_many(path: Path, n_records: int) -> list[str]:
    """Short prompts, no two alike; returns their ids."""
    ids = [name(number) for number in range(n_records)]
    lines = (json.dumps({"id": id, "prompt": f"{id}. Suggestion: Onion soup\nAnalysis:"}) for id in ids)
    path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return ids


def compute_undisturbed(prompts: Path, folder: Path, *options: str) -> list[Analysis]:
    assert finish(start_command(prompts, folder, *options))[0] == 0
    return [result for result in read_results(folder) if isinstance(result, Analysis)]


def assert_same_numbers(folder: Path, expected: list[Analysis]) -> None:
    """But for rounding: other prompts may have been in the same batch."""
    for found, wanted in zip(read_results(folder), expected, strict=True):
        assert isinstance(found, Analysis)
        assert found.completion.text == wanted.completion.text
        scores, exact = found.map_by().scores, wanted.map_by().scores
        assert scores is not None
        assert exact is not None
        np.testing.assert_allclose(scores, exact, rtol=1e-3, atol=1e-6)


@pytest.mark.slow
def test_the_command_is_killed_and_goes_on(tmp_path: Path) -> None:
    """Killed after its first shard and again some moments after its start, it ends with an undisturbed run's rows."""
    records = [json.loads(line) for line in (EXAMPLES / "prompts.jsonl").read_text("utf-8").splitlines()]
    prompts = tmp_path / "prompts.jsonl"
    many = [record | {"id": f"{record['id']}-{turn}"} for turn in range(4) for record in records]
    prompts.write_text("".join(json.dumps(record) + "\n" for record in many), "utf-8")
    folder = tmp_path / "out"
    for moment in (lambda: folder.is_dir() and bool(find_shards(folder)), (folder / ".lock").exists):
        run = start_command(prompts, folder)
        wait_until(moment)
        time.sleep(0.2)
        run.kill()
        assert finish(run)[0] == -signal.SIGKILL
        assert ids_of(folder) == [record["id"] for record in many[: results_writer.FLUSH_EVERY]]
    assert finish(start_command(prompts, folder))[0] == 0
    assert ids_of(folder) == [record["id"] for record in many]
    assert_same_numbers(folder, compute_undisturbed(prompts, tmp_path / "undisturbed"))


def read_until(run: WarmProcess, part: str) -> list[str]:
    """The lines of stderr up to the first one with this part."""
    assert run.stderr is not None
    lines: list[str] = []
    for line in run.stderr:
        lines.append(line.rstrip("\n"))
        if part in line:
            return lines
    raise AssertionError(lines)


@pytest.mark.parametrize(
    ("number", "called"), [(signal.SIGINT, "Ctrl-C"), (signal.SIGTERM, "SIGTERM"), (signal.SIGHUP, "SIGHUP")]
)
def test_a_stopped_command_keeps_what_it_has_and_says_so(tmp_path: Path, number: signal.Signals, called: str) -> None:
    """Nothing would have been written on the way: what is there was written at the end."""
    prompts, folder = tmp_path / "prompts.jsonl", tmp_path / "out"
    ids = write_many(prompts, 5000)
    run = start_command(prompts, folder, *SHORT, "--flush-every", "9999")
    started = read_until(run, "explaining prompt ")
    assert find_shards(folder) == []
    run.send_signal(number)
    exit_code, printed, complained = finish(run)
    assert (exit_code, printed) == (128 + number, "")
    (said,) = [line for line in complained.splitlines() if not line.startswith(("writing ", "explaining "))]
    found = re.fullmatch(rf"promptlight: stopped by {called} after (\d+) of 5000 prompts, (.*)", said)
    assert found is not None, said
    assert found[2] == "what was computed is kept; run the same command again to resume"
    stored = ids_of(folder)
    assert stored == ids[: len(stored)]
    assert int(started[-1].split()[2].replace(",", "")) - 1 <= int(found[1]) <= len(stored)
    n_more = len(stored) + 5
    exit_code, printed, _ = finish(start_command(prompts, folder, *SHORT, "--limit", str(n_more)))
    assert (exit_code, printed.split(" in ")[0]) == (0, f"5 explained, {len(stored)} done before")
    assert ids_of(folder) == ids[:n_more]


STOPS = {signal.SIGKILL: [-signal.SIGKILL], signal.SIGTERM: [143, -signal.SIGTERM], signal.SIGINT: [130]}


@pytest.mark.parametrize("n_stops", [3, pytest.param(50, marks=pytest.mark.slow)])
def test_the_command_is_stopped_again_and_again_and_loses_and_doubles_nothing(tmp_path: Path, n_stops: int) -> None:
    """By kill -9, SIGTERM and Ctrl-C at random moments, of loading the model too."""
    random, prompts, folder = Random(n_stops), tmp_path / "prompts.jsonl", tmp_path / "out"
    ids = write_many(prompts, 20_000)
    options = (*SHORT, "--flush-every", "8")
    n_stored = 0
    for turn in range(n_stops):
        start_run = start_command if turn % 5 < 4 else start_cold_command
        run = start_run(prompts, folder, *options)
        if turn % 5 < 4:
            n_shards = len(find_shards(folder)) if folder.is_dir() else 0
            wait_until(lambda n=n_shards: folder.is_dir() and len(find_shards(folder)) > n)
            time.sleep(random.uniform(0, 0.5))
        else:
            time.sleep(random.uniform(0.2, 4))
        number = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)[turn % 3]
        run.send_signal(number)
        exit_code, _, complained = finish(run)
        assert exit_code in STOPS[number], complained
        assert "Traceback" not in complained
        stored = read_stored_ids(folder)
        assert stored == ids[: len(stored)]  # no gap, nothing twice
        assert len(stored) >= n_stored
        n_stored = len(stored)
    if n_stops < 10:
        return
    n_more = str(n_stored + 8)
    assert finish(start_command(prompts, folder, *options, "--limit", n_more))[0] == 0
    assert ids_of(folder) == ids[: n_stored + 8]
    assert leftovers_in(folder) == []
    assert_same_numbers(folder, compute_undisturbed(prompts, tmp_path / "undisturbed", *options, "--limit", n_more))


def test_the_command_on_a_full_disk_is_one_line_and_keeps_what_it_wrote(tmp_path: Path) -> None:
    prompts, folder = tmp_path / "prompts.jsonl", tmp_path / "out"
    ids = write_many(prompts, 6)
    assert finish(start_command(prompts, folder, *SHORT, "--limit", "3"))[0] == 0
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))"
    exit_code, printed, complained = finish(start_command(prompts, folder, *SHORT, first=limit))
    shard = folder / "part-00001.parquet"
    assert (exit_code, printed) == (5, "")
    assert complained.splitlines()[-1] == f"promptlight: {shard}: could not be written (File too large)"
    assert "Traceback" not in complained
    assert ids_of(folder) == ids[:3]
    assert leftovers_in(folder) == []


def test_the_command_under_a_clock_that_jumps(
    promptlight: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every look at the wall clock finds another year; runs before, during and after give one folder."""
    random, prompts, folder = Random(0), tmp_path / "prompts.jsonl", tmp_path / "out"
    ids = write_many(prompts, 9)
    for limit in (3, 6, 9):
        with monkeypatch.context() as patch:
            patch.setattr(time, "time", lambda: random.uniform(0, 4e9))
            patch.setattr(time, "time_ns", lambda: random.randrange(4 * 10**18))
            done = promptlight("run", prompts, "-o", folder, *SHORT, "--flush-every", 2, "--limit", limit)
        assert done.exit_code == 0
        assert done.stdout.startswith("3 explained")
        assert float(done.stdout.split(" in ")[1].split(" s")[0]) >= 0
    assert ids_of(folder) == ids
