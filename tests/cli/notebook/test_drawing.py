"""Results draw themselves in a notebook: the same words and colours as on the terminal, small, and safe to show."""

# pyright: standard

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from rich.console import Console

from promptlight.cli.notebook.drawing import Drawing
from promptlight.cli.notebook.explaining import explain
from promptlight.cli.notebook.result import to_result
from promptlight.cli.notebook.results import Results, read_results
from promptlight.cli.views.facts import spell_facts
from promptlight.cli.views.fragment import draw_fragment, draw_text
from promptlight.cli.views.hints import Hints
from promptlight.cli.views.look import DEFAULT
from promptlight.cli.views.output import View
from promptlight.cli.views.palette import TARGET
from promptlight.cli.work import progress
from promptlight.io.page.colours import RAMPS
from promptlight.io.results.facts import read_facts
from promptlight.io.results.reader import find_result
from promptlight.salience import Model
from promptlight.salience.errors import OutputError, PromptlightError, UsageError
from promptlight.salience.options.analysis import AnalysisOptions
from promptlight.salience.types import Analysis, Prompt, SetAside
from tests.conftest import Command
from tests.support.handmade import assert_same_map, make_analysis, make_completion
from tests.support.results import set_aside, write

ASKED = "Recommendation"
MOST = 200_000  # bytes of a cell's output


@pytest.fixture(scope="module")
def results(demo_results: Path) -> Results:
    return read_results(demo_results)


class Reader(HTMLParser):
    """The text of HTML without its style, its tags, and its classes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text, self.tags, self.classes, self.styles = "", set[str](), set[str](), ""
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open.append(tag)
        self.tags.add(tag)
        assert {name for name, _ in attrs} <= {"class"}
        self.classes |= {value or "" for _, value in attrs}

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open[-1] == "style":
            self.styles += data
        else:
            self.text += data


def trimmed(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.rstrip("\n").split("\n"))


# The same as on the terminal


def test_a_cell_says_what_the_terminal_says(
    results: Results, demo_results: Path, promptlight: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    for by in ("line", "word"):
        asked = ["--id", "dish-mistake", "--target", ASKED, "--by", by, "--width", "100"]
        told = promptlight("show", demo_results, *asked).stdout
        assert trimmed(str(results["dish-mistake"].heatmap(by=by, target=ASKED))) == trimmed(told)
    told = promptlight("show", demo_results, "--id", "dish-mistake", "--width", "100").stdout
    whole = results["dish-mistake"]._repr_mimebundle_()["text/plain"]
    assert whole.split() == told.replace("--target:", 'target="...":').split()
    two = ["--id", "dish-mistake", "--with", "dish-fixed", "--target", ASKED, "--width", "100"]
    told = promptlight("compare", demo_results, *two).stdout
    assert trimmed(str(results["dish-mistake"].compare(results["dish-fixed"], target=ASKED))) == trimmed(told)


def test_the_list_of_a_folder_is_that_of_the_command(
    results: Results, demo_results: Path, promptlight: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    told = promptlight("list", demo_results).stdout
    assert trimmed(results._repr_mimebundle_()["text/plain"]) == trimmed(told)


def test_html_has_the_colours_of_both_papers(results: Results) -> None:
    read = Reader(results["dish-mistake"].heatmap(target=ASKED).to_bundle()["text/html"])
    strongest = f"light-dark({RAMPS['light']['violet'][-1]},{RAMPS['dark']['violet'][-1]})"
    assert strongest in read.styles
    assert TARGET["truecolor"].rpartition(" ")[2] in read.styles
    assert "Recommendation: You have to try it." in read.text
    assert "Look first at line" in read.text


# Safe to show


def test_html_has_no_script_and_touches_nothing_else_on_the_page(results: Results) -> None:
    first, second = (results["dish-mistake"].heatmap(by=by).to_bundle()["text/html"] for by in ("line", "token"))
    scopes = set[str]()
    for text in (first, second):
        read = Reader(text)
        assert read.tags == {"style", "pre", "span"}
        assert not re.search(r"url\(|@import|https?:", read.styles)
        (scope,) = (name for name in read.classes if name.startswith("promptlight-"))
        scopes.add(scope)
        selectors = re.findall(r"([^{}]+)\{", read.styles)
        assert all(f".{scope}" in selector for selector in selectors)
        assert {*re.findall(r" \.(s\d+)\{", read.styles)} == read.classes - {scope}
    assert len(scopes) == 2


def test_what_a_text_holds_stays_text() -> None:
    made = make_analysis(make_completion(["<script>", "alert(1)", "</script>", "&amp;"], ["<b>", "x"]))
    text = to_result(made).to_bundle()["text/html"]
    read = Reader(text)
    assert read.tags == {"style", "pre", "span"}
    assert "<script>alert(1)</script>&amp;" in read.text


# Small


def long_view(n_rows: int) -> View:
    from rich.text import Text

    def paint(console: Console, look: object) -> Text:
        text = Text()
        for number in range(n_rows):
            text.append(f"row {number} " + "x" * 60 + "\n", f"#{number % 4096:06x}")
        return text

    return View(paint=paint, describe=dict, signed=False, title="long")


def test_a_long_text_is_cut_in_the_middle_and_says_so() -> None:
    view = long_view(20_000)
    for text, most in (
        (draw_fragment(view, DEFAULT, left_out="save it"), 150_000),
        (draw_text(view, DEFAULT, left_out="save it"), 45_000),
    ):
        assert most / 2 < len(text.encode()) <= most
        (n_left_out,) = re.findall(r"… ([\d,]+) rows are left out here; save it", text)
        shown = [int(number) for number in re.findall(r"row (\d+) ", text)]
        assert len(shown) + int(n_left_out.replace(",", "")) == 20_000 + ("\n\n" in text)
        assert shown[0] == 0
        assert shown[-1] == 19_999


def test_a_cell_with_a_long_prompt_is_small() -> None:
    pieces = [f"{'ab' * (1 + number % 5)}{number} " + "\n" * (number % 20 == 0) for number in range(12_000)]
    made = to_result(make_analysis(make_completion(pieces, ["yes", "no"])))
    bundle = made.heatmap(by="token").to_bundle()
    assert sum(len(text.encode()) for text in bundle.values()) <= MOST
    assert "rows are left out here; fold=True" in bundle["text/html"]
    assert "Look first at" in Reader(bundle["text/html"]).text


# What one can ask for


@pytest.mark.parametrize(("ending", "start"), [("html", "<!DOCTYPE html>"), ("svg", "<svg"), ("txt", "dish-mistake")])
def test_a_drawing_is_saved_as_its_name_says(results: Results, tmp_path: Path, ending: str, start: str) -> None:
    path = tmp_path / f"why.{ending}"
    drawing = results["dish-mistake"].heatmap(target=ASKED)
    assert isinstance(drawing, Drawing)
    drawing.save(path)
    kept = path.read_text(encoding="utf-8")
    assert kept.lstrip().startswith(start)
    assert "You" in kept
    with pytest.raises(OutputError, match="exists already"):
        drawing.save(path)
    drawing.save(str(path), dark=True, overwrite=True)
    assert (path.read_text(encoding="utf-8") == kept) == (ending == "txt")
    with pytest.raises(UsageError, match=r"ends with \.html, \.svg, \.png, \.txt, found 'why.gif'"):
        drawing.save(tmp_path / "why.gif")


def test_a_saved_page_is_that_of_the_command(
    results: Results, demo_results: Path, promptlight: Command, tmp_path: Path
) -> None:
    results["dish-mistake"].heatmap(target=ASKED).save(tmp_path / "own.html")
    promptlight("show", demo_results, "--id", "dish-mistake", "--target", ASKED, "--html", tmp_path / "told.html")
    assert (tmp_path / "own.html").read_text("utf-8") == (tmp_path / "told.html").read_text("utf-8")
    results["dish-mistake"].heatmap(target=ASKED).save(tmp_path / "own.png")
    promptlight("show", demo_results, "--id", "dish-mistake", "--target", ASKED, "--png", tmp_path / "told.png")
    with Image.open(tmp_path / "own.png") as own, Image.open(tmp_path / "told.png") as told:
        assert own.tobytes() == told.tobytes()


def test_a_frame_has_the_numbers_of_export(
    results: Results, demo_results: Path, promptlight: Command, tmp_path: Path
) -> None:
    import pandas as pd

    frame = results["dish-mistake"].frame(by="word", target=ASKED)
    promptlight(
        "export", demo_results, "--id", "dish-mistake", "--by", "word", "-t", ASKED, "-o", tmp_path / "t.parquet"
    )
    pd.testing.assert_frame_equal(frame, pd.read_parquet(tmp_path / "t.parquet"))


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"by": "chapter"}, "chapter"),
        ({"method": "lime"}, "run that method too"),
        ({"method": "magic"}, "expected one of grad_l2"),
        ({"way": "sideways"}, "expected one of direct, through, all for way"),
        ({"pooling": "most"}, "expected one of sum, mean, max for pooling"),
        ({"marking": "bold"}, "expected one of highlight, underline for marking"),
        ({"target": "no such words"}, "no such words"),
        ({"by": "section"}, "section"),
    ],
)
def test_what_is_not_there_is_refused_by_name(results: Results, asked: dict[str, Any], says: str) -> None:
    with pytest.raises(PromptlightError, match=re.escape(says)):
        results["dish-mistake"].heatmap(**asked)


def test_ways_and_matrices_are_drawn_too(results: Results) -> None:
    one = results["dish-mistake"]
    assert "own words" in str(one.heatmap(way="through"))
    assert "each row has its own scale" in str(one.heatmap(matrix=True))


# A folder


def test_a_folder_gives_what_it_has(results: Results, demo_results: Path) -> None:
    ids = [one.id if isinstance(one, SetAside) else one.completion.prompt.id for one in results]
    assert ids == results.ids
    assert len(results) == len(ids)
    assert "dish-mistake" in results
    assert "no-such" not in results
    first = results[0]
    assert isinstance(first, Analysis)
    assert first.id == ids[0]
    assert results[-1].id == ids[-1]
    kept = find_result(demo_results, id=ids[0])
    assert isinstance(kept, Analysis)
    assert_same_map(first.map_by(), kept.map_by())
    with pytest.raises(OutputError, match="no result with id 'no-such'"):
        _ = results["no-such"]


def test_what_was_skipped_is_told(tmp_path: Path) -> None:
    from tests.support.results import analysis

    folder = write(tmp_path / "out", analysis("one"), set_aside("two", reason="found null"))
    results = read_results(folder)
    assert [type(one).__name__ for one in results] == ["Result", "SetAside"]
    with pytest.raises(UsageError, match="two was skipped, there is nothing to show: found null"):
        _ = results["two"]
    with pytest.raises(OutputError):
        read_results(tmp_path / "nothing")


def test_reprs_are_short(results: Results, demo_model: Model) -> None:
    one = results["dish-mistake"]
    things = [one, results, one.heatmap(), one.completion, one.completion.prompt, one.map_by(), demo_model]
    things += [*one.segmentations.values(), replace(one.completion.prompt, text="long " * 10_000)]
    for thing in things:
        assert len(repr(thing)) < 160, type(thing)
    assert "dish-mistake" in repr(one)
    assert repr(one.heatmap(by="word")) == "<Drawing: dish-mistake by word>"


# From a prompt


def test_a_prompt_is_explained_in_a_call(demo_model: Model) -> None:
    found = explain("Suggestion: Onion soup\nAnalysis:", demo_model, AnalysisOptions(max_new_tokens=3))
    assert found.completion.n_targets <= 3
    assert "Onion soup" in found.to_bundle()["text/html"]
    again = explain(
        Prompt(id="own", text="Suggestion: Onion soup\nAnalysis:"), "demo", AnalysisOptions(max_new_tokens=3)
    )
    assert again.id == "own"
    assert_same_map(again.map_by(), found.map_by())
    with pytest.raises(UsageError, match="some text"):
        explain("  ", demo_model)


class InNotebook(Console):
    """Rich's console where Jupyter runs it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, force_jupyter=True)


@pytest.mark.parametrize(("has_widgets", "shown"), [(True, progress.Bar), (False, progress.Lines)])
def test_a_notebook_has_a_bar_if_there_are_widgets(
    monkeypatch: pytest.MonkeyPatch, has_widgets: bool, shown: type
) -> None:
    monkeypatch.setattr(progress, "Console", InNotebook)
    monkeypatch.setattr(progress, "find_spec", lambda name: object() if has_widgets else None)
    monkeypatch.setattr(progress._LiveLine, "start", lambda self: None)
    monkeypatch.setattr(progress._LiveLine, "stop", lambda self: None)
    with progress.open_display() as display:
        assert isinstance(display, shown)


def test_drawing_in_a_notebook_shows_nothing_by_the_way(
    results: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rich shows what it prints as a cell's output if it finds itself in Jupyter."""
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    shown: list[object] = []
    monkeypatch.setattr("rich.jupyter.display", lambda *parts: shown.append(parts))
    drawing = results["dish-mistake"].heatmap()
    assert "Look first" in drawing.to_bundle()["text/plain"]
    drawing.save(tmp_path / "why.html")
    drawing.save(tmp_path / "why.svg")
    assert shown == []


def test_a_drawing_says_where_its_result_comes_from(results: Results, demo_model: Model) -> None:
    stored = results["dish-mistake"]
    assert results.facts == stored.facts == read_facts(results.folder)
    assert stored.facts is not None
    line = spell_facts(stored.facts)
    assert str(stored.heatmap()).rstrip().endswith(line)
    assert line in Reader(stored.to_bundle()["text/html"]).text
    made = explain("Suggestion: Onion soup", demo_model, AnalysisOptions(max_new_tokens=2), chat=True)
    assert made.facts is not None
    assert (made.facts.model, made.facts.dtype, made.facts.chat) == ("demo", "float32", True)
    assert made.facts.settings["max_new_tokens"] == 2
    assert len(made.facts.dates) == 1
    drawn = str(stored.compare(replace(stored, facts=replace(stored.facts, dtype="bfloat16"))))
    assert "before: demo in float32" in drawn
    assert "after: demo in bfloat16" in drawn


def test_hints_name_parameters_instead_of_options(results: Results) -> None:
    whole = str(results["dish-mistake"].heatmap())
    assert 'choose one with target="...": 1 “' in whole
    with pytest.raises(UsageError) as refused:
        results["dish-mistake"].heatmap(by="section")
    assert "--" not in whole + str(refused.value)
    assert [hints.spell("way", "all") for hints in (Hints.TERMINAL, Hints.NOTEBOOK)] == ["--way all", 'way="all"']


def test_a_frame_has_shares_by_way(results: Results) -> None:
    result = results["dish-mistake"]
    direct, followed = result.frame(target=ASKED), result.frame(target=ASKED, way="all")
    assert len(direct) == len(followed) > 10
    assert direct["total"].isna().tolist() == [True] * len(direct)
    in_prompt = followed[followed["source_role"] == "prompt"]["total"].tolist()
    assert sum(in_prompt) == pytest.approx(1, abs=1e-5)
    assert list(followed["score"]) == list(direct["score"])
    with pytest.raises(UsageError, match="way"):
        result.frame(way="sideways")
