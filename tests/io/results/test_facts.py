"""Where results come from is stored with them: the model, the dates, the settings and the versions."""

# pyright: standard

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from promptlight.io.results import shards
from promptlight.io.results.facts import RunFacts, build_facts, read_clock, read_facts
from promptlight.io.results.folders import BUNDLED
from promptlight.io.results.shards import METADATA_KEY, find_shards
from promptlight.io.results.writer import write_table
from promptlight.salience.errors import OutputError
from promptlight.salience.types import SetAsideCode
from tests.support.results import analysis, open_writer, set_aside, write

CLOCK = "promptlight.io.results.writer.read_clock"


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self, patch: pytest.MonkeyPatch, time: str) -> None:
        self.time = time
        patch.setattr(CLOCK, lambda: self.time)


def drop_dates(shard: Path) -> None:
    """Write a shard as versions without dates did."""
    table = pq.read_table(shard)
    metadata = json.loads(table.schema.metadata[METADATA_KEY])
    del metadata["started"], metadata["finished"]
    write_table(table.replace_schema_metadata({METADATA_KEY: json.dumps(metadata)}), shard)


def test_everything_stored_is_a_fact() -> None:
    settings: dict[str, Any] = {
        "model": "/home/jane/x.gguf",
        "dtype": "float32",
        "chat": True,
        "quantised": "Q4_K_M: Q4_K, Q6_K",
        "adapter": "/home/jane/lora",
        "adapter_sha256": "ad",
        "config_hash": "c0",
        "file_sha256": "f1",
        "methods": ["grad_l2"],
        "seed": 7,
    }
    found = build_facts(
        {
            "settings": settings,
            "model_name": "/home/jane/x.gguf",
            "device": "cuda:0",
            "started": "2026-11-26T23:59:58Z",
            "finished": "2026-11-27T00:10:00Z",
            "versions": {"promptlight": "0.1.0", "torch": "2.13.0"},
        }
    )
    assert found.describe() == {
        "model": "/home/jane/x.gguf",
        "preset": "/home/jane/x.gguf",
        "dtype": "float32",
        "device": "cuda:0",
        "quantised": "Q4_K_M: Q4_K, Q6_K",
        "adapter": "/home/jane/lora",
        "adapter_sha256": "ad",
        "config_hash": "c0",
        "file_sha256": "f1",
        "chat": True,
        "started": "2026-11-26T23:59:58Z",
        "finished": "2026-11-27T00:10:00Z",
        "settings": {"methods": ["grad_l2"], "seed": 7},
        "versions": {"promptlight": "0.1.0", "torch": "2.13.0"},
    }
    assert json.loads(json.dumps(found.describe())) == found.describe()
    assert (found.short_model, found.short_adapter, found.promptlight) == ("x.gguf", "lora", "0.1.0")
    assert found.dates == ("2026-11-26", "2026-11-27")


@pytest.mark.parametrize(
    ("model", "preset", "short"),
    [
        ("google/gemma-3-270m", "hf://google/gemma-3-270m", "google/gemma-3-270m"),
        ("demo", "demo", "demo"),
        ("~/models/gemma", "/home/jane/models/gemma", "gemma"),
        ("../models/gemma/", "../models/gemma", "gemma"),
        ("my-model", "/srv/x.gguf", "my-model"),
    ],
)
def test_a_short_name_has_no_folders(model: str, preset: str, short: str) -> None:
    assert RunFacts(model=model, preset=preset).short_model == short


@pytest.mark.parametrize(
    ("started", "finished", "dates"),
    [
        ("2026-11-27T01:00:00Z", "2026-11-27T02:00:00Z", ("2026-11-27",)),
        (None, "2026-11-27T02:00:00Z", ("2026-11-27",)),
        (None, None, ()),
    ],
)
def test_days_that_are_the_same_are_said_once(
    started: str | None, finished: str | None, dates: tuple[str, ...]
) -> None:
    assert RunFacts(model="m", preset="m", started=started, finished=finished).dates == dates


def test_a_resumed_run_keeps_the_first_date_and_adds_the_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch, "2026-11-26T10:00:00Z")
    with open_writer(tmp_path) as writer:
        clock.time = "2026-11-26T10:05:00Z"
        writer.add(analysis("a"))
        clock.time = "2026-11-26T10:06:00Z"  # stored later
    first = read_facts(tmp_path)
    assert first is not None
    assert (first.started, first.finished) == ("2026-11-26T10:00:00Z", "2026-11-26T10:05:00Z")
    clock.time = "2026-11-27T08:00:00Z"
    with open_writer(tmp_path) as writer:
        writer.add(set_aside("b", SetAsideCode.OUT_OF_MEMORY))
        clock.time = "2026-11-27T08:01:00Z"
        writer.add(analysis("c"))
    with open_writer(tmp_path) as writer:
        clock.time = "2026-12-01T00:00:00Z"
        writer.forget("b")  # writes the shard again: its results are as old as before
    last = read_facts(tmp_path)
    assert last is not None
    assert (last.started, last.finished) == ("2026-11-26T10:00:00Z", "2026-11-27T08:01:00Z")


def test_results_without_dates_stay_without_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, analysis("a"))
    drop_dates(*find_shards(tmp_path))
    old = read_facts(tmp_path)
    assert old is not None
    assert (old.started, old.finished, old.dates) == (None, None, ())
    Clock(monkeypatch, "2026-11-27T08:00:00Z")
    write(tmp_path, analysis("b"))  # goes on
    resumed = read_facts(tmp_path)
    assert resumed is not None
    assert (resumed.started, resumed.finished) == (None, "2026-11-27T08:00:00Z")


def test_results_of_the_package_have_facts_but_no_date() -> None:
    found = read_facts(BUNDLED["gemma-tutorial"])
    assert found is not None
    assert (found.model, found.dtype, found.device, found.promptlight) == ("gemma3-270m", "float32", "cpu", "0.1.0")
    assert found.quantised == "Q4_K_M: Q4_K, Q5_0, Q6_K, Q8_0"
    assert found.settings["stop"] == ["\n\n"]
    assert not found.settings.keys() & found.describe().keys()


def test_one_file_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, *(analysis(id) for id in "abcdef"), flush_every=2)
    opened: list[str] = []
    open_source = shards.open_source
    monkeypatch.setattr(shards, "open_source", lambda place: opened.append(place.name) or open_source(place))
    read_facts(tmp_path)
    assert opened == ["part-00002.parquet"]


def test_a_damaged_shard_is_passed_over(tmp_path: Path) -> None:
    write(tmp_path, *(analysis(id) for id in "abcd"), flush_every=2)
    first, last = find_shards(tmp_path)
    last.write_bytes(last.read_bytes()[:-20])
    found = read_facts(tmp_path)
    assert found is not None
    assert found.model == "tiny"
    first.write_bytes(b"")
    assert read_facts(tmp_path) is None
    with pytest.raises(OutputError, match="no such results folder"):
        read_facts(tmp_path / "nowhere")


def test_the_clock_is_utc() -> None:
    assert read_clock().endswith("Z")
    assert len(read_clock()) == len("2026-11-27T18:30:05Z")
