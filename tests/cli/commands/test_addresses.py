"""Every command takes the address of results on an object store where it takes a folder."""

# pyright: standard

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from promptlight.io.places import RemotePath
from tests.conftest import Command
from tests.support.paths import EXAMPLES
from tests.support.results import ids_of
from tests.support.stores import read_objects, upload

SHORT = ["--max-new-tokens", "2", "--device", "cpu"]


@pytest.fixture
def store() -> Iterator[RemotePath]:
    """A folder in this process's memory."""
    yield RemotePath(f"memory://bucket-{uuid4().hex}/run")
    MemoryFileSystem.store.clear()


def test_a_run_writes_to_an_address_and_goes_on_there(promptlight: Command, store: RemotePath) -> None:
    prompts, options = EXAMPLES / "prompts.jsonl", [*SHORT, "--flush-every", "2"]
    for limit, said in ((3, "3 explained in"), (5, "2 explained, 3 done before in"), (5, "0 explained, 5 done before")):
        done = promptlight("run", prompts, "-o", store, *options, "--limit", limit)
        assert done.exit_code == 0, done.stderr
        assert done.stdout.startswith(said)
        assert f"stored in the folder {store}" in done.stdout
    records = [json.loads(line) for line in prompts.read_text("utf-8").splitlines()]
    assert ids_of(store) == [record["id"] for record in records[:5]]
    assert list(read_objects(store)) == [f"part-{number:05d}.parquet" for number in range(3)]


def test_every_command_reads_an_address_as_the_folder(
    promptlight: Command, store: RemotePath, demo_results: Path, tmp_path: Path
) -> None:
    upload(demo_results, store)
    for command in (
        ["list"],
        ["show", "--no-pager", "--json"],
        ["summarize", "--target", "-1", "--json"],
        ["compare", "--id", "dish-mistake", "--with", "dish-fixed", "--json"],
        ["export", "-o", "-", "--format", "csv", "--top", "2"],
        ["report", "-o", tmp_path / "page.html", "--overwrite"],
    ):
        name, *options = command
        there, here = (promptlight(name, folder, *options) for folder in (store, demo_results))
        assert there.exit_code == here.exit_code == 0, there.stderr
        assert there.stdout == here.stdout
    assert promptlight("evaluate", store, "--id", "dish-mistake", "--random-orders", "2").exit_code == 0
    assert "trust: " in promptlight("show", store, "--id", "dish-mistake", "--no-pager").stdout


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("s3://me:hush-hush@bucket/run", "s3://***@bucket/run: expected an address without login and query"),
        ("gs://bucket/run", "expected the package gcsfs, found none; pip install 'promptlight[cloud]'"),
        ("memory://bucket/none", "memory://bucket/none: no such results folder"),
        ("nosuch://bucket/run", "nosuch://bucket/run: expected a path, or an address such as s3://bucket/run"),
    ],
)
def test_an_address_that_cant_be_used_is_one_clear_line(
    promptlight: Command, monkeypatch: pytest.MonkeyPatch, address: str, says: str
) -> None:
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    commands: list[list[object]] = [["show", address, "--no-pager"], ["export", address, "-o", "-", "--format", "csv"]]
    if "none" not in address:
        commands.append(["run", EXAMPLES / "prompts.jsonl", "-o", address])
    for command in commands:
        done = promptlight(*command)
        assert done.exit_code == 5
        (line,) = done.stderr.splitlines()
        assert says in line
        assert "hush" not in line
