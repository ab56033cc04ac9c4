"""What a console recorded, as an SVG that looks the same everywhere.

Rich begins a text with the blanks before it, as no-break spaces. librsvg (GNOME, ImageMagick, pandoc) leaves these out,
and columns move to the left. Rich also counts every character as one cell, which squeezes Chinese into half its width.
So each text is placed anew: where its first visible character is, and as wide as its cells.
"""

from __future__ import annotations

import html
import re

from rich.cells import cell_len
from rich.console import Console
from rich.terminal_theme import TerminalTheme

CELL = 20 * 0.61  # pixels: the height and the aspect ratio of Rich's font
FONT_FACES = re.compile(r"@font-face \{.*?\}\n", re.DOTALL)  # Rich's SVG loads its font from a server
BLANK = "&#160;"
PLACED = r'(<text class="[^"]*") x="([\d.]+)" (y="[\d.]+") textLength="[\d.]+" (clip-path="[^"]*">)'
TEXT = re.compile(rf"{PLACED}((?:{BLANK})*)([^<]*)</text>")


def export_svg(console: Console, title: str, theme: TerminalTheme) -> str:
    """Everything that was printed."""
    return place_texts(console.export_svg(title=title, clear=False, theme=theme))


def place_texts(svg: str) -> str:
    """An SVG that Rich made, with each text at its cell, and without fonts from a server."""
    return TEXT.sub(_place, FONT_FACES.sub("", svg))


def _place(found: re.Match[str]) -> str:
    """A text without the blanks around it, at the cell where it begins."""
    opening, x, y, clip, blanks, text = found.groups()
    body = re.sub(rf"(?:{BLANK})+$", "", text)
    if not body.strip():  # a line feed
        return ""
    start = float(x) + CELL * (len(blanks) // len(BLANK))
    width = CELL * cell_len(html.unescape(body))
    return f'{opening} x="{start:.6g}" {y} textLength="{width:.6g}" {clip}{body}</text>'
