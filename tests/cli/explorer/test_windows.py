"""The explorer's windows: details, matrix, two prompts, help."""

# pyright: standard

from __future__ import annotations

from pathlib import Path

import pytest
from textual.pilot import Pilot

from promptlight.cli.explorer._keys import PURPOSES
from promptlight.cli.explorer._windows import N_LISTED
from promptlight.cli.explorer.app import Explorer, list_keys
from promptlight.cli.explorer.prompts import PromptList
from promptlight.cli.explorer.scene import carry_target, open_scene
from promptlight.cli.explorer.screens import Picker, Window
from promptlight.cli.views.strongest import spell_advice
from promptlight.cli.work.stored_trust import StoredTrust
from promptlight.salience.explain.explanation import Question
from promptlight.salience.types import Granularity, Method, Way
from tests.support.exploring import explore, look_at, read_page
from tests.support.handmade import make_analysis, make_completion


def test_details_say_what_show_says_below_the_text(demo_results: Path) -> None:
    async def steps(app: Explorer, pilot: Pilot[None]) -> None:
        await pilot.press("right", "i")
        await pilot.pause()
        assert isinstance(app.screen, Window)
        page = read_page(app.screen.page)
        assert app.scene is not None
        assert spell_advice(app.scene.explanation) in page
        assert "score: grad_l2" in page
        assert page.count("%") > N_LISTED

    explore(demo_results, steps, by="line", target_by="line", id="dish-mistake")


def test_details_repeat_what_was_measured(demo_results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[object] = []

    def describe_trust(_: StoredTrust, *asked: object) -> str:
        said.extend(asked)
        return "trust: it was measured"

    async def steps(app: Explorer, pilot: Pilot[None]) -> None:
        await pilot.press("right", "i")
        await pilot.pause()
        assert "trust: it was measured" in look_at(app)
        assert app.scene is not None
        assert said == [app.scene.analysis, Method.GRAD_L2, app.scene.chosen, Way.DIRECT]

    monkeypatch.setattr(StoredTrust, "describe", describe_trust)
    explore(demo_results, steps, by="line", target_by="line", id="dish-mistake")


def test_a_matrix_shows_all_targets(demo_results: Path) -> None:
    async def steps(app: Explorer, pilot: Pilot[None]) -> None:
        await pilot.press("right", "x")
        await pilot.pause()
        assert isinstance(app.screen, Window)
        page = read_page(app.screen.page)
        assert app.scene is not None
        for target in app.scene.targets:
            assert target.text.strip()[:20] in page
        assert "each row has its own scale" in page
        await pilot.press("escape", "end", "w", "x")
        await pilot.pause()
        assert app.scene.way is Way.THROUGH
        page = read_page(app.screen.page)  # type: ignore[attr-defined]
        assert "shown: what came to it through the model's own words" in page
        assert "--target" not in page

    explore(demo_results, steps, by="line", target_by="line", id="dish-mistake")


def test_compare_shows_two_prompts_side_by_side(demo_results: Path) -> None:
    async def steps(app: Explorer, pilot: Pilot[None]) -> None:
        await pilot.press("c")
        assert isinstance(app.screen, Picker)
        assert "dish-mistake" not in [one.id for one in app.screen.query_one(PromptList).listed]
        await pilot.press("slash", *"dish-fixed", "enter")
        await pilot.pause()
        assert isinstance(app.screen, Window)
        page = read_page(app.screen.page)
        for part in ("before  dish-mistake", "after   dish-fixed", "What the model wrote, before and after", "moved"):
            assert part in page
        await pilot.press("escape")
        assert not isinstance(app.screen, Window)
        await pilot.press("right")
        assert app.scene is not None

    explore(demo_results, steps)


def test_what_was_skipped_cannot_be_compared(demo_results: Path) -> None:
    async def steps(app: Explorer, pilot: Pilot[None]) -> None:
        await pilot.press("c", "slash", *"null-prompt", "enter", "enter")
        assert isinstance(app.screen, Picker)
        await pilot.press("escape")
        assert app.scene is not None

    explore(demo_results, steps)


def test_a_target_is_carried_to_the_same_text_or_else_to_the_same_place() -> None:
    first, second = (
        make_analysis(make_completion(["▁a"], pieces)) for pieces in (["▁so", "▁try", "▁it"], ["▁so", "▁do", "▁try"])
    )
    scene = open_scene(first, Question(by=Granularity.WORD, target_by=Granularity.WORD))
    assert carry_target(scene, second).takes_all
    texts = [carry_target(scene.choose(number), second).explanation.target_text.strip() for number in range(3)]
    assert texts == ["so", "try", "try"]


def test_help_names_every_key_and_what_colours_do_not_mean(demo_results: Path) -> None:
    async def steps(app: Explorer, pilot: Pilot[None]) -> None:
        await pilot.press("question_mark")
        await pilot.pause()
        assert isinstance(app.screen, Window)
        page = " ".join(read_page(app.screen.page).split())
        order = [page.index(purpose) for purpose in PURPOSES]
        assert order == sorted(order)
        for purpose, rows in list_keys().items():
            keys = [f"{' '.join(names)} {meaning}" for names, meaning in rows]
            assert f"{purpose} {' '.join(keys)}" in page
        assert "no proof of a cause" in page
        await pilot.press("q")
        assert not isinstance(app.screen, Window)

    explore(demo_results, steps)
