"""What a client names, over HTTP to a real studio: ids, jobs and dropped files stay text; no file is made of them."""

# pyright: standard

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from promptlight.cli.options.rerun import Rerun
from promptlight.cli.server.running import Serving, start
from promptlight.cli.server.studio import Studio
from promptlight.cli.work.live_model import build_live_model
from promptlight.io.page.write import Opening, describe_policy
from promptlight.io.results.reader import read_settings
from promptlight.salience.model import Model
from tests.support.processes import wait_until
from tests.support.results import ids_of
from tests.support.served import ask

EVIL = "../../outside"
OURS = r"part-\d{5}\.parquet|\.lock|\.huggingface\.yaml|_evaluation/queue\.json"


def list_files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def read_jobs(served: Serving) -> list[dict[str, Any]]:
    return ask(served, "GET", "/state").json["jobs"]


@pytest.fixture
def folder(demo_results: Path, tmp_path: Path) -> Path:
    """Results, two folders deep, so that a path out of them leads to a place that is looked at."""
    return Path(shutil.copytree(demo_results, tmp_path / "a" / "results"))


def test_no_name_of_a_client_becomes_a_file(folder: Path, demo_model: Model, tmp_path: Path) -> None:
    live = build_live_model(read_settings(folder), Rerun()).holding(demo_model)
    record = {"id": f"{EVIL}\r\nSet-Cookie: a=b", "prompt": "Q"}
    with Studio(folder, live) as studio, start(studio, opening=Opening(), port=0) as served:
        asked = [
            {"kind": "write", "parent": None, "text": "Q", "id": EVIL, "chat": False},
            {"kind": "write", "parent": None, "text": "Q", "id": "/etc/passwd.html", "chat": False},
            {"kind": "file", "name": f"{EVIL}.jsonl", "text": json.dumps(record), "author": EVIL},
        ]
        assert [ask(served, "POST", "/jobs", one).status for one in asked] == [202] * 3
        for refused in ({"parent": EVIL, "turn": 0, "text": "Q"}, {"parent": None, "text": "Q", "path": EVIL}):
            answer = ask(served, "POST", "/jobs", {"kind": "write"} | refused)
            assert (answer.status, list(answer.json)) == (400, ["error"])
        for method in (EVIL, "/etc/passwd"):
            answer = ask(served, "POST", "/jobs", {"kind": "ask", "id": "dish-mistake", "method": method})
            assert answer.status == 400
        assert ask(served, "DELETE", "/jobs/..%2f..%2foutside").status == 404
        wait_until(lambda: all(job["state"] in ("done", "failed") for job in read_jobs(served)))
        assert [job["state"] for job in read_jobs(served)] == ["done"] * 3
        assert ask(served, "GET", "/files/report.html").status == 200
        assert ask(served, "GET", "/files/results.csv").status == 200
        page = ask(served, "GET", f"/?token={served.token}")
        assert page.headers["content-security-policy"] == f"{describe_policy(served=True)}; frame-ancestors 'none'"
        assert served.token not in page.body.decode()  # it is in the address alone
    assert {EVIL, record["id"]} <= set(ids_of(folder))
    assert [name for name in list_files(folder) if not re.fullmatch(OURS, name)] == []
    assert [name for name in list_files(tmp_path) if not name.startswith("a/results/")] == []
