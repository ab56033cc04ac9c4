"""What the explorer shows, and what it keeps in sight."""

# pyright: standard

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from textual.pilot import Pilot

from promptlight.cli.explorer.app import Explorer
from promptlight.cli.views.look import Paper, Taste
from promptlight.cli.views.palette import Look
from promptlight.cli.views.text import MARGIN, find_token, render_page, render_text
from promptlight.io.results.reader import find_result
from promptlight.salience.explain.explanation import Question, explain_target
from promptlight.salience.types import Analysis, Granularity, StopReason
from tests.support.exploring import (
    chosen_text,
    describe,
    explore,
    find_place,
    look_at,
    make_prompt_with_strong,
    read_page,
    show_rows,
    write_results,
)
from tests.support.handmade import make_analysis, make_completion


def test_the_text_is_what_show_draws(demo_results: Path) -> None:
    async def steps(app: Explorer, pilot: Pilot[None]) -> None:
        await pilot.press("right")
        analysis = find_result(demo_results)
        assert isinstance(analysis, Analysis)
        explanation = explain_target(analysis, Question(by=Granularity.WORD, target_by=Granularity.WORD, target="1"))
        console = app.view.page.console("truecolor")
        look = Look(color_system="truecolor", taste=Taste(paper=Paper.DARK))  # as the app's own ground is
        expected = list(render_page(render_text(explanation, look), console, look))
        lines = [*app.view.page.lines, *app.view.written.lines]
        text, shown = ("".join(line.plain[MARGIN:] for line in rows).split() for rows in (lines, expected))
        assert text == shown
        drawn = [[(one.text, one.style) for one in line.render(console)] for line in lines]
        painted = {(text.strip(), style.bgcolor) for line in drawn for text, style in line if style and style.bgcolor}
        others = (one for line in expected for one in line.render(console))
        assert painted == {(one.text.strip(), one.style.bgcolor) for one in others if one.style and one.style.bgcolor}

    explore(demo_results, steps)


def test_a_click_on_the_prompt_says_line_share_and_score(demo_results: Path) -> None:
    async def steps(app: Explorer, pilot: Pilot[None]) -> None:
        await pilot.press("right", "ctrl+home")
        await pilot.pause()
        await pilot.click("#text", offset=find_place(app.view.page, "restaurant"))
        scene = app.scene
        assert scene is not None
        (span,) = (one for one in scene.explanation.spans if one.text.strip() == "restaurant.")
        share, score = scene.explanation.shares[span.number], scene.explanation.scores[span.number]
        assert f"line 1, share {share:.1%}, score {score:.3g}: restaurant." in look_at(app)
        await pilot.press("right")  # the piece stays, its numbers are those of the new target
        share = app.scene.explanation.shares[span.number]  # type: ignore[union-attr]
        assert f"line 1, share {share:.1%}" in look_at(app)

    explore(demo_results, steps)


@pytest.mark.parametrize("size", [(80, 24), (40, 20)])
def test_the_target_is_in_sight_wherever_the_prompt_is_read(tmp_path: Path, size: tuple[int, int]) -> None:
    prompt, written = [f"read{at}\n" for at in range(60)], [f"said{at}\n" for at in range(30)]
    analysis = make_analysis(make_completion(prompt, written))

    async def steps(app: Explorer, pilot: Pilot[None]) -> None:
        assert "─ the model wrote ─" in look_at(app)
        for keys in ("home", "right right", "end", "ctrl+home left", "ctrl+end home", "end g plus"):
            await pilot.press(*keys.split())
            await pilot.pause()
            assert chosen_text(app).strip() in show_rows(app.view.written).split(), keys
            assert app.view.page.scrollable_content_region.height >= app.view.written.scrollable_content_region.height

    explore(write_results(tmp_path / "out", analysis), steps, target_by="line", size=size)


def test_a_long_completion_has_the_room_that_a_short_prompt_leaves(tmp_path: Path) -> None:
    analysis = make_analysis(make_completion(["one\n", "two\n"], [f"said{at}\n" for at in range(60)]))

    async def steps(app: Explorer, pilot: Pilot[None]) -> None:
        await pilot.press("right")
        await pilot.pause()
        assert app.view.page.size.height == 2
        assert app.view.written.scrollable_content_region.height > 20
        await pilot.press("tab", "ctrl+end")  # the keys that scroll go to what the model wrote
        await pilot.pause()
        assert "said59" in show_rows(app.view.written).split()
        assert "←→ target" in look_at(app)

    explore(write_results(tmp_path / "out", analysis), steps, size=(80, 45))


def test_another_height_has_room_for_more_or_less_and_leaves_the_target_in_sight(tmp_path: Path) -> None:
    analysis = make_analysis(make_completion(["one\n"] * 40, [f"said{at}\n" for at in range(40)]))

    async def steps(app: Explorer, pilot: Pilot[None]) -> None:
        await pilot.resize_terminal(80, 50)
        await pilot.pause()
        assert look_at(app).count("%") > 8  # strong sources
        height = app.view.written.outer_size.height
        await pilot.press("home", *["right"] * 20)  # now the target is in the last row
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        assert app.view.written.outer_size.height < height
        assert chosen_text(app).strip() in show_rows(app.view.written).split()

    explore(write_results(tmp_path / "out", analysis), steps, target_by="line", size=(80, 24))


def test_it_opens_at_the_strongest_source_and_follows_it_as_long_as_that_is_in_sight(tmp_path: Path) -> None:
    async def steps(app: Explorer, pilot: Pilot[None]) -> None:
        for key, strongest in ((None, "read50"), ("right", "read10"), ("left", "read50"), ("w", "read50")):
            await pilot.press(*filter(None, [key]))
            await pilot.pause()
            assert strongest in show_rows(app.view.page).split()
        await pilot.press("ctrl+end", "right")  # who reads elsewhere is left there
        await pilot.pause()
        assert "read79" in show_rows(app.view.page).split()
        await pilot.press("n")
        await pilot.pause()
        assert app.scene
        assert app.scene.analysis.completion.prompt.id == "other"
        assert app.view.page.scroll_offset.y == 0  # where the strongest is

    first, second = make_prompt_with_strong(50, 10), make_prompt_with_strong(2)
    other = replace(second.completion, prompt=replace(second.completion.prompt, id="other"))
    folder = write_results(tmp_path / "out", first, replace(second, completion=other))
    explore(folder, steps, by="line", target_by="line", target="1")


def test_the_strongest_sources_are_gone_to_one_after_the_other(tmp_path: Path) -> None:
    analysis = make_prompt_with_strong(50)
    found = analysis.map_by()
    assert found.scores is not None
    found.scores[0, [70, 5]] = (8, 6)

    async def steps(app: Explorer, pilot: Pilot[None]) -> None:
        for key, line in ((".", 50), (".", 70), (".", 5), (",", 70), (",", 50), (",", 50)):
            await pilot.press({".": "full_stop", ",": "comma"}[key])
            await pilot.pause()
            assert f"read{line}" in show_rows(app.view.page).split(), (key, line)
            assert f"line {line + 1}, share" in look_at(app)
        await pilot.click("#strongest", offset=(5, 3))  # the third below the heading
        await pilot.pause()
        assert "read5" in show_rows(app.view.page).split()
        assert "line 6, share" in look_at(app)

    explore(write_results(tmp_path / "out", analysis), steps, by="line", target_by="line")


def test_the_start_of_a_target_that_a_record_gave_is_named(tmp_path: Path) -> None:
    async def steps(app: Explorer, pilot: Pilot[None]) -> None:
        assert "─ given in the record ─" in look_at(app)

    given = make_completion(["▁a"], ["▁b"], stop_reason=StopReason.GIVEN)
    explore(write_results(tmp_path / "out", make_analysis(given)), steps)


def test_pale_lines_are_folded_and_unfolded(tmp_path: Path) -> None:
    async def steps(app: Explorer, pilot: Pilot[None]) -> None:
        assert len(app.view.page.lines) == 80
        await pilot.press("f")
        await pilot.pause()
        folds = re.findall(r"… (\d+) lines, ", read_page(app.view.page))
        assert f"{sum(map(int, folds))} lines folded" in describe(app)
        assert len(app.view.page.lines) == 80 - sum(map(int, folds)) + len(folds) < 40
        assert "read50" in show_rows(app.view.page)
        await pilot.press("right")
        await pilot.pause()
        assert "read10" in show_rows(app.view.page)
        await pilot.press("f")
        assert len(app.view.page.lines) == 80

    folder = write_results(tmp_path / "out", make_prompt_with_strong(50, 10))
    explore(folder, steps, by="line", target_by="line", target="1")


def test_without_colours_bars_and_marks_stand_for_them(demo_results: Path) -> None:
    async def steps(app: Explorer, pilot: Pilot[None]) -> None:
        await pilot.press("right")
        page = read_page(app.view.page)
        assert "█" in page
        assert "»it«" in read_page(app.view.written)
        assert not any(
            one.style and one.style.bgcolor for line in app.view.page.lines for one in line.render(app.console)
        )

    explore(demo_results, steps, colours=None)


@pytest.mark.parametrize(
    ("paper", "colours", "theme", "drawn"),
    [
        (Paper.LIGHT, "truecolor", "textual-light", Paper.LIGHT),
        (Paper.DARK, "truecolor", "textual-dark", Paper.DARK),
        (Paper.AUTO, "256", "textual-dark", Paper.DARK),
        (Paper.LIGHT, "standard", "ansi-dark", Paper.LIGHT),  # the terminal's own colours, on its own ground
    ],
)
def test_the_ground_is_the_one_that_colours_are_drawn_for(
    tmp_path: Path, paper: Paper, colours: str, theme: str, drawn: Paper
) -> None:
    async def steps(app: Explorer, pilot: Pilot[None]) -> None:
        assert (app.theme, app.look.taste.paper) == (theme, drawn)
        if theme == "textual-light":
            assert app.screen.styles.background.rgb == (255, 255, 255)  # as the palette's pale end

    analysis = make_analysis(make_completion(["▁a"], ["▁b"]))
    explore(write_results(tmp_path / "out", analysis), steps, colours=colours, taste=Taste(paper=paper))


def test_no_color_is_obeyed_and_nothing_in_it_asks_for_nothing(
    demo_results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def steps(app: Explorer, pilot: Pilot[None]) -> None:
        await pilot.press("right")

    monkeypatch.setenv("NO_COLOR", "1")
    assert explore(demo_results, steps, colours="auto").color_system is None
    monkeypatch.setenv("NO_COLOR", "")
    assert not explore(demo_results, steps, colours="auto").no_color


def test_a_page_of_a_thousand_tokens_answers_every_key(tmp_path: Path) -> None:
    pieces = ["▁dish", "▁soup", ",", "▁onion", "s", ".", "\n"]
    completion = make_completion([pieces[at % 7] for at in range(1000)], [pieces[at % 5] for at in range(200)])

    async def steps(app: Explorer, pilot: Pilot[None]) -> None:
        for _ in range(8):
            await pilot.press("right")
        assert app.scene is not None
        assert app.scene.cursor == 7

    explore(write_results(tmp_path / "out", make_analysis(completion)), steps, by="token", target_by="token")


def test_a_click_means_the_piece_below_it(demo_results: Path) -> None:
    async def steps(app: Explorer, pilot: Pilot[None]) -> None:
        await pilot.press("ctrl+home")
        await pilot.pause()
        x, y = find_place(app.view.page, "menu")
        style = app.screen.get_style_at(app.view.page.region.x + x, app.view.page.region.y + y)
        token = find_token(style)
        assert app.scene is not None
        completion = app.scene.analysis.completion
        assert completion.text[completion.tokens[token].start :].lstrip().startswith("menu")

    explore(demo_results, steps)
