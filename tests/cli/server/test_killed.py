"""A server that is killed in the middle goes on when it is started again."""

# pyright: standard

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from promptlight.io.results.reader import list_ids
from tests.cli.server.conftest import Open
from tests.support.processes import wait_until

SERVE = """
import json, sys, time
from pathlib import Path
from promptlight.cli.options.rerun import Rerun
from promptlight.cli.server.studio import Studio
from promptlight.cli.work.live_model import build_live_model
from promptlight.io.results.reader import read_settings

folder = Path(sys.argv[1])
with Studio(folder, build_live_model(read_settings(folder), Rerun(device="cpu"))) as studio:
    studio.submit(json.loads(sys.argv[2]))
    time.sleep(600)
"""
IDS = [f"new-{number}" for number in range(6)]


@pytest.mark.slow  # two processes that load torch
@pytest.mark.parametrize("file", ["_evaluation/queue.json", "part-00001.parquet", "part-00003.parquet"])
def test_a_killed_server_goes_on_and_no_row_is_twice(folder: Path, serve: Open, file: str) -> None:
    records = (json.dumps({"id": id, "prompt": f"What is {id}?", "max_new_tokens": 40}) + "\n" for id in IDS)
    request = {"kind": "file", "name": "new.jsonl", "text": "".join(records), "author": "Ann"}
    server = subprocess.Popen([sys.executable, "-c", SERVE, str(folder), json.dumps(request)])
    try:
        wait_until((folder / file).exists)
    finally:
        server.kill()
        server.wait()
    before = list_ids(folder)
    assert set(IDS) - set(before), "it was killed too late"
    with serve() as served:
        jobs = served.finish(*served.studio.describe()["jobs"])
        assert {job["state"] for job in jobs} == {"done"}
        assert {job["author"] for job in jobs} == {"Ann"}
        assert served.studio.describe()["n_records"] == 3 + len(IDS)
    after = list_ids(folder)
    assert after[: len(before)] == before
    assert sorted(after) == sorted(["dish", "windows", "chat", *IDS])
