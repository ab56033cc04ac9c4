"""``promptlight run`` on an object store: killed at random moments, with either engine, and gone on from elsewhere."""

# pyright: standard

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from promptlight.io.places import RemotePath
from promptlight.io.results import _lease
from promptlight.io.results.reader import read_results
from promptlight.io.results.shards import find_shards, read_shard
from promptlight.salience.types import Analysis
from tests.support.processes import finish, start_command, wait_until
from tests.support.results import ids_of
from tests.support.s3 import S3Server, serve_s3

pytestmark = pytest.mark.slow

SHORT = ("--max-new-tokens", "2", "--device", "cpu", "--flush-every", "4")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    from s3fs import S3FileSystem

    with serve_s3() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        S3FileSystem.clear_instance_cache()  # made for another server
        yield server


def write_many(path: Path, n_records: int) -> list[str]:
    ids = [f"id-{number}" for number in range(n_records)]
    path.write_text("".join(json.dumps({"id": id, "prompt": f"{id}. Naan\nAnalysis:"}) + "\n" for id in ids), "utf-8")
    return ids


def stored_in(folder: RemotePath) -> list[str]:
    shards = find_shards(folder) if folder.exists() else []
    return [id for shard in shards for id in read_shard(shard)["id"].to_pylist()]


def kill_at_random(
    server: S3Server, folder: RemotePath, prompts: Path, options: tuple[str, ...], random: Random, *, early: bool
) -> None:
    """Kill a run some moments after its first new shard, or while it loads; its lease runs out at once."""
    n_shards = len(find_shards(folder)) if folder.exists() else 0
    run = start_command(prompts, folder, *options)
    if early:
        time.sleep(random.uniform(0.2, 5))
    else:
        wait_until(lambda: run.poll() is not None or (folder.exists() and len(find_shards(folder)) > n_shards))
        time.sleep(random.uniform(0, 0.7))
    run.kill()
    finish(run)
    server.wait_until_quiet()
    server.age(folder, _lease.TERM + 2)


def assert_as_on_a_disk(folder: RemotePath, disk: Path) -> None:
    """Equal but for rounding: other prompts may have been in the same batch."""
    for found, wanted in zip(read_results(folder), read_results(disk), strict=True):
        assert isinstance(found, Analysis)
        assert isinstance(wanted, Analysis)
        assert (found.completion.prompt.id, found.completion.text) == (
            wanted.completion.prompt.id,
            wanted.completion.text,
        )
        assert found.map_by().scores == pytest.approx(wanted.map_by().scores, rel=1e-3, abs=1e-6)


def test_twenty_kills_of_the_command_lose_and_double_nothing(server: S3Server, tmp_path: Path) -> None:
    random, prompts, folder = Random(1), tmp_path / "prompts.jsonl", server.make_bucket()
    ids = write_many(prompts, 20_000)
    n_stored = 0
    for turn in range(20):
        kill_at_random(server, folder, prompts, SHORT, random, early=turn % 5 == 4)
        stored = stored_in(folder)
        assert stored == ids[: len(stored)]  # no gap, nothing twice
        assert len(stored) >= n_stored
        n_stored = len(stored)
    assert n_stored >= 15 * 4
    rest = (*SHORT, "--limit", str(n_stored + 4))
    assert finish(start_command(prompts, folder, *rest))[0] == 0
    assert ids_of(folder) == ids[: n_stored + 4]
    assert finish(start_command(prompts, tmp_path / "disk", *rest))[0] == 0
    assert_as_on_a_disk(folder, tmp_path / "disk")


def test_another_machine_goes_on_where_rays_driver_died(server: S3Server, tmp_path: Path) -> None:
    """The driver is killed twice, its actors with it; a run with the other engine ends the work."""
    random, prompts, folder = Random(2), tmp_path / "prompts.jsonl", server.make_bucket()
    ids, stored = write_many(prompts, 20_000), list[str]()
    for _ in range(2):
        ray = (*SHORT, "--engine", "ray", "--batch-size", "2")
        kill_at_random(server, folder, prompts, ray, random, early=False)
        stored = stored_in(folder)
        assert stored == ids[: len(stored)]
        assert stored
    rest = (*SHORT, "--limit", str(len(stored) + 4))
    assert finish(start_command(prompts, folder, *rest))[0] == 0
    assert ids_of(folder) == ids[: len(stored) + 4]
    assert finish(start_command(prompts, tmp_path / "disk", *rest))[0] == 0
    assert_as_on_a_disk(folder, tmp_path / "disk")
