"""``promptlight explore``, driven by keys and clicks as a person would."""

# pyright: standard

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual.binding import Binding
from textual.pilot import Pilot
from textual.widgets import Static, TextArea

from promptlight.cli.explorer._keys import MAIN_KEYS, PURPOSES, Place, name_main_keys
from promptlight.cli.explorer._windows import N_LISTED
from promptlight.cli.explorer.app import KEY_OWNERS, Explorer, list_keys
from promptlight.cli.explorer.edit import EditWindow
from promptlight.cli.explorer.editable import restore_text, show_text
from promptlight.cli.explorer.library import Library
from promptlight.cli.explorer.page import Page
from promptlight.cli.explorer.prompts import PromptList, Prompts
from promptlight.cli.explorer.scene import carry_target, open_scene
from promptlight.cli.explorer.screens import Leaving, Picker, Window
from promptlight.cli.options.question import Asking
from promptlight.cli.views.look import Marking, Paper, Spacing, Taste
from promptlight.cli.views.palette import Look
from promptlight.cli.views.strongest import spell_advice
from promptlight.cli.views.text import MARGIN, find_token, render_page, render_text
from promptlight.cli.work.live_model import LiveModel
from promptlight.cli.work.stored_trust import StoredTrust
from promptlight.io.results.reader import find_result
from promptlight.io.results.writer import ResultsWriter
from promptlight.salience.errors import ModelError
from promptlight.salience.explain.explanation import Question, explain_target
from promptlight.salience.options.analysis import AnalysisOptions
from promptlight.salience.types import (
    Analysis,
    Granularity,
    Method,
    Pooling,
    Prompt,
    Section,
    SetAside,
    SetAsideCode,
    StopReason,
    Turn,
    Way,
)
from tests.conftest import Command
from tests.support.generated import DOCS
from tests.support.handmade import make_analysis, make_completion
from tests.support.pictures import PICTURES, draw_explorer, read_picture

ORDERS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
SETTINGS = {"methods": ["grad_l2"], "objective": "logprob", "compat": None, "model": "demo"}
Steps = Callable[[Explorer, Pilot[None]], Awaitable[None]]


def explore(
    folder: Path,
    steps: Steps,
    *,
    size: tuple[int, int] = (120, 40),
    by: str = "word",
    target_by: str | None = "word",
    target: str | None = None,
    colours: str | None = "truecolor",
    way: Way = Way.DIRECT,
    id: str | None = None,
    **options: Any,
) -> Explorer:
    """Open a folder, do what ``steps`` says, and close it."""
    live = LiveModel(device="cpu", dtype="float32", options=AnalysisOptions(max_new_tokens=16))
    question = Asking(by=by, target_by=target_by, target=target, way=way).question()
    library = Library(folder)
    opened = library.find_first(id)
    app = Explorer(library, question=question, live=live, color_system=colours, opened=opened, **options)

    async def run() -> None:
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            await steps(app, pilot)

    asyncio.run(run())
    return app


def write_results(folder: Path, *results: Analysis | SetAside) -> Path:
    with ResultsWriter(folder, SETTINGS, {}) as writer:
        for result in results:
            writer.add(result)
    return folder


def look_at(app: Explorer) -> str:
    """All that is on the screen."""
    return "\n".join("".join(segment.text for segment in line) for line in app.screen._compositor.render_strips())


def read_notes(app: Explorer) -> str:
    """All messages so far."""
    return " ".join(note.message for note in app._notifications)


def read_page(page: Page) -> str:
    return "\n".join(line.plain.rstrip() for line in page.lines)


def chosen_text(app: Explorer) -> str:
    assert app.scene is not None
    return app.scene.explanation.target_text


async def wait_for(pilot: Pilot[None], condition: Callable[[], bool]) -> None:
    for _ in range(1200):
        await pilot.pause(0.05)
        if condition():
            return
    raise AssertionError("it did not happen within a minute")


def find_place(page: Page, word: str) -> tuple[int, int]:
    """Where a word stands on a page, in cells of the page's window."""
    row = next(row for row, line in enumerate(page.lines) if word in line.plain)
    top = 1 if page.border_title else 0
    return page.lines[row].plain.index(word) + 1, row - page.scroll_offset.y + top


def describe(app: Explorer) -> str:
    """The line of settings."""
    return str(app.view.bar.content).split("\n")[0]


# The list


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


def test_m_views_the_next_method_and_keeps_the_target(tmp_path: Path) -> None:
    completion = make_completion(["a\n", "b\n", "c\n"], ["d", "▁e", "."])
    methods = (Method.GRAD_L2, Method.GRAD_DOT_INPUT)
    maps = {one: make_analysis(completion, method=one).map_by() for one in methods}
    settings = {**SETTINGS, "methods": ["grad_l2", "grad_dot_input"]}
    with ResultsWriter(tmp_path / "out", settings, {}) as writer:
        writer.add(replace(make_analysis(completion), maps=maps))

    async def steps(app: Explorer, pilot: Pilot[None]) -> None:
        await pilot.press("right", "right")
        assert app.scene
        chosen = app.scene.chosen
        assert not app.look.signed
        await pilot.press("m")
        assert app.scene.method is Method.GRAD_DOT_INPUT
        assert app.look.signed
        assert app.scene.chosen == chosen
        assert "grad_dot_input" in describe(app)
        await pilot.press("m")
        assert app.scene.method is Method.GRAD_L2

    explore(tmp_path / "out", steps)


def test_w_goes_to_the_next_way_and_keeps_the_target(demo_results: Path) -> None:
    async def steps(app: Explorer, pilot: Pilot[None]) -> None:
        assert app.scene
        assert "direct" in describe(app)
        await pilot.press("w")  # from the whole completion: nothing comes before it
        assert (app.scene.way, chosen_text(app)) == (Way.THROUGH, app.scene.targets[-1].text)
        assert "through own words" in describe(app)
        await pilot.press("w")
        await pilot.pause()
        assert (app.scene.way, app.scene.chosen) == (Way.ALL, app.scene.targets[-1:])
        page = look_at(app)
        assert "in all · sum" in page
        assert "own words  in all  strongest lines in all" in page
        assert "strongest ways through its own words" in page
        assert "of its scores lie on the model's own words" in page
        await pilot.press("ctrl+end")
        await pilot.pause()
        await pilot.click("#text", offset=find_place(app.view.page, "Suggestion: Quiche"))
        await pilot.pause()
        through = app.scene.explanation.through
        assert through
        number = next(span.number for span in app.scene.explanation.spans if "Quiche Lorraine" in span.text)
        assert f"{through.total[number]:.1%} in all: Suggestion: Quiche" in look_at(app)
        await pilot.press("n")  # the way stays
        assert app.scene.way is Way.ALL
        await pilot.press("w")
        assert app.scene.way is Way.DIRECT
        assert app.scene.explanation.through is None

    explore(demo_results, steps, by="line", target_by="line", id="dish-mistake")


def test_a_way_that_can_not_be_followed_is_said_and_the_scene_stays(demo_results: Path) -> None:
    async def steps(app: Explorer, pilot: Pilot[None]) -> None:
        assert app.scene
        await pilot.press("w", "home")  # the first target: no words of the model before it
        await pilot.pause()
        assert (app.scene.way, app.scene.cursor) == (Way.THROUGH, len(app.scene.targets) - 1)
        assert "a target with words of the model before it" in read_notes(app)
        await pilot.press("p")
        await pilot.pause()
        assert app.scene.pooling is Pooling.SUM
        assert "only sums can be passed on" in read_notes(app)
        await pilot.press("w", "home", "w", "p")  # in all, then directly
        assert (app.scene.way, app.scene.pooling) == (Way.DIRECT, Pooling.MEAN)
        await pilot.press("w")
        await pilot.pause()
        assert (app.scene.way, app.scene.pooling) == (Way.DIRECT, Pooling.MEAN)
        await pilot.press("n")
        assert app.scene.pooling is Pooling.MEAN

    explore(demo_results, steps, by="line", target_by="line", id="dish-mistake")


def test_a_prompt_whose_way_can_not_be_followed_opens_directly(tmp_path: Path, demo_results: Path) -> None:
    completion = make_completion(["a\n", "b\n"], ["c\n", "d"])
    only_lines = make_analysis(completion, exact=(Granularity.LINE,), with_tokens=False)

    async def steps(app: Explorer, pilot: Pilot[None]) -> None:
        assert app.scene
        assert app.scene.way is Way.DIRECT
        await pilot.pause()
        assert "expected scores of every token that the model wrote" in read_notes(app)

    explore(write_results(tmp_path / "out", only_lines), steps, by="line", target_by=None, way=Way.ALL)


# The target


def test_moving_and_extending_the_target(demo_results: Path) -> None:
    async def steps(app: Explorer, pilot: Pilot[None]) -> None:
        scene = app.scene
        assert scene is not None
        words = [span.text for span in scene.targets]
        everything = "".join(words)
        assert chosen_text(app) == everything
        for keys, first, stop in (
            (("right",), 0, 1),
            (("right",), 1, 2),
            (("shift+right", "shift+right"), 1, 4),
            (("shift+left",), 1, 3),
            (("left",), 1, 2),
            (("shift+left",), 0, 2),
            (("end",), len(words) - 1, len(words)),
            (("right",), len(words) - 1, len(words)),
            (("home",), 0, 1),
            (("left",), 0, 1),
            (("a",), 0, len(words)),
            (("left",), len(words) - 1, len(words)),
        ):
            await pilot.press(*keys)
            assert chosen_text(app) == "".join(words[first:stop]), keys

    explore(demo_results, steps)


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


def test_a_click_on_what_was_written_chooses_it_and_shift_extends(demo_results: Path) -> None:
    async def steps(app: Explorer, pilot: Pilot[None]) -> None:
        await pilot.click("#written", offset=find_place(app.view.written, "cooked"))
        assert chosen_text(app).strip() == "cooked"
        await pilot.click("#written", offset=find_place(app.view.written, "eggs"), shift=True)
        assert chosen_text(app).strip() == "cooked eggs"
        assert app.focused is app.view.page  # the keys that scroll stay with the prompt

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


def show_rows(page: Page) -> str:
    """What a page shows at the moment."""
    top = page.scroll_offset.y
    return "\n".join(line.plain for line in page.lines[top : top + page.scrollable_content_region.height])


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


def make_prompt_with_strong(*strong: int) -> Analysis:
    """A prompt of 80 lines and a completion with a line for each of these, its strongest source."""
    completion = make_completion([f"read{at}\n" for at in range(80)], [f"said{at}\n" for at in strong])
    analysis = make_analysis(completion, exact=())
    found = analysis.map_by()
    assert found.scores is not None
    scores = found.scores / 100
    scores[range(len(strong)), strong] = 10
    return replace(analysis, maps={found.method: replace(found, scores=scores)})


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


def test_the_start_of_a_target_that_a_record_gave_is_named(tmp_path: Path) -> None:
    async def steps(app: Explorer, pilot: Pilot[None]) -> None:
        assert "─ given in the record ─" in look_at(app)

    given = make_completion(["▁a"], ["▁b"], stop_reason=StopReason.GIVEN)
    explore(write_results(tmp_path / "out", make_analysis(given)), steps)


def test_targets_can_be_told_apart_within_one_source(demo_results: Path) -> None:
    async def steps(app: Explorer, pilot: Pilot[None]) -> None:
        await pilot.press("right")
        await pilot.click("#written", offset=find_place(app.view.written, "eggs"))
        assert chosen_text(app).strip() == "eggs"

    explore(demo_results, steps, by="line", target_by="word")


def test_every_prompt_opens_at_the_target_that_was_asked_about(demo_results: Path) -> None:
    async def steps(app: Explorer, pilot: Pilot[None]) -> None:
        expected = find_result(demo_results, id="dish-mistake")
        assert isinstance(expected, Analysis)
        question = Question(by=Granularity.WORD, target_by=Granularity.LINE, target="Recommendation")
        assert app.scene is not None
        assert chosen_text(app) == explain_target(expected, question).target_text
        assert "Why did the model write “Recommendation: " in look_at(app)
        await pilot.press("left", "n")  # a move doesn't change what was asked
        await pilot.pause()
        assert app.scene.analysis.completion.prompt.id == "dish-fixed"
        assert chosen_text(app).startswith("Recommendation: ")

    explore(demo_results, steps, target_by="line", target="Recommendation")


def test_a_prompt_without_the_target_opens_with_its_whole_completion(demo_results: Path) -> None:
    async def steps(app: Explorer, pilot: Pilot[None]) -> None:
        assert app.scene is not None
        assert app.scene.takes_all
        assert [note.message for note in app._notifications] == ["long-word has no target 'Recommendation'"]

    explore(demo_results, steps, target="Recommendation", id="long-word")


def test_it_opens_with_the_look_and_the_prompts_that_were_asked_for(demo_results: Path) -> None:
    async def steps(app: Explorer, pilot: Pilot[None]) -> None:
        assert "intensity 0.8 · underline" in look_at(app)
        await pilot.press("plus", "u")
        assert (app.taste.intensity, app.taste.paper) == (0.9, Paper.DARK)

    explore(demo_results, steps, taste=Taste(intensity=0.8, marking=Marking.UNDERLINE))
    library = Library(demo_results, [("source", "hostile")])
    assert {one.label for one in library.listed} == {"hostile"}
    assert library.find_first(None).id == "chinese"
    assert [one.id for one in library.search("menu")] == [
        one.id for one in Library(demo_results).search("menu") if one.label == "hostile"
    ]


# How it is cut and drawn


def test_every_key_of_the_question_and_of_the_drawing(demo_results: Path) -> None:
    async def steps(app: Explorer, pilot: Pilot[None]) -> None:
        def scene() -> tuple[Any, Any, Pooling]:
            assert app.scene is not None
            return app.scene.by, app.scene.target_by, app.scene.pooling

        assert scene() == ("word", "word", Pooling.SUM)
        for key, expected in (
            ("g", ("sentence", "word", "sum")),
            ("G", ("word", "word", "sum")),
            ("G", ("token", "word", "sum")),
            ("G", ("paragraph", "word", "sum")),  # around the end; this prompt names no sections
            ("t", ("paragraph", "sentence", "sum")),
            ("T", ("paragraph", "word", "sum")),
            ("p", ("paragraph", "word", "mean")),
            ("p", ("paragraph", "word", "max")),
        ):
            await pilot.press(key)
            assert scene() == expected, key
        status = describe(app)
        assert "by paragraph · target word all of" in status
        assert "max · grad_l2 · intensity 0.4 · highlight · dense" in status
        await pilot.press("plus", "plus", "minus", "u", "s")
        assert (app.taste.intensity, app.taste.marking, app.taste.spacing) == (0.5, Marking.UNDERLINE, Spacing.AIRY)
        assert "intensity 0.5 · underline · airy" in look_at(app)
        await pilot.press("m")
        await pilot.pause()
        assert "grad_l2 is the only method" in " ".join(note.message for note in app._notifications)
        await pilot.press("n")  # how it is cut stays
        assert scene() == ("paragraph", "word", "max")

    explore(demo_results, steps)


def test_sections_are_a_cut_where_there_are_some_and_a_pattern_where_it_was_asked_for(tmp_path: Path) -> None:
    prompt = Prompt(id="one", text="a b", sections=(Section(name="first", start=0, stop=1),))
    analysis = make_analysis(make_completion(["▁a", "▁b"], ["▁c"], prompt=prompt))

    async def steps(app: Explorer, pilot: Pilot[None]) -> None:
        cuts: list[str] = []
        for _ in range(7):
            await pilot.press("g")
            cuts.append(str(app.scene.by if app.scene else None))
        assert cuts == ["token", "word", "sentence", "line", "paragraph", "section", "regex:b"]

    explore(write_results(tmp_path / "out", analysis), steps, by="regex:b")


def test_only_targets_with_scores_are_offered() -> None:
    completion = make_completion(["▁a", "▁b"], ["▁c", "\n", "▁d"])
    analysis = make_analysis(completion, exact=(Granularity.LINE,), with_tokens=False)
    scene = open_scene(analysis, Question(by=Granularity.WORD))
    assert scene.target_by is Granularity.LINE
    assert scene.cut_targets(1, Granularity.WORD).target_by is Granularity.LINE


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


def test_other_targets_hold_what_was_chosen(demo_results: Path) -> None:
    async def steps(app: Explorer, pilot: Pilot[None]) -> None:
        await pilot.press("end", "t", "t")
        assert chosen_text(app).strip() == "Recommendation: You have to try it."
        await pilot.press("T", "T", "T")
        assert chosen_text(app).strip() == "Recommendation: You have to try it."

    explore(demo_results, steps)


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


def test_no_color_is_obeyed_and_nothing_in_it_asks_for_nothing(
    demo_results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def steps(app: Explorer, pilot: Pilot[None]) -> None:
        await pilot.press("right")

    monkeypatch.setenv("NO_COLOR", "1")
    assert explore(demo_results, steps, colours="auto").color_system is None
    monkeypatch.setenv("NO_COLOR", "")
    assert not explore(demo_results, steps, colours="auto").no_color


# Two prompts


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


# A change


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


# Any text, any terminal


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


# The command


@pytest.mark.parametrize(
    ("arguments", "exit_code", "says"),
    [
        (("--by", "letter"), 2, "letter"),
        (("--target", "no such text"), 2, "dish-mistake: target 'no such text': expected text"),
        (("--target", "9", "--target-by", "line"), 2, "dish-mistake: target 9: expected a span from 1 to 2"),
        (("--target", "no such text", "--id", "dish-fixed"), 2, "dish-fixed: target 'no such text'"),
        (("--method", "lime"), 2, "dish-mistake: expected scores by lime, found grad_l2"),
        (("--where", "source=nobody"), 2, "source could be fewshot-mistake, fewshot-fixed"),
        (("--where", "source=hostile", "--id", "dish-fixed"), 2, "no result with id 'dish-fixed'"),
        (("--target", "Recommendation"), 2, "expected a terminal to draw on"),
        (("--row", "18"), 2, "expected a row from 0 to 17, found 18"),
        (("--row", "1", "--id", "dish-fixed"), 2, "expected either --id or --row"),
        (("--row", "1", "--target", "no such text"), 2, "dish-fixed: target 'no such text'"),
        (("--foil", "auto", "--objective", "kl"), 2, "expected the objective logprob with a foil, found kl"),
        ((), 2, "expected a terminal to draw on"),
    ],
)
def test_what_cannot_be_explored_is_said_on_stderr(
    promptlight: Command, demo_results: Path, arguments: tuple[str, ...], exit_code: int, says: str
) -> None:
    done = promptlight("explore", demo_results, *arguments)
    assert (done.exit_code, done.stdout) == (exit_code, "")
    assert says in done.stderr


def test_every_key_stands_in_the_docs() -> None:
    text = (DOCS / "views.md").read_text(encoding="utf-8")
    table = text[text.index("`promptlight explore`") :]
    named = [key for rows in list_keys().values() for keys, _ in rows for key in keys]
    bound = [one for owner in KEY_OWNERS for one in owner.BINDINGS if isinstance(one, Binding)]
    assert len(named) == sum(len(one.key.split(",")) for one in bound)
    for purpose, keys in list_keys().items():
        rows = [f"| {', '.join(f'`{name}`' for name in names)} | {meaning} |" for names, meaning in keys]
        assert "\n".join([f"| **{purpose}** | |", *rows]) in table


@pytest.mark.parametrize(
    ("place", "width", "named"),
    [
        (Place.TEXT, 40, " ←→ target  g cut  e edit  ? all keys"),
        (Place.TEXT, 60, " ←→ target  g cut  c compare  e edit  / search  ? all keys"),
        (Place.TEXT, 80, " ←→ target  g cut  w way  c compare  e edit  n next prompt  / search  ? all keys"),
        (Place.LIST, 30, " enter open  escape back"),
        (Place.SEARCH, 60, " ↑↓ move  enter open  escape all prompts"),
    ],
)
def test_the_main_keys_that_fit_are_named(place: Place, width: int, named: str) -> None:
    assert name_main_keys(place, width) == named


def test_every_main_key_is_bound() -> None:
    printed = {key for rows in list_keys().values() for names, _ in rows for key in names} | {"←→", "↑↓", "enter"}
    assert {name.split()[0] for names in MAIN_KEYS.values() for name in names} <= printed


def test_the_picture_in_the_docs_is_what_the_app_draws_and_asks_no_server_for_a_font(tmp_path: Path) -> None:
    draw_explorer(tmp_path / "new.svg")
    assert "@font-face" not in (tmp_path / "new.svg").read_text(encoding="utf-8")
    assert read_picture(tmp_path / "new.svg") == read_picture(PICTURES / "explore.svg"), "run make pictures"


def test_the_prompts_field_is_there(demo_results: Path) -> None:
    async def steps(app: Explorer, pilot: Pilot[None]) -> None:
        assert app.query_one(Prompts).field.placeholder == "/ search 18 prompts"
        assert app.query_one("#legend", Static).region
        assert app.scene is not None
        assert app.scene.method is Method.GRAD_L2

    explore(demo_results, steps)
