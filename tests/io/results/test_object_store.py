"""A results folder on an object store is the same as one on a disk, and only what is needed is fetched from it."""

# pyright: standard

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any
from uuid import uuid4

import pandas as pd
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from promptlight.io.places import RemotePath
from promptlight.io.results.answers import keep_answer, read_answers
from promptlight.io.results.evaluations import EvaluationStore, evaluation_schema, read_evaluation
from promptlight.io.results.listing import list_results
from promptlight.io.results.reader import find_result, list_ids, read_results
from promptlight.io.results.shards import N_AHEAD, find_shards
from promptlight.io.results.written import Written, WrittenStore
from promptlight.salience.errors import OutputError
from promptlight.salience.types import Analysis, SetAsideCode
from tests.support.handmade import assert_same_analysis
from tests.support.results import analysis, ids_of, open_writer, set_aside, snapshot, write
from tests.support.stores import read_objects


@pytest.fixture
def store() -> Iterator[RemotePath]:
    """A folder in this process's memory."""
    yield RemotePath(f"memory://bucket-{uuid4().hex}/run")
    MemoryFileSystem.store.clear()


def run_in_parts(folder: Any) -> None:
    """Three runs: one skips a record, the next tries it again and goes on, the last finds nothing to do."""
    write(folder, analysis("a"), set_aside("b"), set_aside("c", SetAsideCode.OUT_OF_MEMORY), analysis("d"))
    with open_writer(folder, flush_every=2) as writer:
        assert list(writer.done) == ["a", "b", "c", "d"]
        writer.forget("c")
        for id in ("c", "e", "f"):
            writer.add(analysis(id))
    write(folder)


def test_the_shards_are_byte_for_byte_those_of_a_disk(
    store: RemotePath, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("promptlight.io.results.writer.read_clock", lambda: "2026-11-27T18:30:05Z")
    for folder in (store, tmp_path):
        run_in_parts(folder)
    on_disk = {name: content for name, content in snapshot(tmp_path).items() if not name.startswith(".")}
    assert len(on_disk) == 4
    assert read_objects(store) == on_disk
    assert ids_of(store) == ids_of(tmp_path) == ["a", "b", "d", "c", "e", "f"]
    assert [one.id for one in list_results(str(store), [])] == list_ids(store) == ids_of(tmp_path)
    found = find_result(str(store), id="e")
    assert isinstance(found, Analysis)
    assert_same_analysis(found, analysis("e"))


def test_pandas_reads_an_address_in_one_line(store: RemotePath) -> None:
    write(store, analysis("a"), set_aside("b"), analysis("c"))
    assert list(pd.read_parquet(str(store))["id"]) == ["a", "b", "c"]


def test_what_is_not_ours_is_refused_and_left_alone(store: RemotePath) -> None:
    (store / "notes.txt").put(b"mine")
    with pytest.raises(OutputError, match=r"holds other files \(notes\.txt\)"):
        open_writer(store)
    assert read_objects(store) == {"notes.txt": b"mine"}
    with pytest.raises(OutputError, match="no results in it"):
        list(read_results(store))
    with pytest.raises(OutputError, match="no such results folder"):
        list(read_results(store / "deeper"))


def test_other_settings_are_refused_and_the_lease_is_given_back(store: RemotePath) -> None:
    write(store, analysis("a"))
    before = read_objects(store)
    with pytest.raises(OutputError, match="seed: there 0, now 1"):
        open_writer(store, seed=1)
    assert read_objects(store) == before


def test_a_damaged_shard_hides_its_own_rows_only(store: RemotePath) -> None:
    write(store, *(analysis(id) for id in "abcdef"), flush_every=2)
    _, shard, _ = find_shards(store)
    shard.put(shard.read_bytes()[:1000])
    problems: list[str] = []
    kept = [one.completion.prompt.id for one in read_results(store, problems) if isinstance(one, Analysis)]
    assert kept == ["a", "b", "e", "f"]
    assert len(problems) == 1
    assert problems[0].startswith(f"{shard}: not readable as Parquet")
    with pytest.raises(OutputError, match=r"part-00001\.parquet: not readable"):
        open_writer(store)


class Traffic:
    """What is fetched: the name and the number of bytes of each request."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.requests: list[tuple[str, int]] = []
        cat_file = MemoryFileSystem.cat_file

        def count(system: MemoryFileSystem, path: str, start: int | None = None, end: int | None = None) -> bytes:
            content = cat_file(system, path, start, end)
            self.requests.append((path.rpartition("/")[2], len(content)))
            return content

        patch.setattr(MemoryFileSystem, "cat_file", count)

    @property
    def n_bytes(self) -> int:
        return sum(n_bytes for _, n_bytes in self.requests)


def test_only_needed_columns_and_shards_are_fetched(store: RemotePath, monkeypatch: pytest.MonkeyPatch) -> None:
    random = Random(0)
    for number in range(20):  # with a column that takes most of a shard
        reasons = (random.randbytes(40_000).hex() for _ in range(3))
        with open_writer(store, flush_every=3) as writer:
            for place, reason in enumerate(reasons):
                writer.add(set_aside(f"id-{number}-{place}", reason=reason))
    shards = find_shards(store)
    sizes = {shard.name: len(shard.read_bytes()) for shard in shards}
    traffic = Traffic(monkeypatch)
    assert len(list_ids(store)) == 60
    assert traffic.n_bytes < sum(sizes.values()) / 1.5
    assert len(traffic.requests) <= 2 * len(shards)
    traffic.requests.clear()
    find_result(store, id="id-0-1")
    whole = [name for name, n_bytes in traffic.requests if n_bytes > sizes[name] / 2]
    assert len({name for name, _ in traffic.requests}) <= N_AHEAD + 1
    assert set(whole) <= {shards[0].name}


def test_what_is_kept_about_results_is_kept_beside_them(store: RemotePath) -> None:
    write(store, analysis("a"))
    assert read_evaluation(store) is None
    evaluation = EvaluationStore(store, {"seed": 0})
    row = {"id": "a", "method": "grad_l2", "fingerprint": "print"}
    evaluation.add([dict.fromkeys(evaluation_schema().names) | row])
    found = read_evaluation(str(store))
    assert found is not None
    assert [row["id"] for row in found.rows] == ["a"]

    answer = {"id": "a", "method": "grad_l2", "target": "-1", "target_by": "line", "by": "line", "trials": []}
    assert keep_answer(store, answer, analysis("a")) == store / "_evaluation/why.json"
    assert [one["id"] for one in read_answers(store)] == ["a"]

    completion = analysis("a").completion
    WrittenStore(store, completion.prompt, {}).add([Written(completion=completion, old_log_probs=[-1.0])])
    again = WrittenStore(store, completion.prompt, {}).find(completion.prompt)
    assert again is not None
    assert again.old_log_probs == [-1.0]
    assert ids_of(store) == ["a"]
