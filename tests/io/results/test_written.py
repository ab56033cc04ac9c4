"""What a model wrote for changed prompts is kept, and found again under the same settings only."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from promptlight.io.results.reader import read_results
from promptlight.io.results.written import Written, WrittenStore
from promptlight.salience.types import Completion, Prompt, StopReason, Turn
from tests.support.handmade import make_completion
from tests.support.results import analysis, write

SETTINGS = {"model": "demo", "stop": ["\n"]}


def make_written(text: str = "One two", **fields: object) -> Written:
    prompt = Prompt(id="one", text=text, fields={"x": [1]}, **fields)  # pyright: ignore[reportArgumentType]
    made = make_completion(["<bos>", text], [" a", "b\n", "<eos>"], prompt=prompt, stop_reason=StopReason.STOP_TEXT)
    return Written(completion=dataclasses.replace(made, stop_text="\n\n"), old_log_probs=[-0.5, -1e-9, -30])


def find(store: WrittenStore, completion: Completion) -> Written | None:
    return store.find(completion.prompt)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return write(tmp_path / "results", analysis("one"))


def test_what_was_added_is_found_by_a_later_run(results: Path) -> None:
    prompt, written = Prompt(id="one", text="all"), make_written()
    chat = make_written(turns=(Turn(role="user", start=0, stop=3),))
    store = WrittenStore(results, prompt, SETTINGS)
    assert find(store, written.completion) is None
    store.add([written])
    store.add([chat])
    again = WrittenStore(results, prompt, SETTINGS)
    assert find(again, written.completion) == written
    assert find(again, chat.completion) == chat
    assert again.find(Prompt(id="one", text="One")) is None
    assert len(list(read_results(results))) == 1  # the folder's results are as they were


def test_other_settings_prompts_and_anew_find_nothing(results: Path) -> None:
    prompt, written = Prompt(id="one", text="all", fingerprint="f"), make_written()
    WrittenStore(results, prompt, SETTINGS).add([written])
    for store in (
        WrittenStore(results, prompt, SETTINGS | {"stop": None}),
        WrittenStore(results, dataclasses.replace(prompt, id="two"), SETTINGS),
        WrittenStore(results, dataclasses.replace(prompt, fingerprint="g"), SETTINGS),
        WrittenStore(results, prompt, SETTINGS, anew=True),
    ):
        assert find(store, written.completion) is None
    assert find(WrittenStore(results, prompt, SETTINGS), written.completion) == written


def test_a_damaged_file_is_replaced(results: Path) -> None:
    prompt, written = Prompt(id="one", text="all"), make_written()
    store = WrittenStore(results, prompt, SETTINGS)
    store.add([written])
    assert isinstance(store.path, Path)
    store.path.write_bytes(store.path.read_bytes()[:-20])
    store = WrittenStore(results, prompt, SETTINGS)
    assert find(store, written.completion) is None
    store.add([written])
    assert find(WrittenStore(results, prompt, SETTINGS), written.completion) == written


def test_without_a_folder_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = WrittenStore(None, Prompt(id="one", text="all"), SETTINGS)
    store.add([make_written()])
    assert find(store, make_written().completion) == make_written()
    assert list(tmp_path.iterdir()) == []
