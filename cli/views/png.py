"""Rows of styled text as a PNG: each character is drawn into its cell, as a terminal does.

Blocks and rules (``▄``, ``░``, ``├``) are drawn as rectangles, so that they join without gaps. Needs Pillow, the extra
``png``.
"""

# pyright: standard

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import regex
from PIL import Image, ImageDraw
from PIL.PngImagePlugin import PngInfo
from rich.cells import cell_len
from rich.color import blend_rgb
from rich.segment import Segment
from rich.style import Style
from rich.terminal_theme import TerminalTheme

from promptlight.cli.views._faces import compose, find_face
from promptlight.salience.errors import OutputError

CELL, ROW, MARGIN = 17, 34, 34  # pixels: the width and height of a cell, and the border around the text
UNDERLINE, STRIKE, PEN = 30, 17, 2  # pixels below a row's top, and a line's thickness
DIM = 0.4  # of the ground in dim text, as in Rich's SVG
MOST_PIXELS = 89_478_485  # above it, Pillow takes a picture for an attack when it opens it
BARS = {bar: eighths for eighths, bar in enumerate("▁▂▃▄▅▆▇█", 1)}
FADING = {"░": 0.25, "▒": 0.5, "▓": 0.75}
RULES = {  # where a rule goes from the cell's middle: left, right, up, down
    "─": "lr",
    "│": "ud",
    "┌": "rd",
    "┐": "ld",
    "└": "ur",
    "┘": "ul",
    "├": "urd",
    "┤": "uld",
    "┬": "lrd",
    "┴": "lru",
    "┼": "lrud",
}
Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Drawn:
    """A PNG, and the clusters of characters that no font has: a box stands for each."""

    png: bytes
    missing: Sequence[str]


def draw_png(rows: Sequence[Sequence[Segment]], theme: TerminalTheme, title: str) -> Drawn:
    """The rows as a PNG on the theme's ground. Raises OutputError if they are too many."""
    width = 2 * MARGIN + CELL * max([1, *(sum(piece.cell_length for piece in row) for row in rows)])
    height = 2 * MARGIN + ROW * max(1, len(rows))
    if width * height > MOST_PIXELS:
        most = max(0, MOST_PIXELS // width - 2 * MARGIN) // ROW
        found = f"expected at most {most:,} rows of this width, found {len(rows):,}"
        raise OutputError(f"--png: {found}; --svg and --html take any number")
    image = Image.new("RGB", (width, height), tuple(theme.background_color))
    sheet = _Sheet(ImageDraw.Draw(image), theme)
    for number, row in enumerate(rows):
        sheet.draw_row(MARGIN + ROW * number, row)
    info = PngInfo()
    info.add_itxt("Title", title)
    output = io.BytesIO()
    image.save(output, "PNG", optimize=True, pnginfo=info)
    return Drawn(output.getvalue(), list(sheet.missing))


@dataclass
class _Sheet:
    """What is drawn on, and which clusters of characters could not be drawn, in their order."""

    canvas: ImageDraw.ImageDraw
    theme: TerminalTheme
    missing: dict[str, None] = field(default_factory=dict)

    def draw_row(self, top: int, row: Iterable[Segment]) -> None:
        """Draw the pieces of a row from the left margin on."""
        left = MARGIN
        for piece in row:
            if piece.control:
                continue
            style, text = piece.style or Style.null(), piece.text.rstrip("\n")
            ink, ground = _find_colours(style, self.theme)
            right = left + CELL * cell_len(text)
            if right > left and ground != tuple(self.theme.background_color):
                self._fill(left, top, right, top + ROW, ground)
            for cluster in regex.findall(r"\X", text):
                width = CELL * cell_len(cluster)
                self._draw_cluster(left, top, width, cluster, style, ink, ground)
                left += width
            self._draw_lines(right - CELL * cell_len(text), right, top, style, ink)

    def _draw_cluster(
        self, left: int, top: int, width: int, cluster: str, style: Style, ink: Colour, ground: Colour
    ) -> None:
        """Draw one visible character, which may be several code points."""
        if cluster.isspace() or not width:
            return
        if eighths := BARS.get(cluster):
            self._fill(left, top + ROW - round(ROW * eighths / 8), left + width, top + ROW, ink)
        elif cluster in FADING:
            self._fill(left, top, left + width, top + ROW, _blend(ground, ink, FADING[cluster]))
        elif cluster in RULES:
            self._draw_rule(left, top, RULES[cluster], ink)
        elif face := find_face(cluster := compose(cluster), bold=bool(style.bold), italic=bool(style.italic)):
            aside = max(0, width - face.font.getlength(cluster)) / 2
            self.canvas.text((left + aside, top + face.baseline), cluster, ink, face.font, anchor="ls")
        else:
            self.missing[cluster] = None
            self.canvas.rectangle((left + 3, top + 7, left + width - 4, top + ROW - 8), outline=ink, width=1)

    def _draw_rule(self, left: int, top: int, directions: str, ink: Colour) -> None:
        middle, centre = left + (CELL - PEN) // 2, top + (ROW - PEN) // 2
        across = (left if "l" in directions else middle, left + CELL if "r" in directions else middle + PEN)
        along = (top if "u" in directions else centre, top + ROW if "d" in directions else centre + PEN)
        if {"l", "r"} & set(directions):
            self._fill(across[0], centre, across[1], centre + PEN, ink)
        if {"u", "d"} & set(directions):
            self._fill(middle, along[0], middle + PEN, along[1], ink)

    def _draw_lines(self, left: int, right: int, top: int, style: Style, ink: Colour) -> None:
        """Draw the line below a text, and the one through it."""
        for wanted, place in ((style.underline, UNDERLINE), (style.strike, STRIKE)):
            if wanted and right > left:
                self._fill(left, top + place, right, top + place + PEN, ink)

    def _fill(self, left: int, top: int, right: int, bottom: int, colour: Colour) -> None:
        """Fill the half-open ranges of pixels."""
        self.canvas.rectangle((left, top, right - 1, bottom - 1), fill=colour)


def _find_colours(style: Style, theme: TerminalTheme) -> tuple[Colour, Colour]:
    """The colours of a text and of its ground."""
    ink = style.color.get_truecolor(theme) if style.color else theme.foreground_color
    ground = style.bgcolor.get_truecolor(theme, foreground=False) if style.bgcolor else theme.background_color
    if style.reverse:
        ink, ground = ground, ink
    if style.dim:
        ink = blend_rgb(ink, ground, DIM)
    return (ink[0], ink[1], ink[2]), (ground[0], ground[1], ground[2])


def _blend(first: Colour, second: Colour, part: float) -> Colour:
    red, green, blue = (round(one + (other - one) * part) for one, other in zip(first, second, strict=True))
    return red, green, blue
