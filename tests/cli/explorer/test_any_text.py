"""The explorer on any text and in any terminal."""

# pyright: standard

from __future__ import annotations

from pathlib import Path

import pytest
from textual.pilot import Pilot

from promptlight.cli.explorer.app import Explorer
from promptlight.salience.types import Prompt, SetAside, SetAsideCode
from tests.support.exploring import ORDERS, explore, look_at, read_page, write_results
from tests.support.handmade import make_analysis, make_completion


@pytest.mark.parametrize("size", [(120, 40), (80, 24), (40, 20)])
@pytest.mark.parametrize("id", ["chinese", "arabic", "emoji", "escapes", "markup", "long-word"])
def test_hostile_prompts_are_text(demo_results: Path, id: str, size: tuple[int, int]) -> None:
    async def steps(app: Explorer, pilot: Pilot[None]) -> None:
        await pilot.press("right", "e")
        assert not ORDERS.search(look_at(app).replace("\n", ""))
        await pilot.press("escape", "l")
        shown = look_at(app)
        assert not ORDERS.search(shown.replace("\n", ""))
        assert id in shown
        page = read_page(app.view.page)
        if id == "markup" and size[0] > 40:
            assert "[bold red]Not markup[/bold red]" in page
        if id == "escapes":
            assert "␛" in page

    explore(demo_results, steps, size=size, id=id)


def test_hostile_ids_labels_and_reasons_are_text(tmp_path: Path) -> None:
    bad = "\x1b[31m[bold red]x[/]\n\u202e"
    prompt = Prompt(id=f"id{bad}", text="a", label=f"label{bad}")
    analysis = make_analysis(make_completion(["▁a"], ["▁b"], prompt=prompt))
    aside = SetAside(id=f"other{bad}", path="x", line=1, code=SetAsideCode.UNUSABLE, reason=f"because{bad}", prompt=bad)

    async def steps(app: Explorer, pilot: Pilot[None]) -> None:
        shown = look_at(app)
        assert "id␛[31m[bold red]x[/]↵" in shown
        await pilot.press("e", "escape", "c", "end", "enter", "escape", "n")
        shown += look_at(app)
        assert "because␛[31m" in shown
        assert not ORDERS.search(shown.replace("\n", ""))

    explore(write_results(tmp_path / "out", analysis, aside), steps)


def test_a_narrow_terminal_shows_the_list_or_the_text(demo_results: Path) -> None:
    async def steps(app: Explorer, pilot: Pilot[None]) -> None:
        assert not app.prompts.region
        assert app.view.page.size.width >= 38
        assert app.view.page.size.height >= 8
        await pilot.press("l")
        await pilot.pause()
        assert app.prompts.region.width >= 38
        assert not app.view.region
        await pilot.press("down", "enter")
        await pilot.pause()
        assert not app.prompts.region
        assert app.scene is not None
        assert app.scene.analysis.completion.prompt.id == "dish-fixed"

    explore(demo_results, steps, size=(40, 20))


def test_when_all_is_skipped_every_key_is_harmless(tmp_path: Path) -> None:
    aside = SetAside(
        id="one", path="prompts.jsonl", line=1, code=SetAsideCode.UNUSABLE, reason="expected `prompt`, found none"
    )
    folder = write_results(tmp_path / "out", aside)
    keys = [part for binding in Explorer._merged_bindings.key_to_bindings if (part := binding) != "q"]  # type: ignore[union-attr]

    async def steps(app: Explorer, pilot: Pilot[None]) -> None:
        assert "one was skipped: expected `prompt`, found none" in read_page(app.view.page)
        for key in keys:
            await pilot.press(key, "escape")
        assert app.scene is None
        assert "was skipped" in read_page(app.view.page)

    explore(folder, steps)


def test_an_empty_completion_says_so_and_shows_the_prompt(tmp_path: Path) -> None:
    analysis = make_analysis(make_completion(["▁a", "▁b"], ["<eos>"]))

    async def steps(app: Explorer, pilot: Pilot[None]) -> None:
        page = " ".join(read_page(app.view.page).split())
        assert "expected a target in the completion" in page
        assert "a b" in page

    explore(write_results(tmp_path / "out", analysis), steps)
