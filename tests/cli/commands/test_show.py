"""``promptlight show`` from outside: nothing is lost, whatever the terminal can do and whatever the text holds."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from rich.cells import cell_len
from rich.console import Console, RenderableType

from promptlight.cli.views.heatmap import render_heatmap, render_matrix_view
from promptlight.cli.views.look import DEFAULT, Marking, Paper, Spacing, Taste
from promptlight.cli.views.matrix import plan_columns, render_matrix, strongest_of
from promptlight.cli.views.palette import Look, paint
from promptlight.cli.views.strongest import keep_end
from promptlight.cli.views.text import MARGIN, render_text, split_span
from promptlight.io import read_results
from promptlight.io.results.reader import find_result
from promptlight.salience import Analysis
from promptlight.salience.explain.explanation import Explanation, Question, explain_spans, explain_target
from promptlight.salience.text.printable import printable
from promptlight.salience.types import Granularity, Method, Role, StopReason
from tests.conftest import Command
from tests.support.handmade import make_analysis, make_completion
from tests.support.terminal import ESCAPE, HOSTILE, MARKS, ORDERS

CUTS = [granularity for granularity in Granularity if granularity is not Granularity.SECTION]  # these prompts have none


@pytest.fixture(scope="module")
def analyses(demo_results: Path) -> dict[str, Analysis]:
    return {one.completion.prompt.id: one for one in read_results(demo_results) if isinstance(one, Analysis)}


def build(analysis: Analysis, by: Granularity, target: str | None) -> Explanation:
    return explain_target(analysis, Question(by=by, target=target))


def draw(
    explanation: Explanation,
    color_system: Any,
    width: int = 100,
    n_top: int = 8,
    *,
    render: Callable[..., RenderableType] = render_heatmap,
    taste: Taste = DEFAULT,
) -> str:
    file = io.StringIO()
    console = Console(file=file, force_terminal=color_system is not None, color_system=color_system, width=width)
    signed = explanation.analysis.map_by().method.is_signed
    look = Look(color_system=color_system, signed=signed, by=explanation.by, taste=taste)
    console.print(render(explanation, console, look, n_top=n_top))
    return file.getvalue()


HIGHLIGHT = Taste(marking=Marking.HIGHLIGHT)  # without colours, numbers in the text


def squeeze(text: str) -> str:
    """Without white space and the arrows that stand for it."""
    return re.sub(r"[\s↵]+", "", text)


class Terminal(io.StringIO):
    """A standard output that a person looks at."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("by", list(Granularity))
def test_the_text_drawn_is_the_text_with_or_without_colours(analyses: dict[str, Analysis], by: Granularity) -> None:
    assert set(HOSTILE) < set(analyses)
    for analysis in analyses.values():
        explanation = build(analysis, by, None)
        text = "".join(span.text for span in explanation.spans if span.role is not Role.SPECIAL)
        assert not MARKS.search(text)  # else it could not be told from a mark
        expected = squeeze(printable(text))
        for color_system in (None, "standard", "256", "truecolor"):
            drawn = render_text(explanation, Look(color_system=color_system, taste=HIGHLIGHT)).plain
            assert squeeze(drawn if color_system else MARKS.sub("", drawn)) == expected


@pytest.mark.parametrize("by", [Granularity.TOKEN, Granularity.WORD, Granularity.LINE])
def test_a_row_of_selectors_is_marked_though_each_is_a_token(by: Granularity) -> None:
    analysis = make_analysis(make_completion(["<bos>", "▁a", "\ufe01", "\ufe02", "b"], ["▁so", "\ufe03", "\ufe04"]))
    drawn = render_text(build(analysis, by, None), Look(color_system="truecolor", taste=HIGHLIGHT)).plain
    assert squeeze(drawn) == squeeze(" a⟨U+FE01⟩⟨U+FE02⟩b so⟨U+FE03⟩⟨U+FE04⟩")


def test_every_colour_system_draws_the_same_text_in_its_own_colours(demo_results: Path) -> None:
    command = [sys.executable, "-m", "promptlight.cli", "show", str(demo_results), "--id", "dish-fixed"]
    shown: dict[str, str] = {}
    for name, colorterm in (("xterm", ""), ("xterm-256color", ""), ("xterm", "truecolor")):  # Rich caches codes
        colours = {"FORCE_COLOR": "1", "TERM": name, "COLORTERM": colorterm, "COLUMNS": "100"}
        environment = {key: value for key, value in os.environ.items() if key != "NO_COLOR"} | colours
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        shown[colorterm or name] = done.stdout
    backgrounds = {name: set(re.findall(r"48;([25]);[\d;]+m", text)) for name, text in shown.items()}
    assert backgrounds == {"xterm": set(), "xterm-256color": {"5"}, "truecolor": {"2"}}
    assert all(len(set(ESCAPE.findall(text))) >= 4 for text in shown.values())  # several shades
    assert len({ESCAPE.sub("", text) for text in shown.values()}) == 1


@pytest.mark.parametrize("width", [40, 57, 100, 200])
def test_no_width_loses_text_or_makes_a_column_of_letters(analyses: dict[str, Analysis], width: int) -> None:
    for analysis in analyses.values():
        for by in (Granularity.TOKEN, Granularity.LINE):
            explanation = build(analysis, by, None)
            for color_system in (None, "truecolor"):
                lines = ESCAPE.sub("", draw(explanation, color_system, width, taste=HIGHLIGHT)).splitlines()
                assert max(map(cell_len, lines)) <= width
                beside = [line[MARGIN:] for line in lines if not line.startswith(f"{'':{MARGIN}}── ")]
                text = render_text(explanation, Look(color_system=color_system, taste=HIGHLIGHT)).plain
                assert squeeze(text) in squeeze("".join(beside))
                lengths = [len(squeeze(line)) for line in beside]
                assert (1, 1) not in pairwise(lengths)


@pytest.mark.parametrize("color_system", [None, "standard", "truecolor"])
@pytest.mark.parametrize("id", HOSTILE)
@pytest.mark.parametrize("marking", Marking)
@pytest.mark.parametrize("render", [render_heatmap, render_matrix_view])
def test_what_a_terminal_would_obey_is_shown_instead(
    analyses: dict[str, Analysis], id: str, color_system: str | None, marking: Marking, render: Callable[..., Any]
) -> None:
    for by in Granularity:
        explanation = build(analyses[id], by, None)
        drawn = draw(explanation, color_system, width=200, render=render, taste=Taste(marking=marking))
        shown = ESCAPE.sub("", drawn)
        assert not ORDERS.search(shown)
        if render is render_heatmap and id == "escapes":
            assert all(symbol in shown for symbol in ("␛", "␇", "⟨U+202E⟩", "⟨U+202C⟩"))
        if render is render_heatmap and id == "markup":
            assert "[bold red]Not markup[/bold red] <script>alert('x')</script> &amp;" in MARKS.sub("", shown)


@pytest.mark.parametrize("code", [0x00, 0x07, 0x09, 0x0D, 0x1B, 0x7F, 0x85, 0x9B, 0x202E, 0x2066])
def test_each_order_has_a_visible_symbol(code: int) -> None:
    shown = printable(f"a{chr(code)}b")
    assert shown[0] + shown[-1] == "ab"
    assert shown[1:-1].isprintable()
    assert len(shown) > 2


def test_a_terminal_gets_colours_and_no_color_gets_what_a_pipe_gets(
    promptlight: Command, monkeypatch: pytest.MonkeyPatch, demo_results: Path
) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    for name in ("NO_COLOR", "FORCE_COLOR", "COLORTERM", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    arguments = ("show", demo_results, "--id", "dish-fixed", "--by", "line", "--no-fold", "--no-pager")
    piped = promptlight(*arguments).stdout
    assert "\x1b" not in piped
    assert MARKS.findall(piped)
    terminals: list[str] = []
    for value in ("", "1"):
        monkeypatch.setenv("NO_COLOR", value)
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", terminal := Terminal())
            promptlight(*arguments)
        terminals.append(terminal.getvalue())
    coloured, plain = terminals
    assert "\x1b[" in coloured
    assert not MARKS.findall(ESCAPE.sub("", coloured))
    assert plain == piped


def test_by_default_all_of_the_first_row_is_explained_by_lines(promptlight: Command, demo_results: Path) -> None:
    shown = promptlight("show", demo_results)
    spelt = promptlight("show", demo_results, "--row", 0, "--by", "line", "--target-by", "line", "--top", 8)
    assert (shown.exit_code, shown.stderr) == (0, "")
    assert shown.stdout == spelt.stdout
    first = find_result(demo_results, row=0)
    assert isinstance(first, Analysis)
    assert first.completion.prompt.id in shown.stdout
    assert f"»{first.completion.completion_text.strip().split()[0]}" in squeeze(shown.stdout)


def test_without_a_target_the_lines_of_the_completion_are_numbered(promptlight: Command, demo_results: Path) -> None:
    asked = ("show", demo_results, "--id", "dish-mistake", "--width", 200)
    says = "choose one with --target: "
    says += "1 “it has cooked eggs in it, which you don…”, 2 “Recommendation: You have to try it.”"
    whole = promptlight(*asked).stdout
    assert [line.strip() for line in whole.splitlines() if "--target" in line] == [says]
    for number, begins in enumerate(("it has cooked eggs", "Recommendation: "), 1):
        one = promptlight(*asked, "--target", number).stdout
        assert f"Why did the model write “{begins}" in one
        assert "--target" not in one
    assert promptlight("show", demo_results, "--id", "dish-mistake", "--json").stdout.count("--target") == 0


def test_a_single_line_or_target_is_not_numbered_and_many_are_cut_off() -> None:
    completion = make_completion(["<bos>", "▁Say"], ["▁one", "▁two"])
    one_line = explain_target(make_analysis(completion), Question())
    assert "--target" not in draw(one_line, None)
    words = explain_target(make_analysis(completion), Question(target_by=Granularity.WORD))
    assert "choose one with --target: 1 “one”, 2 “two”\n" in draw(words, None)
    many = explain_target(
        make_analysis(make_completion(["<bos>", "▁Say"], ["▁a"] * 9)), Question(target_by=Granularity.WORD)
    )
    assert "8 “a”, …\n" in draw(many, None)


@pytest.mark.parametrize("by", CUTS)
def test_shows_the_text_the_target_a_legend_and_the_strongest_sources(
    promptlight: Command, demo_results: Path, by: Granularity
) -> None:
    shown = promptlight("show", demo_results, "--id", "dish-fixed", "--by", by).stdout
    assert "Onionsoup" in squeeze(MARKS.sub("", shown))
    for part in (
        "dish-fixed (fewshot-fixed)",
        " the strongest; unmarked below 20",
        f"strongest {by}s",
        "%",
        "»",
        "«",
    ):
        assert part in shown


def test_the_target_can_be_a_number_a_text_or_a_pattern(promptlight: Command, demo_results: Path) -> None:
    by_number, by_text, by_pattern = (
        promptlight("show", demo_results, "--id", "dish-fixed", "--by", "line", "-t", target).stdout
        for target in ("2", "Recommendation", "Rec[a-z]+:")
    )
    assert "Why did the model write “Recommendation: " in by_number
    assert by_number == by_text == by_pattern


def test_without_colours_numbers_mark_strong_lines(analyses: dict[str, Analysis]) -> None:
    explanation = build(analyses["dish-fixed"], Granularity.LINE, None)
    drawn = draw(explanation, None)
    strongest = explanation.spans[int(explanation.levels.argmax())].text.strip()
    assert f"{strongest}‹100%›" in drawn
    expected = [f"‹{round(100 * level)}%›" for level in explanation.levels if level >= 0.2]
    assert re.findall(r"‹\d+%›", drawn) == [*expected, "‹100%›"]  # and in the legend


def test_without_colours_bars_stand_below_what_is_strong_and_nothing_below_the_rest(
    analyses: dict[str, Analysis],
) -> None:
    explanation = build(analyses["dish-fixed"], Granularity.WORD, "-1")
    rows = draw(explanation, None).splitlines()
    barred = [int(row.split()[0]) for row, below in pairwise(rows) if re.fullmatch(" *[▁▂▃▄▅▆▇█][▁▂▃▄▅▆▇█ ]*", below)]
    strong = [span.line for span in explanation.spans if explanation.levels[span.number] >= 0.2]
    assert barred == list(dict.fromkeys(strong))
    assert 0 < len(barred) < 25
    faint = draw(explanation, None, taste=Taste(intensity=1.0)).splitlines()
    assert len(faint) > len(rows)


def test_a_given_target_was_not_written_by_the_model(analyses: dict[str, Analysis]) -> None:
    written = analyses["dish-fixed"]
    given = replace(written, completion=replace(written.completion, stop_reason=StopReason.GIVEN))
    shown = draw(build(given, Granularity.LINE, "2"), None)
    assert "Why would the model write “Recommendation" in shown
    assert "; given in the record\n" in shown


# The strongest sources

ROW = re.compile(r"^ *(\d+) +(\S+)% +\S+  (.+)$", re.MULTILINE)


@pytest.mark.parametrize("by", CUTS)
def test_the_list_says_in_which_line_each_source_stands(analyses: dict[str, Analysis], by: Granularity) -> None:
    explanation = build(analyses["dish-fixed"], by, "1")
    lines = printable(explanation.analysis.completion.text).split("\n")
    rows = ROW.findall(draw(explanation, None, width=200))
    assert len(rows) == min(8, (explanation.levels > 0).sum())
    for number, _, shown in rows:
        assert re.sub("[‹›]|↵.*", "", shown) == lines[int(number) - 1].rstrip("\n")
    strongest = explanation.spans[int(explanation.levels.argmax())].text
    assert re.sub(".*‹|›.*", "", rows[0][2]).strip() == strongest.strip().replace("\n", "↵")


def test_equal_lines_are_told_apart(analyses: dict[str, Analysis]) -> None:
    explanation = build(analyses["dish-fixed"], Granularity.LINE, "1")
    rows = ROW.findall(draw(explanation, None, n_top=100))
    numbers = [number for number, _, shown in rows if shown == "Taste-dislikes: Don't like onions or garlic"]
    assert len(numbers) == len(set(numbers)) == 3


def test_no_sources_asked_for_no_heading_of_a_list(promptlight: Command, demo_results: Path) -> None:
    shown = promptlight("show", demo_results, "--id", "dish-fixed", "--top", 0, "--target", "1")
    assert (shown.exit_code, shown.stderr) == (0, "")
    assert "»target«\n\n      model: demo in float32" in shown.stdout
    assert "share" not in shown.stdout


@pytest.mark.parametrize(
    ("text", "width", "expected"), [("abc", 3, "abc"), ("abcdef", 4, "…def"), ("日本語日本", 6, "…日本"), ("", 1, "")]
)
def test_the_end_of_a_text_is_kept_in_cells(text: str, width: int, expected: str) -> None:
    assert keep_end(text, width) == expected


# What is painted


@pytest.mark.parametrize(
    ("text", "by", "expected"),
    [
        (" milk.\n\n", Granularity.WORD, (" ", "milk.", "\n\n")),
        (" milk", Granularity.TOKEN, ("", " milk", "")),
        ("  ", Granularity.WORD, ("", "  ", "")),
        ("\n\n", Granularity.LINE, ("", "\n\n", "")),
        ("", Granularity.TOKEN, ("", "", "")),
    ],
)
def test_only_a_token_is_painted_with_its_blanks(text: str, by: Granularity, expected: tuple[str, str, str]) -> None:
    assert split_span(text, by) == expected


def test_what_follows_the_target_is_dim(analyses: dict[str, Analysis]) -> None:
    drawn = draw(build(analyses["dish-fixed"], Granularity.LINE, "1"), "truecolor")
    last = drawn[: drawn.index("% of the strongest")].splitlines()[-3]
    assert re.fullmatch(r"\x1b\[2m *\d+  \x1b\[0m\x1b\[2mRecommendation: .*\x1b\[0m", last)


def test_sixteen_colours_are_used_as_every_theme_can_show_them(analyses: dict[str, Analysis]) -> None:
    """No bright colours, which some themes make grey: styles, black on yellow, magenta, the theme's own."""
    assert len({str(paint(step / 4, "standard", "violet", Paper.LIGHT)) for step in range(5)}) == 5
    drawn = "".join(draw(build(analyses["dish-fixed"], by, None), "standard") for by in Granularity)
    codes = {code for escape in ESCAPE.findall(drawn) for code in re.findall(r"\d+", escape)}
    assert codes <= {"0", "1", "2", "4", "7", "30", "35", "39", "43"}


@pytest.mark.parametrize(
    ("arguments", "exit_code", "says"),
    [
        (("--target", "no such text"), 2, "target 'no such text': expected"),
        (("--target", "99"), 2, "target 99: expected a span from 1 to"),
        (("--target", "(["), 2, "as a pattern it fails"),
        (("--by", "letter"), 2, "letter"),
        (("--prompt", "hello"), 2, "either a results folder or --prompt"),
        (("--id", "null-prompt"), 2, "null-prompt was skipped, there is nothing to show: expected `prompt`"),
        (("--id", "dish-fixed", "--row", "0"), 2, "either --id or --row, found both"),
        (("--id", "nobody"), 5, "no result with id 'nobody'; it has dish-mistake"),
        (("--row", "99"), 5, "no row 99; it has 18 rows"),
    ],
)
def test_what_cannot_be_shown_is_said_on_stderr(
    promptlight: Command, demo_results: Path, arguments: tuple[str, ...], exit_code: int, says: str
) -> None:
    shown = promptlight("show", demo_results, *arguments)
    assert (shown.exit_code, shown.stdout) == (exit_code, "")
    assert says in shown.stderr
    if "--by" not in arguments:  # which is Typer's, in a frame
        assert shown.stderr.startswith("promptlight: ")
        assert shown.stderr.count("\n") == 1


def test_an_empty_prompt_or_no_folder_there(promptlight: Command, tmp_path: Path) -> None:
    assert promptlight("show", "--prompt", " ").exit_code == 2
    missing = promptlight("show", tmp_path / "nowhere")
    assert missing.exit_code == 5
    assert "`promptlight run` makes one" in missing.stderr


def test_ids_in_an_error_cannot_command_the_terminal(promptlight: Command, tmp_path: Path) -> None:
    (tmp_path / "bad.jsonl").write_text('{"id": "a\\u001b[31mb\\nc", "prompt": null}\n', encoding="utf-8")
    promptlight("run", tmp_path / "bad.jsonl", "-o", tmp_path / "out", "--device", "cpu")
    for arguments in (("--row", 0), ("--id", "nobody")):
        shown = promptlight("show", tmp_path / "out", *arguments)
        assert "a␛[31mb↵c" in shown.stderr
        assert "\x1b" not in shown.stderr
        assert shown.stderr.count("\n") == 1


def test_a_text_is_explained_at_once_as_a_file_of_it_would_be(promptlight: Command, demo_results: Path) -> None:
    stored = find_result(demo_results, id="dish-fixed")
    assert isinstance(stored, Analysis)
    text, short = stored.completion.prompt.text, ("--max-new-tokens", 24, "--device", "cpu")
    now = promptlight("show", "--prompt", text, "--by", "line", *short)
    assert now.exit_code == 0
    before = promptlight("show", demo_results, "--id", "dish-fixed", "--by", "line")
    assert now.stdout.splitlines()[1:] == before.stdout.splitlines()[1:]  # the first names the record


def test_only_what_is_explained_is_marked_in_a_larger_source(promptlight: Command, demo_results: Path) -> None:
    shown = promptlight("show", demo_results, "--by", "line", "--target-by", "word", "--target", "have to").stdout
    assert "Recommendation: You »have to« try it." in shown
    assert shown.count("»") == 2  # and in the legend


# Bars, spacing, matrix, files


@pytest.mark.parametrize("color_system", [None, "truecolor"])
def test_bars_stand_below_what_they_are_about(analyses: dict[str, Analysis], color_system: str | None) -> None:
    explanation = build(analyses["dish-fixed"], Granularity.WORD, "-1")
    drawn = ESCAPE.sub("", draw(explanation, color_system, taste=Taste(marking=Marking.UNDERLINE)))
    lines = drawn.splitlines()
    (strongest,) = explanation.strongest(1)
    line = next(at for at, shown in enumerate(lines) if re.match(rf" *{strongest.line}  ", shown))
    place = lines[line].index(strongest.text.strip())
    assert lines[line + 1][place : place + len(strongest.text.strip())] == "█" * len(strongest.text.strip())
    assert not MARKS.search(drawn.replace("»", "").replace("«", ""))


def test_airy_has_a_blank_line_behind_each_line(analyses: dict[str, Analysis]) -> None:
    explanation = build(analyses["dish-fixed"], Granularity.LINE, None)
    dense, airy = (draw(explanation, None, taste=Taste(spacing=spacing)).splitlines() for spacing in Spacing)
    assert [line for line in airy if line.strip()] == [line for line in dense if line.strip()]
    first = next(at for at, line in enumerate(airy) if re.match(" *1  ", line))
    assert re.match(" *1  ", airy[first])
    assert airy[first + 1] == ""
    assert re.match(" *2", airy[first + 2])


@pytest.mark.parametrize("width", [40, 57, 100, 200])
@pytest.mark.parametrize("by", [Granularity.TOKEN, Granularity.LINE])
def test_the_matrix_has_a_row_for_each_target_and_fits(
    analyses: dict[str, Analysis], by: Granularity, width: int
) -> None:
    for analysis in analyses.values():
        explanation = explain_target(analysis, Question(by=by, target_by=Granularity.TOKEN))
        picture = [line.plain for line in render_matrix(explanation, Look(color_system=None), width)]
        assert max(map(cell_len, picture)) <= width
        assert len(picture) - len(explanation.targets) in (1, 2, 3)  # digits of the lines


def test_the_matrix_is_of_the_method_that_was_asked_for() -> None:
    completion = make_completion(["a\n", "b\n"], ["c\n", "d"])
    first, second = (make_analysis(completion, method=name) for name in (Method.GRAD_L2, Method.GRAD_DOT_INPUT))
    both = replace(first, maps={**first.maps, **second.maps})

    def draw_matrix(analysis: Analysis, method: Method) -> list[str]:
        explanation = explain_target(analysis, Question(method=method))
        return [line.plain for line in render_matrix(explanation, Look(color_system=None, signed=True), 80)]

    assert draw_matrix(both, Method.GRAD_L2) == draw_matrix(first, Method.GRAD_L2)
    assert draw_matrix(both, Method.GRAD_DOT_INPUT) == draw_matrix(second, Method.GRAD_DOT_INPUT)
    assert draw_matrix(first, Method.GRAD_L2) != draw_matrix(second, Method.GRAD_DOT_INPUT)


def test_the_matrix_shows_the_strongest_source_of_each_target(analyses: dict[str, Analysis]) -> None:
    explanation = build(analyses["dish-mistake"], Granularity.LINE, None)
    *heads, first, second = [line.plain for line in render_matrix(explanation, Look(color_system=None), 200)]
    for target, row in zip(explanation.targets, (first, second), strict=True):
        alone = explain_spans(analyses["dish-mistake"], Question(by=Granularity.LINE), [target])
        (strongest,) = alone.strongest(1)
        column = next(
            at for at in range(len(row)) if "".join(h[at : at + 1] for h in heads).strip() == str(strongest.line)
        )
        assert row[column] == "█"


def test_neighbours_share_a_column_where_there_is_no_room() -> None:
    assert plan_columns(10, 20) == (1, 2)
    assert plan_columns(10, 19) == (1, 1)
    assert plan_columns(10, 9) == (2, 1)
    scores = np.array([1.0, -3.0, 0.5, 0.0, -0.2], dtype=np.float32)
    assert strongest_of(scores, 2).tolist() == pytest.approx([-3.0, 0.5, -0.2])


def test_a_drawing_goes_into_files(promptlight: Command, demo_results: Path, tmp_path: Path) -> None:
    svg, html = tmp_path / "new" / "picture.svg", tmp_path / "picture.html"
    arguments = ("show", demo_results, "--id", "dish-fixed", "--svg", svg, "--html", html)
    shown = promptlight(*arguments)
    assert (shown.exit_code, shown.stderr) == (0, "")
    assert [line.split(" (")[0] for line in shown.stdout.splitlines()] == [str(svg), str(html)]
    root = ElementTree.fromstring(svg.read_text("utf-8"))
    drawn = "".join("".join(root.itertext()).split())
    assert "Onion" in drawn
    assert "#270086" in svg.read_text("utf-8")  # the strongest
    assert not re.search(r"url\(.?http|<script|src=", svg.read_text("utf-8"))
    assert "Onion" in html.read_text("utf-8")
    refused = promptlight(*arguments)
    assert (refused.exit_code, refused.stdout) == (5, "")
    assert "picture.svg: exists already; choose another file, or allow overwriting (--overwrite)" in refused.stderr
    assert promptlight(*arguments, "--overwrite").exit_code == 0


def test_a_drawing_is_for_light_paper_unless_dark_is_asked_for(
    promptlight: Command, demo_results: Path, tmp_path: Path
) -> None:
    svg, html = tmp_path / "picture.svg", tmp_path / "picture.html"
    strongest = {"auto": "#270086", "light": "#270086", "dark": "#ded6ff"}
    for paper, colour in strongest.items():
        promptlight("show", demo_results, "--svg", svg, "--html", html, "--paper", paper, "--overwrite")
        for text in (svg.read_text("utf-8"), html.read_text("utf-8")):
            assert {one for one in strongest.values() if one in text} == {colour}
            assert ("#16131f" in text) == (paper == "dark")  # the ground


def test_markup_in_a_prompt_is_text_in_files_too(promptlight: Command, demo_results: Path, tmp_path: Path) -> None:
    svg, html = tmp_path / "picture.svg", tmp_path / "picture.html"
    for id in ("markup", "escapes"):
        promptlight("show", demo_results, "--id", id, "--svg", svg, "--html", html, "--overwrite")
        for text in (svg.read_text("utf-8"), html.read_text("utf-8")):
            assert "<script" not in text
            assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)
        ElementTree.fromstring(svg.read_text("utf-8"))


@pytest.mark.parametrize("width", [40, 80, 120, 200])
@pytest.mark.parametrize("color_system", [None, "truecolor"])
def test_a_completion_of_two_hundred_tokens_stays_readable(width: int, color_system: str | None) -> None:
    """Wide characters, an emoji family, right-to-left and long words, as text and as a matrix."""
    pieces = ["▁read", "ing", "▁日本語", "▁👨‍👩‍👧", "▁سلام", "▁" + "x" * 60, ".\n", "▁a"]
    analysis = make_analysis(make_completion(["<bos>", *pieces * 12], [*pieces * 25]))
    explanation = explain_target(analysis, Question(by=Granularity.WORD, target_by=Granularity.TOKEN))
    for render in (render_heatmap, render_matrix_view):
        lines = ESCAPE.sub("", draw(explanation, color_system, width, render=render)).splitlines()
        assert max(map(cell_len, lines)) <= width
        assert len(lines) >= (200 if render is render_matrix_view else 30)
        letters = [len(squeeze(line[MARGIN:])) for line in lines]
        assert render is render_matrix_view or (1, 1, 1) not in zip(letters, letters[1:], letters[2:], strict=False)
