"""A results folder is written: nothing that interrupts a run damages it, and no other's files are touched."""

# pyright: standard

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from promptlight.io import files
from promptlight.io.results.schema import SCHEMA_VERSION
from promptlight.io.results.shards import find_shards, read_metadata
from promptlight.salience.errors import OutputError
from promptlight.salience.types import SetAsideCode
from tests.support.results import PROVENANCE, SETTINGS, analysis, ids_of, open_writer, set_aside, snapshot, write

NOW = "2026-11-27T18:30:05Z"


def test_results_come_back_in_the_order_in_which_they_were_added(tmp_path: Path) -> None:
    ids = [f"id-{number}" for number in range(25)]
    write(tmp_path, *(set_aside(id) if number % 3 == 0 else analysis(id) for number, id in enumerate(ids)))
    assert len(find_shards(tmp_path)) == 13  # past 9 shards, whose names sort like their numbers
    assert ids_of(tmp_path) == ids


def test_a_shard_says_how_it_was_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("promptlight.io.results.writer.read_clock", lambda: NOW)
    write(tmp_path, analysis("a"))
    (shard,) = find_shards(tmp_path)
    expected = {"schema_version": SCHEMA_VERSION, "settings": SETTINGS, "started": NOW, "finished": NOW, **PROVENANCE}
    assert read_metadata(shard) == expected


def test_pandas_reads_a_folder_in_one_line(tmp_path: Path) -> None:
    write(tmp_path, analysis("a"), set_aside("b"), analysis("c", n_targets=7))
    frame = pd.read_parquet(tmp_path).set_index("id")
    assert list(frame.index) == ["a", "b", "c"]
    assert list(frame["source"]) == ["menu"] * 3
    assert frame.loc["a", "prompt"] == " Buy eggs.\n"
    assert frame.loc["a", "completion"] == " oats."
    assert frame["error"].isna().tolist() == [True, False, True]
    assert frame.loc["b", "error"] == "found null"
    assert frame["grad_l2"].isna().tolist() == [False, True, False]
    assert frame["tokens"].dropna().map(len).tolist() == [9, 13]
    assert frame["grad_l2"].dropna().map(len).tolist() == [3, 7]


# ---- a run that stops and goes on -----------------------------------------------------------------------------------


def test_each_shard_is_whole_as_soon_as_it_is_there(tmp_path: Path) -> None:
    with open_writer(tmp_path, flush_every=2) as writer:
        for number in range(5):
            writer.add(analysis(f"id-{number}"))
            n_on_disk = number + 1 - (number + 1) % 2
            assert sum(pq.read_table(shard).num_rows for shard in find_shards(tmp_path)) == n_on_disk
    assert ids_of(tmp_path) == [f"id-{number}" for number in range(5)]


def test_the_next_run_knows_what_is_done(tmp_path: Path) -> None:
    write(tmp_path, analysis("a"), set_aside("b"), analysis("c"))
    with open_writer(tmp_path) as writer:
        done = {id: (known.fingerprint, known.error) for id, known in writer.done.items()}
        assert done == {
            "a": ("print-of-a", None),
            "b": ("print-of-b", "found null"),
            "c": ("print-of-c", None),
        }
        writer.add(analysis("d"))
    assert ids_of(tmp_path) == ["a", "b", "c", "d"]


@pytest.mark.parametrize("code", list(SetAsideCode))
def test_a_stored_code_says_whether_a_record_is_tried_again(tmp_path: Path, code: SetAsideCode) -> None:
    """Not the words of its reason, which may change from one release to the next."""
    with open_writer(tmp_path) as writer:
        writer.add(set_aside("a", code, "out of memory, they said" if code is SetAsideCode.FOIL else "in other words"))
    with open_writer(tmp_path) as writer:
        assert writer.done["a"].settles("print-of-a") == (code is not SetAsideCode.OUT_OF_MEMORY)
        assert not writer.done["a"].settles("print-of-another")
    assert pd.read_parquet(tmp_path)["error_code"].tolist() == [code.value]


def test_a_kill_before_the_rename_leaves_a_readable_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(BaseException):
        pass

    def die(*_: object) -> None:
        raise Killed

    write(tmp_path, analysis("a"))
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", die)
        patch.setattr(Path, "unlink", lambda *_, **__: None)  # who is killed does not clean up
        with pytest.raises(Killed):
            write(tmp_path, analysis("b"))
    assert [path.name for path in tmp_path.glob(".part-*")] == [".part-00001.parquet.tmp"]  # as a kill leaves it
    assert ids_of(tmp_path) == ["a"]
    assert list(pd.read_parquet(tmp_path)["id"]) == ["a"]
    write(tmp_path, analysis("b"))
    assert list(tmp_path.glob(".part-*")) == []
    assert ids_of(tmp_path) == ["a", "b"]


def test_half_a_temporary_file_is_cleaned_away(tmp_path: Path) -> None:
    write(tmp_path, analysis("a"))
    (tmp_path / ".part-00001.parquet.tmp").write_bytes(b"PAR1 and not more")
    assert ids_of(tmp_path) == ["a"]
    with open_writer(tmp_path) as writer:
        assert writer.done.keys() == {"a"}
    assert list(tmp_path.glob("*.tmp")) == []


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_what_was_added_before_an_error_is_kept(tmp_path: Path, error: type[BaseException]) -> None:
    def fail_on_the_way() -> None:
        with open_writer(tmp_path, flush_every=100) as writer:
            writer.add(analysis("a"))
            raise error

    with pytest.raises(error):
        fail_on_the_way()
    assert ids_of(tmp_path) == ["a"]
    write(tmp_path, analysis("b"))  # and the lock is free


def test_nothing_added_leaves_no_shard(tmp_path: Path) -> None:
    write(tmp_path / "out")
    assert find_shards(tmp_path / "out") == []


@pytest.mark.parametrize(
    ("forgotten", "left", "n_shards"),
    [(["b"], ["a", "c", "d"], 2), (["c", "d"], ["a", "b"], 1), (["a", "b", "c", "d"], [], 0)],
)
def test_a_forgotten_record_can_be_tried_again(
    tmp_path: Path, forgotten: list[str], left: list[str], n_shards: int
) -> None:
    write(tmp_path, *map(set_aside, "abcd"))
    with open_writer(tmp_path) as writer:
        for id in forgotten:
            writer.forget(id)
        assert list(writer.done) == left
        assert len(find_shards(tmp_path)) == n_shards
        for shard in find_shards(tmp_path):
            assert read_metadata(shard)["settings"] == SETTINGS
        for id in forgotten:
            writer.add(analysis(id))
    assert ids_of(tmp_path) == [*left, *forgotten]


def test_the_shard_after_number_99999_comes_after_it(tmp_path: Path) -> None:
    write(tmp_path, analysis("a"))
    find_shards(tmp_path)[0].rename(tmp_path / "part-99999.parquet")
    for id in "bc":
        write(tmp_path, analysis(id))
    assert [shard.name for shard in find_shards(tmp_path)] == [f"part-{n}.parquet" for n in (99999, 100000, 100001)]
    assert ids_of(tmp_path) == ["a", "b", "c"]


def test_a_shard_whose_rename_could_not_be_synced_is_not_written_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync = files._sync

    def fail(path: Path) -> None:
        if path.is_dir():
            raise OSError(5, os.strerror(5))
        sync(path)

    with open_writer(tmp_path, flush_every=1) as writer:
        with monkeypatch.context() as patch:
            patch.setattr(files, "_sync", fail)
            with pytest.raises(OutputError, match=r"part-00000\.parquet: could not be written"):
                writer.add(analysis("a"))
        writer.add(analysis("b"))
    assert ids_of(tmp_path) == ["a", "b"]


# ---- folders that are refused ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"seed": 1}, "made with other settings (seed: there 0, now 1); choose another folder"),
        ({"model": "big", "seed": 1}, "(model: there tiny, now big; seed: there 0, now 1)"),
        ({"methods": ["grad_dot_input"]}, "(methods: there grad_l2, now grad_dot_input)"),
        ({"new": "x"}, "(new: there None, now x)"),
    ],
)
def test_other_settings_are_refused_by_name(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    write(tmp_path, analysis("a"))
    before = snapshot(tmp_path)
    with pytest.raises(OutputError) as raised:
        open_writer(tmp_path, **change)
    assert said in str(raised.value)
    assert snapshot(tmp_path) == before
    write(tmp_path, analysis("b"))  # and the lock is free


def test_a_second_writer_is_refused_until_the_first_is_done(tmp_path: Path) -> None:
    with open_writer(tmp_path) as writer:
        with pytest.raises(OutputError, match="another run is writing there; wait, or choose another folder"):
            open_writer(tmp_path)
        writer.add(analysis("a"))
    write(tmp_path, analysis("b"))
    assert ids_of(tmp_path) == ["a", "b"]


@pytest.mark.parametrize("name", ["thesis.txt", "part-list.txt", "part-of-something.parquet"])
def test_a_folder_with_other_files_is_left_untouched(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine", encoding="utf-8")
    (tmp_path / ".part-mine.tmp").write_text("mine too", encoding="utf-8")
    before = snapshot(tmp_path)
    with pytest.raises(OutputError, match=rf"holds other files \({name}\) and no results; choose another folder"):
        open_writer(tmp_path)
    assert snapshot(tmp_path) == before


def test_hidden_files_of_a_desktop_are_no_hindrance(tmp_path: Path) -> None:
    (tmp_path / ".DS_Store").touch()
    assert ids_of(write(tmp_path, analysis("a"))) == ["a"]


def test_a_shard_that_was_copied_is_refused(tmp_path: Path) -> None:
    write(tmp_path, analysis("a"), analysis("b"))
    shutil.copy(tmp_path / "part-00000.parquet", tmp_path / "part-00007.parquet")
    with pytest.raises(OutputError) as raised:
        open_writer(tmp_path)
    assert str(raised.value) == (
        f"{tmp_path / 'part-00007.parquet'}: holds id 'a', as {tmp_path / 'part-00000.parquet'} does; delete one"
    )


def below_a_file(folder: Path) -> Path:
    (folder / "file").touch()
    return folder / "file" / "out"


def a_file(folder: Path) -> Path:
    (folder / "file").touch()
    return folder / "file"


@pytest.mark.parametrize("place", [below_a_file, a_file])
def test_a_place_that_is_no_folder_is_refused(tmp_path: Path, place: Callable[[Path], Path]) -> None:
    path = place(tmp_path)
    with pytest.raises(OutputError, match="can't write there"):
        open_writer(path)


def test_a_full_disk_is_an_output_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        raise OSError(28, os.strerror(28))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(OutputError, match=r"part-00000\.parquet: could not be written \(No space left"):
            write(tmp_path, analysis("a"))
    assert list(tmp_path.glob("*part*")) == []
    write(tmp_path, analysis("a"))  # and the lock is free
