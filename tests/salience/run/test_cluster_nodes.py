"""``run --engine ray`` where a whole machine dies: two nodes on this one, each with its own Ray."""

# pyright: standard

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import ray
from ray.cluster_utils import Cluster

from promptlight.io.results.shards import find_shards
from promptlight.io.results.writer import ResultsWriter
from promptlight.salience.run.cluster import actors
from promptlight.salience.run.cluster import cluster as clusters
from promptlight.salience.types import Analysis, SetAside
from tests.conftest import Command
from tests.support.cluster import BATCHES, RAY, SHORT, assert_same_results, find_actors, write_prompts
from tests.support.processes import find_processes, wait_until
from tests.support.results import ids_of

pytestmark = pytest.mark.slow


@pytest.fixture
def two_nodes() -> Iterator[Cluster]:
    """A head without CPUs for work, which the driver is on, and two nodes with one each."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    found = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    for _ in range(2):
        found.add_node(num_cpus=1)
    ray.init(found.address, log_to_driver=False, logging_level=logging.ERROR)
    yield found
    ray.shutdown()
    found.shutdown()


def test_a_killed_node_loses_nothing_and_repeats_nothing(
    promptlight: Command, tmp_path: Path, two_nodes: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, local, there = tmp_path / "prompts.jsonl", tmp_path / "local", tmp_path / "there"
    ids = write_prompts(path, 40)
    promptlight("run", path, "-o", local, *SHORT, *BATCHES)
    killed: list[int] = []
    add = ResultsWriter.add

    class Explainer(actors.Explainer):
        def explain(self, prompts: Sequence[bytes]) -> list[bytes]:
            time.sleep(0.5)
            return super().explain(prompts)

    def add_and_kill(writer: ResultsWriter, result: Analysis | SetAside) -> None:
        add(writer, result)
        if not killed and len(find_actors(".explain")) == 2:  # which get no more batches until this returns
            two_nodes.remove_node(two_nodes.list_all_nodes()[-1], allow_graceful=False)
            wait_until(lambda: len(find_actors()) == 1)
            killed.append(1)

    monkeypatch.setattr(clusters, "Explainer", Explainer)
    monkeypatch.setattr(ResultsWriter, "add", add_and_kill)
    done = promptlight("run", path, "-o", there, *RAY, *BATCHES, "--actors", 2)
    assert killed
    assert done.exit_code == 0
    assert done.stdout.startswith("40 explained in")  # and what Ray says of the node is elsewhere
    assert ids_of(there) == ids
    assert_same_results(there, local)


def test_a_run_makes_a_cluster_of_its_own_which_dies_with_it(promptlight: Command, tmp_path: Path) -> None:
    path, local, there = tmp_path / "prompts.jsonl", tmp_path / "local", tmp_path / "there"
    ids = write_prompts(path, 24)
    promptlight("run", path, "-o", local, *SHORT, *BATCHES)
    command = [sys.executable, "-m", "promptlight.cli", "run", str(path), "-o", str(there), *RAY, *BATCHES]
    before = find_processes("ray::", "")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        wait_until(lambda: run.poll() is not None or (there.is_dir() and bool(find_shards(there))))
        assert find_processes("ray::", "") - before
        run.kill()
    assert run.returncode == -signal.SIGKILL
    assert 0 < len(ids_of(there)) < len(ids)
    wait_until(lambda: not find_processes("ray::", "") - before)
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "done before" in done.stdout
    assert len(done.stdout.splitlines()) == 2
    assert done.stderr.removeprefix("loading the model\n").startswith("Ray: ")  # it says so if it takes long
    assert [line for line in done.stderr.splitlines() if "ray" in line.lower().replace("ray: ", "")] == []
    assert ids_of(there) == ids
    assert_same_results(there, local)
