"""The explorer's list of prompts: searching and opening them."""

# pyright: standard

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Static

from promptlight.cli.explorer.app import Explorer
from promptlight.cli.explorer.library import Library
from promptlight.cli.explorer.prompts import Prompts
from promptlight.io.results.writer import ResultsWriter
from promptlight.salience.types import Method, Prompt
from tests.support.exploring import SETTINGS, explore, look_at, read_notes, read_page, wait_for, write_results
from tests.support.handmade import make_analysis, make_completion


def test_all_prompts_are_listed_and_those_skipped_say_why(demo_results: Path) -> None:
    async def steps(app: Explorer, pilot: Pilot[None]) -> None:
        shown = look_at(app)
        assert "▸ dish-mistake  fewshot-mistake" in shown
        assert "null-prompt  expected `prompt`" in shown
        assert len(app.prompts.list.listed) == 18

    explore(demo_results, steps)


@pytest.mark.parametrize(
    ("wanted", "found"), [("DISH-F", {"dish-fixed"}), ("不", {"chinese"}), ("fewshot-fixed", {"dish-fixed"})]
)
def test_a_search_looks_at_id_label_and_texts(demo_results: Path, wanted: str, found: set[str]) -> None:
    async def steps(app: Explorer, pilot: Pilot[None]) -> None:
        await pilot.press("slash", *wanted, "enter")
        await pilot.pause()
        assert {one.id for one in app.prompts.list.listed} == found
        assert app.scene is not None
        assert {app.scene.analysis.completion.prompt.id} == found

    explore(demo_results, steps)


def test_a_search_finds_completions_after_a_pause_and_says_when_nothing_is_found(tmp_path: Path) -> None:
    one = make_analysis(make_completion(["▁a"], ["▁Zebra"], prompt=Prompt(id="one", text="a")))
    two = make_analysis(make_completion(["▁b"], ["▁b"], prompt=Prompt(id="two", text="b")))

    async def steps(app: Explorer, pilot: Pilot[None]) -> None:
        await pilot.press("slash", *"zebra")
        await wait_for(pilot, lambda: len(app.prompts.list.listed) == 1)
        assert app.prompts.list.listed[0].id == "one"
        await pilot.press(*"xx", "enter")
        assert app.prompts.list.listed == []
        assert "nothing found" in look_at(app)

    explore(write_results(tmp_path / "out", one, two), steps)


def test_the_search_field_chooses_among_what_is_found_and_n_goes_on(demo_results: Path) -> None:
    def opened(app: Explorer) -> str:
        assert app.scene is not None
        return app.scene.analysis.completion.prompt.id

    async def steps(app: Explorer, pilot: Pilot[None]) -> None:
        await pilot.press("slash", *"fewshot", "down", "enter")  # without a pause
        await pilot.pause()
        found = [one.id for one in app.prompts.list.listed]
        assert found == ["dish-mistake", "dish-fixed", "dish-constitution"]
        assert opened(app) == "dish-fixed"
        assert "n next prompt" in look_at(app)
        await pilot.press("n")
        assert opened(app) == "dish-constitution"
        await pilot.press("right", "n")  # stays, with its target
        await pilot.pause()
        assert app.scene is not None
        assert (opened(app), app.scene.cursor) == ("dish-constitution", 0)
        assert "this is the last prompt with “fewshot”" in read_notes(app)
        await pilot.press("slash")
        await pilot.pause()
        assert "escape all prompts" in look_at(app)
        await pilot.press("escape")
        assert len(app.prompts.list.listed) == 18
        assert (opened(app), app.focused, app.prompts.field.value) == ("dish-constitution", app.view.page, "")
        await pilot.press("N")
        assert opened(app) == "dish-fixed"
        await pilot.press("slash", *"fewshot", "enter")  # the first that is found, though the open one is found, too
        await pilot.pause()
        assert opened(app) == "dish-mistake"

    explore(demo_results, steps)


def test_n_and_the_list_open_other_prompts(demo_results: Path) -> None:
    async def steps(app: Explorer, pilot: Pilot[None]) -> None:
        await pilot.press("n")
        assert app.scene is not None
        assert app.scene.analysis.completion.prompt.id == "dish-fixed"
        await pilot.press("N")
        assert app.scene.analysis.completion.prompt.id == "dish-mistake"
        await pilot.press("l", "down", "down", "enter")
        assert app.scene.analysis.completion.prompt.id == "dish-constitution"
        await pilot.click("PromptList", offset=(4, 1))
        assert app.scene.analysis.completion.prompt.id == "dish-fixed"
        await pilot.press("slash", *"null-prompt", "enter", "enter")
        assert app.scene is None
        assert "was skipped" in read_page(app.view.page)
        await pilot.press("slash", *["backspace"] * 11, "enter", "home", "enter", "right")
        assert app.scene is not None

    explore(demo_results, steps)


def test_ten_thousand_prompts_are_listed_without_their_scores(tmp_path: Path) -> None:
    pieces = [f"▁word{number}" for number in range(10)]
    analysis = make_analysis(make_completion(pieces, pieces))
    with ResultsWriter(tmp_path / "out", SETTINGS, {}, flush_every=2000) as writer:
        for number in range(10_000):
            renamed = Prompt(id=f"prompt-{number}", text=analysis.completion.prompt.text)
            writer.add(replace(analysis, completion=make_completion(pieces, pieces, prompt=renamed)))
    library = Library(tmp_path / "out")
    assert len(library.listed) == 10_000
    assert [one.id for one in library.search("prompt-9999")] == ["prompt-9999"]
    assert library.load(library.listed[4321]).completion.prompt.id == "prompt-4321"  # type: ignore[union-attr]


def test_the_prompts_field_is_there(demo_results: Path) -> None:
    async def steps(app: Explorer, pilot: Pilot[None]) -> None:
        assert app.query_one(Prompts).field.placeholder == "/ search 18 prompts"
        assert app.query_one("#legend", Static).region
        assert app.scene is not None
        assert app.scene.method is Method.GRAD_L2

    explore(demo_results, steps)
