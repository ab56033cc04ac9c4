"""A studio on results of a few prompts, with the demo model loaded once for all tests."""

# pyright: standard

from __future__ import annotations

import json
import queue
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from promptlight.cli.options.rerun import Rerun
from promptlight.cli.server.studio import Limits, Studio
from promptlight.cli.work.live_model import LiveModel, build_live_model
from promptlight.io.prompts.reader import PromptReader
from promptlight.io.results.reader import read_settings
from promptlight.io.results.writer import ResultsWriter
from promptlight.salience.model import Model
from promptlight.salience.options.analysis import AnalysisOptions
from promptlight.salience.run.pipeline import analyze
from promptlight.salience.run.provenance import describe_provenance, describe_settings
from promptlight.salience.types import Prompt

PATIENCE = 60.0
PROMPTS = (
    {"id": "dish", "prompt": "Alice likes eggs.\nBob hates cheese.\nShould Bob eat the quiche?\n", "source": "menu"},
    {"id": "windows", "prompt": "Write one word.\r\nThen stop.\r\n", "max_new_tokens": 4, "stop": "\n"},
    {
        "id": "chat",
        "messages": [{"role": "user", "content": "Be brief.\nName a fruit."}],
        "sections": {"rule": "Be brief.\n"},
    },
)


@dataclass
class Watched:
    """A studio, and what it told."""

    studio: Studio
    events: queue.Queue[tuple[str, dict[str, Any]]] = field(default_factory=queue.Queue)

    def wait(self, holds: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
        """The state, as soon as something holds of it."""
        end = time.monotonic() + PATIENCE
        while not holds(state := self.studio.describe()):
            assert time.monotonic() < end, state
            time.sleep(0.01)
        return state

    def finish(self, *jobs: dict[str, Any]) -> list[dict[str, Any]]:
        """These jobs, once they are over."""
        ids = [job["id"] for job in jobs]

        def list_ended(state: dict[str, Any]) -> list[dict[str, Any]]:
            found = [job for job in state["jobs"] if job["id"] in ids]
            return found if all(job["state"] not in ("waiting", "running") for job in found) else []

        return list_ended(self.wait(list_ended))

    def do(self, **request: Any) -> dict[str, Any]:
        """Submit a request for one job, and wait until it is over."""
        (job,) = self.finish(*self.studio.submit(request))
        return job

    def read(self, number: int) -> dict[str, Any]:
        return json.loads(self.studio.get_record(number).data)


Open = Callable[..., Any]


@pytest.fixture(scope="session")
def served_results(tmp_path_factory: pytest.TempPathFactory, demo_model: Model) -> Path:
    """Results of three prompts: one with several lines, one with Windows line ends, a chat. For reading only."""
    folder = tmp_path_factory.mktemp("served")
    prompts = folder / "prompts.jsonl"
    prompts.write_text("".join(json.dumps(prompt) + "\n" for prompt in PROMPTS), encoding="utf-8")
    options = AnalysisOptions(max_new_tokens=6)
    settings = describe_settings(demo_model.facts, options) | {"scores": "float32"}
    with ResultsWriter(folder / "results", settings, describe_provenance(demo_model.facts)) as writer:
        read = [record for record in PromptReader(prompts, strict=True) if isinstance(record, Prompt)]
        for result in analyze(read, demo_model, options):
            writer.add(result)
    return folder / "results"


@pytest.fixture
def folder(served_results: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(served_results, tmp_path / "results"))


@pytest.fixture
def live(folder: Path, demo_model: Model) -> LiveModel:
    """The model that made the results, loaded already."""
    return build_live_model(read_settings(folder), Rerun()).holding(demo_model)


@pytest.fixture
def serve(folder: Path, live: LiveModel) -> Open:
    """Opens a studio on the results."""

    @contextmanager
    def open_studio(live: LiveModel = live, **limits: int) -> Iterator[Watched]:
        with Studio(folder, live, limits=Limits(**limits)) as studio:
            watched = Watched(studio)
            studio.subscribe(lambda event, about: watched.events.put((event, about)))
            watched.wait(lambda state: state["model"]["status"] != "loading")
            yield watched

    return open_studio
