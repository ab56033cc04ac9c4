"""``run --engine ray``: the local engine's results, from real actors; some of them are killed for real.

The module's cluster is this machine, said to have two CPUs and two GPUs; what runs on its GPUs finds none there.
"""

# pyright: standard

from __future__ import annotations

import http.server
import json
import logging
import os
import pickle
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import ray

from promptlight.io.results.shards import find_shards
from promptlight.io.results.writer import ResultsWriter
from promptlight.salience.errors import ModelError, UsageError
from promptlight.salience.model import Model, ModelFacts
from promptlight.salience.options.analysis import AnalysisOptions
from promptlight.salience.run.cluster import actors
from promptlight.salience.run.cluster import cluster as clusters
from promptlight.salience.run.cluster.actors import check_same
from promptlight.salience.run.cluster.cluster import ClusterOptions, open_cluster
from promptlight.salience.run.cluster.pool import Node, Pool, choose_gpus, plan_pool, share_cpus
from promptlight.salience.run.cluster.transport import pack_batches
from promptlight.salience.types import Analysis, Prompt, SetAside
from tests.conftest import START, Command
from tests.support.cluster import BATCHES, RAY, SHORT, assert_same_results, find_actors, write_prompts
from tests.support.paths import EXAMPLES, ROOT
from tests.support.processes import find_processes, wait_until
from tests.support.results import ids_of
from tests.support.source_code import PACKAGES, imports_within, modules_loaded_by

PATIENCE = 120  # seconds, for a process that says nothing
GIB = 2**30


@pytest.fixture(scope="module")
def ray_address() -> Iterator[str]:
    """A cluster for this module."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray.init("local", num_cpus=2, num_gpus=2, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    yield ray.get_runtime_context().gcs_address
    ray.shutdown()


# ---- the plan ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cpus", "n_actors", "share"),
    [
        ([2], 1, 2),
        ([2], 2, 1),
        ([2], 3, 1),  # never less than one; who plans has seen to it that they fit
        ([8, 4], 2, 4),  # 2 + 1 places of 4
        ([8, 4], 3, 4),
        ([8, 4], 4, 2),  # 3 would leave 2 + 1 places
        ([16], 1, 16),
        ([3, 3, 3], 4, 1),
    ],
)
def test_cpus_are_shared_so_that_no_actor_spans_two_nodes(cpus: Sequence[float], n_actors: int, share: int) -> None:
    assert share_cpus(cpus, n_actors) == share


@pytest.mark.parametrize(
    ("nodes", "n_gpus", "asked", "pool"),
    [
        ([Node(cpus=8, gpus=4)], 1, None, Pool(n_actors=4, n_cpus=1, n_gpus=1)),
        ([Node(cpus=8, gpus=1)] * 8, 1, None, Pool(n_actors=8, n_cpus=1, n_gpus=1)),
        ([Node(cpus=8, gpus=1)] * 2, 0.5, None, Pool(n_actors=4, n_cpus=1, n_gpus=0.5)),
        ([Node(cpus=8, gpus=4)], 1, 2, Pool(n_actors=2, n_cpus=1, n_gpus=1)),
        ([Node(cpus=8, memory=64 * GIB)], 0, None, Pool(n_actors=4, n_cpus=2)),
        ([Node(cpus=8, memory=128 * GIB)], 0, 8, Pool(n_actors=8, n_cpus=1)),
        ([Node(cpus=8, memory=64 * GIB)], 0, 1, Pool(n_actors=1, n_cpus=8)),
        ([Node(cpus=1, memory=64 * GIB)], 0, None, Pool(n_actors=1, n_cpus=1)),
        ([Node(cpus=16, memory=24 * GIB)], 0, None, Pool(n_actors=2, n_cpus=8)),  # 10 GiB of weights and 1 GiB beside
        ([Node(cpus=8, memory=16 * GIB)] * 2, 0, None, Pool(n_actors=2, n_cpus=8)),
    ],
)
def test_actors_are_as_many_as_gpus_or_pairs_of_cpus_or_copies_of_the_model(
    nodes: list[Node], n_gpus: float, asked: int | None, pool: Pool
) -> None:
    assert plan_pool(nodes, n_gpus, 10 * GIB, asked) == pool


def test_more_actors_than_there_is_room_for_are_refused_but_where_the_cluster_can_grow() -> None:
    cramped = [Node(cpus=2, gpus=1, memory=4 * GIB)]
    for n_gpus, n_bytes, asked in ((1, GIB, 2), (0, GIB, 3), (0, 4 * GIB, None)):
        with pytest.raises(UsageError, match="expected room for"):
            plan_pool(cramped, n_gpus, n_bytes, asked)
    assert plan_pool(cramped, 1, GIB, 64, can_grow=True).n_actors == 64
    assert plan_pool([], 1, GIB, 2, can_grow=True).n_actors == 2


@pytest.mark.parametrize(
    ("n_gpus", "device", "asked", "expected"),
    [(0, "auto", None, 0), (4, "auto", None, 1), (4, "cpu", None, 0), (0, "cuda", None, 1), (4, "auto", 0.5, 0.5)],
)
def test_gpus_are_taken_where_there_are_some(n_gpus: int, device: str, asked: float | None, expected: float) -> None:
    assert choose_gpus([Node(cpus=1), Node(cpus=1, gpus=n_gpus)], device, asked) == expected


@pytest.mark.parametrize(("device", "asked"), [("cpu", 1), ("mps", 0.5), ("cuda", 0)])
def test_gpus_that_do_not_go_with_the_device_are_refused(device: str, asked: float) -> None:
    with pytest.raises(UsageError, match="GPUs per actor"):
        choose_gpus([Node(cpus=1, gpus=1)], device, asked)


def test_a_worker_with_another_model_or_other_packages_is_refused() -> None:
    facts = ModelFacts(
        name="demo",
        preset="demo",
        dtype="float32",
        device="cpu",
        config_hash="a",
        context_length=512,
        n_bytes=1,
        versions={"torch": "2.13"},
    )
    check_same(facts, replace(facts))
    other = replace(facts, dtype="bfloat16", versions={"torch": "2.14"})
    with pytest.raises(ModelError, match=r"dtype bfloat16, not float32; torch 2\.14, not 2\.13; make them alike"):
        check_same(other, facts)


# ---- batches -----------------------------------------------------------------------------------------------------


def make_prompts(n_prompts: int, size: int = 1) -> Iterator[Prompt]:
    return (Prompt(id=str(number), text="x" * size) for number in range(n_prompts))


def test_batches_are_the_local_engines() -> None:
    batches = [[pickle.loads(prompt).id for prompt in batch] for batch in pack_batches(make_prompts(5), 2)]
    assert batches == [["0", "1"], ["2", "3"], ["4"]]


def test_the_arithmetic_in_the_docs_is_right() -> None:
    page = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")
    for rate in (50, 200, 800):
        cells: list[str] = []
        for n_gpus in (1, 8, 64):
            cells.append(f"{3600 * n_gpus * rate / 64:,.0f}")
        assert f"| {rate} tokens/s | {' | '.join(cells)}" in page


# ---- what is said on the command line ----------------------------------------------------------------------------


@pytest.mark.parametrize("option", ["--ray-address", "--actors", "--gpus-per-actor"])
def test_options_of_ray_without_it_are_refused(promptlight: Command, tmp_path: Path, option: str) -> None:
    refused = promptlight("run", EXAMPLES / "prompts.jsonl", "-o", tmp_path / "out", option, 1)
    assert refused.exit_code == 2
    assert refused.stderr == f"promptlight: {option}: expected --engine ray beside it, found local\n"


def test_without_ray_the_message_says_what_to_install(
    promptlight: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "promptlight.salience.run.cluster.cluster")
    monkeypatch.setitem(sys.modules, "ray", None)
    refused = promptlight("run", EXAMPLES / "prompts.jsonl", "-o", tmp_path / "out", *RAY)
    assert refused.exit_code == 2
    assert refused.stderr == "promptlight: --engine ray: expected Ray, found none; pip install 'promptlight[ray]'\n"


def test_ray_is_imported_in_one_room_and_not_by_the_local_engine(tmp_path: Path) -> None:
    assert {path for folder in PACKAGES for path, _ in imports_within(folder, "ray")} == {
        f"salience/run/cluster/{name}.py" for name in ("_connect", "actors", "cluster", "dispatch")
    }
    code = "import promptlight.cli.commands.run, promptlight.cli.work.engines, promptlight.salience.run.pipeline"
    loaded = modules_loaded_by(code, tmp_path)
    assert "torch" in loaded
    assert "ray" not in loaded


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "somewhere"])
def test_an_address_where_no_cluster_is_is_refused_at_once(address: str) -> None:
    if ray.is_initialized():
        pytest.skip("connected already")
    with (
        pytest.raises(UsageError, match=r"Ray at .*: can't connect"),
        open_cluster("demo", options=ClusterOptions(address=address)),
    ):
        pass


def test_an_address_where_something_else_listens_is_refused_at_once() -> None:
    if ray.is_initialized():
        pytest.skip("connected already")
    with http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        address = f"127.0.0.1:{server.server_port}"
        with (
            pytest.raises(UsageError, match=r"can't connect \(something else than Ray listens there\)"),
            open_cluster("demo", options=ClusterOptions(address=address)),
        ):
            pass


# ---- the same results --------------------------------------------------------------------------------------------


def test_an_actor_gives_the_local_engines_results_and_either_goes_on_with_the_others_folder(
    promptlight: Command, tmp_path: Path, ray_address: str
) -> None:
    path, local, there = tmp_path / "prompts.jsonl", tmp_path / "local", tmp_path / "there"
    write_prompts(path, 5)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"id": "long", "prompt": "eggs " * 600}) + "\n")
        file.write(json.dumps({"id": "stop", "prompt": "Naan\nAnalysis:", "stop": "t"}) + "\n")
    promptlight("run", path, "-o", local, *SHORT, *BATCHES, "--stop", "zzz")
    done = promptlight("run", path, "-o", there, *RAY, *BATCHES, "--actors", 1, "--stop", "zzz")
    assert done.exit_code == 3
    assert "6 explained, 1 skipped" in done.stdout
    assert lines_of(done.stderr)[0] == "Ray: 1 actor, 2 CPUs each"
    assert f"{path}:6: skipped: the prompt has 604 tokens" in done.stderr
    (plan,) = [line for line in done.stderr.splitlines() if line.startswith("to do: ")]
    assert plan.startswith("to do: 7 prompts, ")
    assert [shard.name for shard in find_shards(there)] == [shard.name for shard in find_shards(local)]
    assert_same_results(there, local)
    assert pd.read_parquet(there)["stop_reason"].tolist()[-1] == 'stop text "t"'
    again = promptlight("run", path, "-o", there, *SHORT, *BATCHES, "--stop", "zzz")
    assert "0 explained, 6 done before" in again.stdout
    wait_until(lambda: not find_actors())


def test_what_happens_in_an_actor_is_told_as_if_it_had_happened_here(
    promptlight: Command, tmp_path: Path, ray_address: str
) -> None:
    """The cluster's GPUs are only said to be there, and an actor that is given one finds none."""
    path = tmp_path / "prompts.jsonl"
    write_prompts(path, 1)
    for model, options, said in (
        ("demo", ("--gpus-per-actor", 0.5), "device cuda: not available here; use one of: cpu"),
        (tmp_path / "nowhere", ("--device", "cpu"), f"{tmp_path / 'nowhere'}: no such folder; expected one with"),
    ):
        refused = promptlight("run", path, "-o", tmp_path / "out", "--model", model, "--engine", "ray", *options)
        assert (refused.exit_code, refused.stdout) == (4, "")
        assert refused.stderr.splitlines()[-1].startswith(f"promptlight: {said}")
        assert not (tmp_path / "out").exists()


def lines_of(said: str) -> list[str]:
    """What a run says, without what it says of loading if that takes long."""
    return [line for line in said.splitlines() if line != "loading the model"]


# ---- kill -9 -----------------------------------------------------------------------------------------------------


def test_a_killed_actor_loses_nothing_and_repeats_nothing(
    promptlight: Command, tmp_path: Path, ray_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, local, there = tmp_path / "prompts.jsonl", tmp_path / "local", tmp_path / "there"
    ids = write_prompts(path, 12)
    promptlight("run", path, "-o", local, *SHORT, *BATCHES)
    killed: list[int] = []
    after: set[int] = set()
    add = ResultsWriter.add

    class Explainer(actors.Explainer):
        def explain(self, prompts: Sequence[bytes]) -> list[bytes]:
            time.sleep(0.5)
            return super().explain(prompts)

    def add_and_kill(writer: ResultsWriter, result: Analysis | SetAside) -> None:
        add(writer, result)
        if not killed:
            wait_until(lambda: bool(find_actors(".explain")))
            before = find_actors()
            killed.append(find_actors(".explain").pop())  # in the middle of a batch
            os.kill(killed[0], signal.SIGKILL)
            wait_until(lambda: bool(find_actors() - before))
            after.update(find_actors() - before)

    monkeypatch.setattr(clusters, "Explainer", Explainer)
    monkeypatch.setattr(ResultsWriter, "add", add_and_kill)
    done = promptlight("run", path, "-o", there, *RAY, *BATCHES, "--actors", 2)
    assert (len(killed), len(after)) == (1, 1)  # another one took its place
    assert done.exit_code == 0
    assert "12 explained in" in done.stdout
    assert ids_of(there) == ids
    assert_same_results(there, local)


def test_a_killed_run_leaves_whole_shards_and_the_next_one_goes_on(
    promptlight: Command, tmp_path: Path, ray_address: str
) -> None:
    path, local, there = tmp_path / "prompts.jsonl", tmp_path / "local", tmp_path / "there"
    ids = write_prompts(path, 24)
    promptlight("run", path, "-o", local, *SHORT, *BATCHES)
    arguments = ["run", str(path), "-o", str(there), *RAY, *BATCHES, "--ray-address", ray_address]
    run = subprocess.Popen([sys.executable, "-m", "promptlight.cli", *arguments], stderr=subprocess.PIPE, text=True)
    with run:
        wait_until(lambda: run.poll() is not None or (there.is_dir() and bool(find_shards(there))))
        run.kill()
        said = run.stderr.read() if run.stderr else ""
    assert run.returncode == -signal.SIGKILL
    pool, model, note, plan, *others = lines_of(said)
    assert (pool, model) == ("Ray: 1 actor, 2 CPUs each", "model: demo in float32 on cpu")
    assert note.startswith("demo is a small demo model")
    assert plan.startswith("to do: 24 prompts, ")
    assert all(re.match(r"explained \d+ of 24 prompts, about ", line) for line in others)  # nothing of Ray's
    stored = ids_of(there)
    assert 0 < len(stored) < len(ids)
    assert stored == ids[: len(stored)]
    wait_until(lambda: not find_actors())  # they go with their driver
    done = promptlight("run", path, "-o", there, *RAY, *BATCHES, "--actors", 1)
    assert f"{len(ids) - len(stored)} explained, {len(stored)} done before" in done.stdout
    assert ids_of(there) == ids
    assert_same_results(there, local)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_writes_what_has_arrived_and_says_so_and_nothing_else(
    tmp_path: Path, ray_address: str, number: signal.Signals
) -> None:
    path, out = tmp_path / "prompts.jsonl", tmp_path / "out"
    ids = write_prompts(path, 200)
    arguments = ["run", str(path), "-o", str(out), *RAY, *BATCHES, "--ray-address", ray_address]
    run = subprocess.Popen(
        [sys.executable, "-c", START.format(""), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with run:
        wait_until(lambda: run.poll() is not None or (out.is_dir() and bool(find_shards(out))))
        run.send_signal(number)
        printed, said = run.communicate(timeout=PATIENCE)
    name = "Ctrl-C" if number == signal.SIGINT else "SIGTERM"
    stored = ids_of(out)
    assert (run.returncode, printed) == (128 + number, ""), said
    ends = [
        f"promptlight: stopped by {name} after {n_counted} of 200 prompts, what was computed is kept;"
        " run the same command again to resume"
        for n_counted in (len(stored), len(stored) - 1)  # the last one may be stored and not counted yet
    ]
    assert said.splitlines()[-1] in ends
    assert "raylet" not in said
    assert stored == ids[: len(stored)]
    wait_until(lambda: not find_actors() and not find_processes("ray::Scout", ""))


@pytest.mark.slow
def test_a_batch_that_kills_its_actor_each_time_is_skipped_and_tried_again_by_the_next_run(
    promptlight: Command, tmp_path: Path, ray_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, out = tmp_path / "prompts.jsonl", tmp_path / "out"
    ids = write_prompts(path, 5)

    class Deadly(actors.Explainer):
        def explain(self, prompts: Sequence[bytes]) -> list[bytes]:
            if "dish-3" in [pickle.loads(prompt).id for prompt in prompts]:
                os.kill(os.getpid(), signal.SIGKILL)
            return super().explain(prompts)

    with monkeypatch.context() as planted:
        planted.setattr(clusters, "Explainer", Deadly)
        done = promptlight("run", path, "-o", out, *RAY, *BATCHES, "--actors", 1)
    assert done.exit_code == 3
    assert "3 explained, 2 skipped" in done.stdout
    assert "4: skipped: out of memory, most likely: 3 workers died over its batch; use fewer" in done.stderr
    assert ids_of(out) == ids
    again = promptlight("run", path, "-o", out, *SHORT)
    assert (again.exit_code, sorted(ids_of(out))) == (0, ids)
    assert "2 explained, 3 done before" in again.stdout


@pytest.mark.slow
def test_a_dry_run_tries_prompts_out_on_a_worker_and_leaves_nothing(
    promptlight: Command, tmp_path: Path, ray_address: str
) -> None:
    path, out = tmp_path / "prompts.jsonl", tmp_path / "out"
    write_prompts(path, 8)
    arguments = ("run", path, "-o", out, *BATCHES, "--dry-run", "--json")
    local, there = promptlight(*arguments, *SHORT), promptlight(*arguments, *RAY, "--actors", 2)
    assert there.exit_code == 0
    said = [line for line in there.stderr.splitlines() if line != "loading the model"]  # if that takes long
    assert said == ["Ray: 2 actors, 1 CPU each"]
    expected, found = json.loads(local.stdout), json.loads(there.stdout)
    assert (expected["n_actors"], found["n_actors"]) == (1, 2)
    for name in ("n_to_do", "n_prompt_tokens", "longest", "new_tokens"):
        assert found[name] == expected[name]
    assert found["disk"]["most"] == expected["disk"]["most"]
    for name in ("weights", "generating", "explaining"):
        assert found["memory"][name] == expected["memory"][name]
    assert 0 < found["seconds"]["expected"] < found["speed"]["spent"] * 8
    assert not out.exists()
    wait_until(lambda: not find_processes("ray::Scout", ""))


@pytest.mark.slow
def test_a_killed_scout_starts_again_and_answers(tmp_path: Path, ray_address: str) -> None:
    marker = tmp_path / "killed"

    def die_once(model: Model) -> str:
        if not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return model.facts.name

    with open_cluster("demo", device="cpu", options=ClusterOptions(actors=1)) as cluster:
        assert cluster.ask(die_once) == "demo"
        prompts = [Prompt(id=str(number), text="Naan") for number in range(2)]
        for _ in range(2):  # the second time, the scout is gone already
            assert len(list(cluster.analyze(prompts, AnalysisOptions(max_new_tokens=2)))) == 2
    assert marker.exists()


@pytest.mark.slow
def test_models_in_folders_and_strict_are_as_without_ray(
    promptlight: Command, tmp_path: Path, ray_address: str, tiny_preset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder's path is relative here, and workers may stand elsewhere."""
    monkeypatch.chdir(tiny_preset.parent)
    path, local, there = tmp_path / "prompts.jsonl", tmp_path / "local", tmp_path / "there"
    ids = write_prompts(path, 5)
    promptlight("run", path, "-o", local, "--model", "./preset", *SHORT, *BATCHES)
    with path.open("a", encoding="utf-8") as file:
        file.write("{}\n")
    stopped = promptlight("run", path, "-o", there, "--model", "./preset", "--strict", *RAY, *BATCHES, "--actors", 1)
    assert (stopped.exit_code, stopped.stdout) == (3, "")
    assert stopped.stderr.splitlines()[-1].startswith(f"promptlight: {path}:6: ")
    assert ids_of(there) == ids  # as without Ray, what stands before the fault is done
