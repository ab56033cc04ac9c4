"""Changes of a prompt in the explorer: writing, running, and leaving them."""

# pyright: standard

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import TextArea

from promptlight.cli.explorer.app import Explorer
from promptlight.cli.explorer.edit import EditWindow
from promptlight.cli.explorer.editable import restore_text, show_text
from promptlight.cli.explorer.library import Library
from promptlight.cli.explorer.screens import Leaving, Window
from promptlight.cli.work.live_model import LiveModel
from promptlight.io.results.facts import RunFacts
from promptlight.io.results.reader import find_result
from promptlight.salience.errors import ModelError
from promptlight.salience.types import Analysis, Prompt, Turn
from tests.support.exploring import ORDERS, explore, look_at, read_page, wait_for, write_results
from tests.support.handmade import make_analysis, make_completion


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """A run waits until it is set."""
    opened, explain = threading.Event(), LiveModel.explain

    def wait_and_explain(live: LiveModel, *prompts: Prompt, **options: Any) -> list[Analysis]:
        assert opened.wait(60)
        return explain(live, *prompts, **options)

    monkeypatch.setattr(LiveModel, "explain", wait_and_explain)
    return opened


def test_a_changed_prompt_is_run_shown_and_listed(demo_results: Path, gate: threading.Event) -> None:
    async def steps(app: Explorer, pilot: Pilot[None]) -> None:
        await pilot.press("e")
        assert isinstance(app.screen, EditWindow)
        await pilot.press("ctrl+r")
        assert "nothing is changed yet" in look_at(app)
        app.screen.query_one(TextArea).insert("Be brief. ", (0, 0))
        await pilot.press("ctrl+r")
        await pilot.pause(0.3)
        assert "running the prompt before and after" in look_at(app)  # and the app answers
        gate.set()
        await wait_for(pilot, lambda: isinstance(app.screen, Window))
        assert re.match(r"explaining prompt 2 of 2: \d+/\d+ targets, ", app.work_display.words)
        await pilot.pause()
        page = read_page(app.screen.page)  # type: ignore[attr-defined]
        assert "after   dish-mistake (changed)" in page
        assert "Be brief. Analyze" in page
        await pilot.press("escape", "l", "end", "enter")
        assert app.scene is not None
        assert app.scene.analysis.completion.prompt.text.startswith("Be brief. Analyze")
        assert "in memory only" in [note.message for note in app._notifications][-1]
        assert app.running is None
        await pilot.press("slash", *"be brief. analyze", "enter")
        assert [one.id for one in app.prompts.list.listed] == ["dish-mistake (changed)"]

    explore(demo_results, steps)
    assert all("changed" not in one.id for one in Library(demo_results).listed)


def test_a_run_that_fails_keeps_the_text(demo_results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> Any:
        raise ModelError("no [bold red]such\x1b[31m model")

    async def steps(app: Explorer, pilot: Pilot[None]) -> None:
        await pilot.press("e")
        window = app.screen
        assert isinstance(window, EditWindow)
        window.query_one(TextArea).insert("Be brief. ", (0, 0))
        await pilot.press("ctrl+r")
        await wait_for(pilot, lambda: app.running is None)
        await pilot.pause()
        assert "no [bold red]such␛[31m model; the text above is kept" in look_at(app)
        assert window.text.startswith("Be brief. Analyze")
        await pilot.press("escape")
        assert app.scene is not None
        await pilot.press("e")  # and here it is again
        assert app.screen.query_one(TextArea).text.startswith("Be brief. Analyze")

    monkeypatch.setattr(LiveModel, "explain", fail)
    explore(demo_results, steps)


def test_an_edit_that_is_left_is_kept(demo_results: Path) -> None:
    async def steps(app: Explorer, pilot: Pilot[None]) -> None:
        await pilot.press("e", "escape")
        assert not app.drafts
        await pilot.press("e")
        app.screen.query_one(TextArea).insert("Be brief. ", (0, 0))
        await pilot.press("escape")
        await pilot.pause()
        assert "e opens it again" in " ".join(note.message for note in app._notifications)
        await pilot.press("e")
        assert app.screen.query_one(TextArea).text.startswith("Be brief. Analyze")
        await pilot.press("ctrl+z", "escape")  # undo brings the prompt's own text back
        assert not app.drafts

    explore(demo_results, steps)


def test_leaving_asks_before_a_change_is_lost(demo_results: Path) -> None:
    async def steps(app: Explorer, pilot: Pilot[None]) -> None:
        await pilot.press("e")
        app.screen.query_one(TextArea).insert("Be brief. ", (0, 0))
        await pilot.press("escape", "n", "e", "escape", "e")  # another prompt, without a change
        await pilot.press("ctrl+q")
        await pilot.pause()
        assert isinstance(app.screen, Leaving)
        assert "dish-mistake: a change that did not run" in look_at(app)
        assert "dish-fixed" not in "".join(app.screen._lost)
        await pilot.press("escape")
        assert isinstance(app.screen, EditWindow)
        app.screen.query_one(TextArea).insert("Be brief. ", (0, 0))
        await pilot.press("ctrl+q")
        await pilot.pause()
        assert "dish-fixed: a change that did not run" in look_at(app)  # though it is still in its window
        await pilot.press("n", "escape")
        assert app.is_running
        assert set(app.drafts) == {"dish-mistake", "dish-fixed"}
        await pilot.press("q", "q")
        await pilot.pause()
        assert not app.is_running

    explore(demo_results, steps)


def test_leaving_asks_nothing_if_all_changes_were_taken_back(demo_results: Path) -> None:
    async def steps(app: Explorer, pilot: Pilot[None]) -> None:
        await pilot.press("e")
        app.screen.query_one(TextArea).insert("B", (0, 0))
        await pilot.press("escape", "e", "delete", "escape")
        assert not app.drafts
        await pilot.press("q")
        await pilot.pause()
        assert not app.is_running

    explore(demo_results, steps)


def fake_runs(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """A run waits until the event is set, and gives two completions that no model wrote."""
    opened = threading.Event()

    def wait_and_make(_: LiveModel, *prompts: Prompt, **__: object) -> list[Analysis]:
        assert opened.wait(60)
        return [make_analysis(make_completion(["▁a"], ["▁b"], prompt=prompt)) for prompt in prompts]

    monkeypatch.setattr(LiveModel, "explain", wait_and_make)
    monkeypatch.setattr(LiveModel, "describe_run", lambda _: RunFacts(model="another", preset="another"))
    return opened


def test_a_run_that_ends_closes_no_window_with_another_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = (make_analysis(make_completion(["▁a"], ["▁b"], prompt=Prompt(id=id, text="a"))) for id in ("one", "two"))
    opened = fake_runs(monkeypatch)

    async def steps(app: Explorer, pilot: Pilot[None]) -> None:
        await pilot.press("e", "x", "ctrl+r", "y")  # goes on writing while the first change runs
        await pilot.pause()
        assert app.running
        opened.set()
        await wait_for(pilot, lambda: app.running is None)
        await pilot.pause()
        assert isinstance(app.screen, EditWindow)
        assert "the run is over" in look_at(app)
        await pilot.press("escape")
        assert app.drafts == {"one": "xya"}
        assert [listed.id for listed in app.library.made] == ["one (changed)"]
        opened.clear()
        await pilot.press("e", "ctrl+r", "escape", "n", "e", "z")  # now another prompt is written
        opened.set()
        await wait_for(pilot, lambda: app.running is None)
        await pilot.pause()
        assert isinstance(app.screen, EditWindow)
        assert app.screen.text == "za"
        await pilot.press("ctrl+q")
        await pilot.pause()
        assert app.screen._lost == [  # type: ignore[attr-defined]
            "two: a change that did not run",
            "one (changed): it ran, and is in memory only",
            "one (changed 2): it ran, and is in memory only",
        ]

    explore(write_results(tmp_path / "out", one, two), steps)


def test_a_changed_prompt_says_which_model_ran_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_runs(monkeypatch).set()
    analysis = make_analysis(make_completion(["▁a"], ["▁b"], prompt=Prompt(id="one", text="a")))

    async def steps(app: Explorer, pilot: Pilot[None]) -> None:
        async def read_window() -> str:
            await pilot.pause()
            assert isinstance(app.screen, Window)
            shown = read_page(app.screen.page)
            await pilot.press("escape")
            return shown

        await pilot.press("i")
        assert "model: demo" in await read_window()
        await pilot.press("e", "x", "ctrl+r")
        await wait_for(pilot, lambda: isinstance(app.screen, Window))
        assert "model: another" in await read_window()  # both ran with it
        await pilot.press("c", "enter")
        shown = await read_window()
        assert "before: demo" in shown
        assert "after: another" in shown
        await pilot.press("n", "i")
        assert "model: another" in await read_window()

    explore(write_results(tmp_path / "out", analysis), steps)


def test_leaving_names_a_change_that_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = fake_runs(monkeypatch)
    analysis = make_analysis(make_completion(["▁a"], ["▁b"], prompt=Prompt(id="one", text="a")))

    async def steps(app: Explorer, pilot: Pilot[None]) -> None:
        await pilot.press("e", "x", "ctrl+r", "escape", "q")
        await pilot.pause()
        assert "one: its change is still running" in look_at(app)
        opened.set()
        await wait_for(pilot, lambda: app.running is None)

    explore(write_results(tmp_path / "out", analysis), steps)


def test_a_run_goes_on_when_its_window_is_left(demo_results: Path, gate: threading.Event) -> None:
    async def steps(app: Explorer, pilot: Pilot[None]) -> None:
        await pilot.press("e")
        app.screen.query_one(TextArea).insert("Be brief. ", (0, 0))
        await pilot.press("ctrl+r", "escape", "right")
        assert app.running is not None
        assert app.try_change("another text") == "another run is not over yet: wait for it"
        gate.set()
        await wait_for(pilot, lambda: app.running is None)
        assert app.library.listed[-1].id == "dish-mistake (changed)"
        assert "in memory only" in " ".join(note.message for note in app._notifications)

    explore(demo_results, steps)


def test_in_a_chat_the_last_turn_is_edited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "<start_of_turn>user\nHello\n<end_of_turn>"
    prompt = Prompt(id="chat", text=text, turns=(Turn(role="user", start=20, stop=25),))
    analysis = make_analysis(make_completion(["▁Hello"], ["▁you"], prompt=prompt))
    tried: list[Prompt] = []

    def fail(_: LiveModel, *prompts: Prompt, **__: object) -> Any:
        tried.extend(prompts)
        raise ModelError("enough")

    async def steps(app: Explorer, pilot: Pilot[None]) -> None:
        await pilot.press("e")
        assert app.screen.query_one(TextArea).text == "Hello"
        await pilot.press(*"Oh ", "ctrl+r")
        await wait_for(pilot, lambda: app.running is None)

    monkeypatch.setattr(LiveModel, "explain", fail)
    explore(write_results(tmp_path / "out", analysis), steps)
    before, after = tried
    assert before == find_result(tmp_path / "out").completion.prompt  # type: ignore[union-attr]
    assert after.text == "<start_of_turn>user\nOh Hello\n<end_of_turn>"


def test_without_a_terminal_an_editor_cannot_be_opened_and_that_is_said(demo_results: Path) -> None:
    async def steps(app: Explorer, pilot: Pilot[None]) -> None:
        await pilot.press("e", "ctrl+e")
        await pilot.pause()
        assert "can't hand over to an editor" in look_at(app)
        await pilot.press("escape")

    explore(demo_results, steps)


@pytest.mark.parametrize(
    "text", ["a\x1b[1mb\nc\r\nd\tе", "␛ stands here\n\x1b", "one\u2028two\u2029\x0bthree\n\n", "", "日本\n👩‍👩‍👧"]
)
def test_editing_leaves_every_other_character_as_it_was(text: str) -> None:
    shown = show_text(text)
    assert not ORDERS.search(shown)
    assert shown.split("\n") == shown.splitlines() + [""] * (shown.endswith("\n") or not shown)
    assert restore_text(shown, text) == text
    assert restore_text(f"new\n{shown}", text) == f"new\n{text}"
    if "␛" not in text:
        assert restore_text(f"new {shown}", text) == f"new {text}"
