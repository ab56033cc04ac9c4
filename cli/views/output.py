"""Draw a view on this terminal or into files: SVG for pages and slides, HTML for mails."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from rich.console import Console, RenderableType
from rich.segment import Segment
from rich.terminal_theme import DEFAULT_TERMINAL_THEME, TerminalTheme

from promptlight.cli.views._pager import find_pager, page_through
from promptlight.cli.views.look import Paper, Taste
from promptlight.cli.views.palette import MANY_COLOURS, Look
from promptlight.cli.views.paper import find_paper
from promptlight.cli.views.svg import export_svg
from promptlight.io.files import choose_aside, writing
from promptlight.salience.errors import UsageError
from promptlight.salience.text.printable import one_line, printable_json
from promptlight.salience.types import Cut

FILE_WIDTH = 100  # cells
MOST_LISTED = 8  # characters without a glyph
INSTALL_CJK = "pip install 'promptlight[png-cjk]'"
_BLACK, _WHITE = (DEFAULT_TERMINAL_THEME.ansi_colors[code] for code in (0, 7))
_RED, _GREEN, _YELLOW = (0xFF, 0x8F, 0x8A), (0x7A, 0xD5, 0x91), (0xE8, 0xC7, 0x5F)
_BLUE, _MAGENTA, _CYAN = (0x8F, 0xB4, 0xFF), (0xE3, 0x9C, 0xF0), (0x74, 0xD4, 0xDE)
ON_DARK = TerminalTheme(  # the default theme's red is dark as the ground
    (0x16, 0x13, 0x1F),
    (0xEF, 0xEC, 0xF7),
    [_BLACK, _RED, _GREEN, _YELLOW, _BLUE, _MAGENTA, _CYAN, _WHITE],
    [DEFAULT_TERMINAL_THEME.ansi_colors[code] for code in range(8, 16)],
)


@dataclass(frozen=True, kw_only=True)
class View:
    """A view to draw: ``paint`` gives it to Rich, ``describe`` gives the same as plain data."""

    paint: Callable[[Console, Look], RenderableType]
    describe: Callable[[], Any]
    signed: bool  # whether scores may be negative
    by: Cut | None = None  # how sources are cut
    title: str  # of an SVG


def print_json(view: View) -> None:
    """The view's plain data as one JSON object."""
    print(printable_json(view.describe()))


def draw_on_terminal(view: View, taste: Taste, width: int | None = None, *, pager: bool = False) -> None:
    """Print the view; ``width`` in cells, None for the terminal's own. If the paper is AUTO, the terminal is asked.

    ``pager``: if the view is longer than the terminal, it is shown in the user's pager.
    """
    # Rich would keep bold and dim, and leave out the bars and numbers
    colours = None if os.environ.get("NO_COLOR") else "auto"
    console = Console(highlight=False, color_system=colours, width=width)
    if taste.paper is Paper.AUTO and console.color_system in MANY_COLOURS:
        taste = replace(taste, paper=find_paper())
    command = find_pager(console) if pager else None
    if command is None:
        console.print(_paint(view, console, taste))
        return
    with console.capture() as drawn:
        console.print(_paint(view, console, taste))
    text = drawn.get()
    if text.count("\n") < console.height:  # the prompt comes below it
        console.file.write(text)
    else:
        page_through(text, command)


def draw_into_files(
    view: View, taste: Taste, width: int | None = None, *, svg: Path | None, html: Path | None, png: Path | None
) -> None:
    """Draw the whole view in memory first, so that an error in it does not touch a file. AUTO paper is light."""
    wanted = ((svg, "svg"), (html, "html"))
    drawn = [(path, draw_picture(view, taste, width, kind).encode()) for path, kind in wanted if path]
    note = ""
    if png:
        content, note = draw_png_picture(view, taste, width)
        drawn.append((png, content))
    for path, content in drawn:
        write_bytes(path, content)
        print(f"{one_line(str(path))} ({len(content) / 1000:,.0f} kB)", file=choose_aside(path))
    if note:
        print(f"{one_line(str(png))}: {note}", file=sys.stderr)


def check_pillow(what: str) -> None:
    """Raise UsageError if Pillow is not there to draw what was asked for."""
    if find_spec("PIL") is None:
        raise UsageError(f"{what}: expected Pillow, found none; pip install 'promptlight[png]'")


def draw_png_picture(view: View, taste: Taste, width: int | None = None) -> tuple[bytes, str]:
    """The view as PNG, which needs Pillow, and a note about characters that no font has; AUTO paper is light."""
    from promptlight.cli.views.png import draw_png

    drawn = draw_png(draw_rows(view, taste, width), choose_theme(taste.paper), view.title)
    return drawn.png, _say_missing(drawn.missing) if drawn.missing else ""


def _say_missing(clusters: Sequence[str]) -> str:
    """Which characters of a PNG no font has, and what to do."""
    from promptlight.cli.views._faces import has_cjk

    listed = " ".join(map(one_line, clusters[:MOST_LISTED]))
    more = f" and {len(clusters) - MOST_LISTED:,} others" if len(clusters) > MOST_LISTED else ""
    cure = "" if has_cjk() else f"; {INSTALL_CJK} has Chinese, Japanese and Korean"
    return f"a box stands for {listed}{more}, for lack of a font{cure}; --svg and --html use the reader's fonts"


def draw_picture(view: View, taste: Taste, width: int | None, kind: str) -> str:
    """The view as ``svg``, as an ``html`` page, or as ``txt`` without colours. AUTO paper is light."""
    if kind == "txt":
        return "\n".join(row.rstrip() for row in draw_plain(view, taste, width)) + "\n"
    console = _open_console("truecolor", width, record=True)
    console.print(_paint(view, console, taste))
    theme = choose_theme(taste.paper)
    if kind == "svg":
        return export_svg(console, view.title, theme)
    return console.export_html(clear=False, inline_styles=True, theme=theme)


def _open_console(colours: Literal["truecolor"] | None, width: int | None = None, *, record: bool = False) -> Console:
    """A console in memory that looks the same everywhere; by itself, Rich would print in a notebook's cell."""
    return Console(
        file=io.StringIO(),
        record=record,
        force_terminal=True,
        force_jupyter=False,
        color_system=colours,
        width=width or FILE_WIDTH,
        highlight=False,
    )


def draw_rows(view: View, taste: Taste, width: int | None = None) -> list[list[Segment]]:
    """The rows of the view in full colour, each as pieces of one style."""
    console = _open_console("truecolor", width)
    return console.render_lines(_paint(view, console, taste), pad=False)


def draw_plain(view: View, taste: Taste, width: int | None = None) -> list[str]:
    """The rows of the view without colours."""
    console = _open_console(None, width)
    rows = console.render_lines(_paint(view, console, taste), pad=False)
    return ["".join(piece.text for piece in row) for row in rows]


def choose_theme(paper: Paper) -> TerminalTheme:
    """Ground and ink of a paper."""
    return ON_DARK if paper is Paper.DARK else DEFAULT_TERMINAL_THEME


def write_bytes(path: Path, content: bytes) -> None:
    """Write a whole file or nothing."""
    with writing(path) as temporary:
        temporary.write_bytes(content)


def _paint(view: View, console: Console, taste: Taste) -> RenderableType:
    return view.paint(console, Look(color_system=console.color_system, signed=view.signed, by=view.by, taste=taste))
