"""The explorer's target and cuts, by keys and clicks."""

# pyright: standard

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from promptlight.cli.explorer.app import Explorer
from promptlight.cli.explorer.scene import open_scene
from promptlight.cli.views.look import Marking, Spacing
from promptlight.io.results.reader import find_result
from promptlight.io.results.writer import ResultsWriter
from promptlight.salience.explain.explanation import Question, explain_target
from promptlight.salience.types import Analysis, Granularity, Method, Pooling, Prompt, Section, Way
from tests.support.exploring import (
    SETTINGS,
    chosen_text,
    describe,
    explore,
    find_place,
    look_at,
    read_notes,
    write_results,
)
from tests.support.handmade import make_analysis, make_completion


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


def test_a_click_on_what_was_written_chooses_it_and_shift_extends(demo_results: Path) -> None:
    async def steps(app: Explorer, pilot: Pilot[None]) -> None:
        await pilot.click("#written", offset=find_place(app.view.written, "cooked"))
        assert chosen_text(app).strip() == "cooked"
        await pilot.click("#written", offset=find_place(app.view.written, "eggs"), shift=True)
        assert chosen_text(app).strip() == "cooked eggs"
        assert app.focused is app.view.page  # the keys that scroll stay with the prompt

    explore(demo_results, steps)


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


def test_other_targets_hold_what_was_chosen(demo_results: Path) -> None:
    async def steps(app: Explorer, pilot: Pilot[None]) -> None:
        await pilot.press("end", "t", "t")
        assert chosen_text(app).strip() == "Recommendation: You have to try it."
        await pilot.press("T", "T", "T")
        assert chosen_text(app).strip() == "Recommendation: You have to try it."

    explore(demo_results, steps)
