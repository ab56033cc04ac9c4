"""PNGs: every character in its cell, the same on every machine, and no box without a word."""

# pyright: standard

from __future__ import annotations

import ast
import io
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from rich.terminal_theme import DEFAULT_TERMINAL_THEME

from promptlight.cli.app import app
from promptlight.cli.views import _faces, output, png
from promptlight.cli.views.png import BARS, CELL, FADING, MARGIN, ROW, RULES, Drawn, draw_png
from promptlight.salience.errors import OutputError
from tests.conftest import Command
from tests.support.source_code import modules_of

WHITE, BLACK, RED, AMBER = (255, 255, 255), (0, 0, 0), (255, 0, 0), (255, 179, 0)
SHOW = ("show", "gemma-tutorial", "--id", "dish-mistake")


@pytest.fixture
def without_cjk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_faces, "CJK_PACKAGE", "no_such_package")
    for cache in (_faces._find_cjk, _faces._list_faces):
        cache.cache_clear()


def draw(*rows: list[Segment]) -> Drawn:
    return draw_png(rows, DEFAULT_TERMINAL_THEME, "a title")


def cell(drawn: Drawn, row: int, column: int, n_cells: int = 1) -> Image.Image:
    """The pixels of a cell."""
    left, top = MARGIN + CELL * column, MARGIN + ROW * row
    return Image.open(io.BytesIO(drawn.png)).crop((left, top, left + CELL * n_cells, top + ROW))


def colours(part: Image.Image) -> set[object]:
    return {colour for _, colour in part.getcolors(1 << 16) or ()}


def test_each_character_is_drawn_into_its_cell_and_nowhere_else() -> None:
    drawn = draw([Segment("a bg")], [Segment("  "), Segment("Ж", Style(bold=True))])
    image = Image.open(io.BytesIO(drawn.png))
    assert image.size == (2 * MARGIN + 4 * CELL, 2 * MARGIN + 2 * ROW)
    assert image.text == {"Title": "a title"}  # type: ignore[attr-defined]
    full = {(row, column) for row in range(2) for column in range(4) if BLACK in colours(cell(drawn, row, column))}
    assert full == {(0, 0), (0, 2), (0, 3), (1, 2)}
    for row, column in {(row, column) for row in range(2) for column in range(4)} - full:
        assert colours(cell(drawn, row, column)) == {WHITE}


def test_grounds_are_as_wide_as_their_text_and_of_their_colour() -> None:
    drawn = draw(
        [Segment(" "), Segment("  ", Style(bgcolor="#ffb300")), Segment(" ", Style(color="red", reverse=True))]
    )
    assert [colours(cell(drawn, 0, column)) for column in range(3)] == [{WHITE}, {AMBER}, {AMBER}]
    assert colours(cell(drawn, 0, 3)) == {tuple(DEFAULT_TERMINAL_THEME.ansi_colors[1])}


@pytest.mark.parametrize(("bar", "eighths"), BARS.items())
def test_a_bar_fills_its_part_of_the_cell_from_below(bar: str, eighths: int) -> None:
    shown = cell(draw([Segment(bar, Style(color="#ff0000"))]), 0, 0)
    assert [shown.getpixel((CELL // 2, at)) == RED for at in range(ROW)].count(True) == round(ROW * eighths / 8)
    assert shown.getpixel((0, ROW - 1)) == shown.getpixel((CELL - 1, ROW - 1)) == RED


def test_a_rule_joins_its_neighbours() -> None:
    drawn = draw([Segment("├──")], [Segment("└──")])
    for row in range(2):
        across = cell(drawn, row, 0, 3)
        assert all(across.getpixel((at, ROW // 2)) == BLACK for at in range(CELL // 2, 3 * CELL))
    down = [cell(drawn, row, 0).getpixel((CELL // 2, at)) for row in range(2) for at in range(ROW)]
    assert down[: ROW + ROW // 2] == [BLACK] * (ROW + ROW // 2)
    assert down[-1] == WHITE


def test_text_is_struck_and_underlined_over_its_cells() -> None:
    for style in (Style(strike=True), Style(underline=True)):
        drawn = draw([Segment(" "), Segment("  ", style), Segment(" ")])
        assert [BLACK in colours(cell(drawn, 0, column)) for column in range(4)] == [False, True, True, False]


def test_faces_differ() -> None:
    styles = (Style(), Style(bold=True), Style(italic=True), Style(dim=True))
    assert len({draw([Segment("a", style)]).png for style in styles}) == len(styles)


@pytest.mark.usefixtures("without_cjk")
def test_a_box_stands_for_what_no_font_has_and_its_neighbours_stay_in_place() -> None:
    drawn = draw([Segment("a中👍🏽b中")])
    assert drawn.missing == ["中", "👍🏽"]
    plain = draw([Segment("a    b  ")])
    assert cell(drawn, 0, 0).tobytes() == cell(plain, 0, 0).tobytes()
    assert cell(drawn, 0, 5).tobytes() == cell(plain, 0, 5).tobytes()
    assert BLACK in colours(cell(drawn, 0, 1, 2))


def test_chinese_japanese_and_korean_are_drawn_with_the_extra() -> None:
    if not _faces.has_cjk():
        pytest.skip("the extra png-cjk is not installed")
    drawn = draw([Segment("中文菜单かな한국", Style(bold=True))])
    assert drawn.missing == []
    for at in range(0, 16, 2):
        part = cell(drawn, 0, at, 2)
        assert BLACK in colours(part)
        assert all(part.getpixel((x, y)) == WHITE for x in range(2 * CELL) for y in (0, ROW - 1))  # not cut off


def test_the_fonts_have_every_character_that_the_views_draw() -> None:
    drawn = {
        character
        for module in modules_of("cli/views", "cli/work")
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        for character in node.value
        if not character.isascii()
    }
    assert {"“", "…", "→", "◆", "‹"} <= drawn
    looked_for = {one for one in drawn if cell_len(one) == 2} | {_faces.NO_CHARACTER}  # in texts
    wanted = drawn - looked_for - {*BARS, *FADING, *RULES}
    assert [one for one in sorted(wanted) if _faces.find_face(one, bold=False, italic=False) is None] == []


def test_too_many_rows_are_refused_before_they_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(png, "MOST_PIXELS", (2 * MARGIN + CELL) * (2 * MARGIN + 3 * ROW))
    draw(*[[Segment("a")]] * 3)
    with pytest.raises(OutputError, match="expected at most 3 rows of this width, found 4"):
        draw(*[[Segment("a")]] * 4)


# the option


def test_show_draws_the_same_picture_every_time(promptlight: Command, tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("one.png", "two.png")]
    for path in paths:
        shown = promptlight(*SHOW, "--png", path)
        assert (shown.exit_code, shown.stderr) == (0, "")
        assert shown.stdout.startswith(f"{path} (")
    assert paths[0].read_bytes() == paths[1].read_bytes()
    with Image.open(paths[0]) as image:
        assert image.size[0] == 2 * MARGIN + 100 * CELL
        assert {(39, 0, 134), AMBER} <= colours(image)  # the strongest, and the target
    refused = promptlight(*SHOW, "--png", paths[0])
    assert refused.exit_code == 5
    assert "--overwrite" in refused.stderr


@pytest.mark.usefixtures("without_cjk")
def test_a_character_without_a_glyph_is_said(promptlight: Command, demo_results: Path, tmp_path: Path) -> None:
    shown = promptlight("show", demo_results, "--id", "chinese", "--png", tmp_path / "a.png")
    assert shown.exit_code == 0
    box = r"\S+a\.png: a box stands for (\S ){8}and \d+ others, for lack of a font; "
    cure = r"pip install 'promptlight\[png-cjk\]' has Chinese, Japanese and Korean; .*"
    assert re.fullmatch(f"{box}{cure}\n", shown.stderr)


def test_without_pillow_nothing_is_computed(
    promptlight: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(output, "find_spec", lambda name: None)
    refused = promptlight("show", "-p", "text", "--model", "no-such-model", "--png", tmp_path / "a.png")
    assert refused.exit_code == 2
    assert refused.stderr == "promptlight: --png: expected Pillow, found none; pip install 'promptlight[png]'\n"


def test_whatever_draws_into_files_draws_all_kinds() -> None:
    import typer.main

    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    kinds = {
        name: {option for one in command.params for option in one.opts} & {"--svg", "--html", "--png", "--width"}
        for name, command in commands.items()
    }
    drawing = {name for name, options in kinds.items() if options}
    assert drawing == {"show", "compare", "try", "why", "list", "summarize", "evaluate"}
    assert all(len(kinds[name]) == 4 for name in drawing)


def test_colours_are_those_of_the_svg(promptlight: Command, tmp_path: Path) -> None:
    svg, picture = tmp_path / "a.svg", tmp_path / "a.png"
    promptlight(*SHOW, "--svg", svg, "--png", picture)
    grounds = set(re.findall(r'<rect fill="(#[0-9a-f]{6})"', svg.read_text("utf-8")))
    with Image.open(picture) as image:
        painted = {f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in colours(image)}  # type: ignore[misc]
    assert len(grounds) > 4
    assert grounds <= painted


@pytest.mark.parametrize(
    ("option", "start"), [("--svg", b"<svg"), ("--html", b"<!DOCTYPE html>"), ("--png", b"\x89PNG")]
)
def test_a_minus_is_standard_output(option: str, start: bytes, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "promptlight.cli", *SHOW, option, "-"]
    done = subprocess.run(command, capture_output=True, check=True, cwd=tmp_path)
    assert done.stdout.lstrip().startswith(start)
    assert done.stderr.startswith(b"/dev/stdout (")
    assert list(tmp_path.iterdir()) == []
