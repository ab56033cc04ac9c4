"""A view as a piece of HTML for a notebook: text and CSS, no script, light or dark as the page around it is.

1. Draw the view twice, for light and for dark paper. Both have the same rows of the same pieces.
2. Each pair of styles becomes one rule of CSS, ``light-dark(#cdc5ff,#392c6e)``. Class names begin with a name that is
   made from the content, so that no other output on the page is touched.
3. If that is larger than ``most`` bytes, the rows in the middle are left out, and a row says how many.
"""

from __future__ import annotations

import hashlib
import html
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import groupby

from rich.style import Style
from rich.terminal_theme import TerminalTheme

from promptlight.cli.views.look import Paper, Taste
from promptlight.cli.views.output import View, choose_theme, draw_plain, draw_rows

MOST_HTML, MOST_TEXT = 150_000, 45_000  # bytes: a notebook keeps both, and is to stay small
ROOM = 2_000  # bytes for what is around the rows
OF_RULE = 40  # bytes of a rule without its declarations
PART_ABOVE = 0.6  # of the rows that stay, in bytes; the strongest sources are listed below the text
IS_LIGHT = ('[data-jp-theme-light="true"]', '[data-theme="light"]', 'html[theme="light"]', ".vscode-light")
IS_DARK = ('[data-jp-theme-light="false"]', '[data-theme="dark"]', 'html[theme="dark"]', ".vscode-dark")
COLOURS = ("color", "background-color")
Pair = tuple[Style | None, Style | None]  # on light and on dark paper


@dataclass(frozen=True)
class _Row:
    """A row, and the rules of CSS that it needs: class -> declarations."""

    text: str
    needs: Mapping[str, str] = field(default_factory=dict[str, str])


def draw_fragment(view: View, taste: Taste, *, left_out: str, most: int = MOST_HTML) -> str:
    """The view as HTML of at most ``most`` bytes; ``left_out`` says where all rows are if some do not fit."""
    light, dark = (draw_rows(view, replace(taste, paper=paper)) for paper in (Paper.LIGHT, Paper.DARK))
    names: dict[str, str] = {}  # declarations -> class
    rows = [
        _mark_up([(one.text, (one.style, other.style)) for one, other in zip(*both, strict=True)], names)
        for both in zip(light, dark, strict=True)
    ]
    kept = _keep_rows(rows, most - ROOM)
    rules = {name: declared for number in kept for name, declared in rows[number].needs.items()}
    return _assemble("\n".join(_join(rows, kept, html.escape(left_out))), rules)


def draw_text(view: View, taste: Taste, *, left_out: str, most: int = MOST_TEXT) -> str:
    """The view without colours, as text of at most ``most`` bytes."""
    rows = [_Row(row.rstrip()) for row in draw_plain(view, taste)]
    return "\n".join(_join(rows, _keep_rows(rows, most - ROOM), left_out))


def _mark_up(pieces: Sequence[tuple[str, Pair]], names: dict[str, str]) -> _Row:
    """A row as HTML; new declarations get a class in ``names``."""
    parts: list[str] = []
    needs: dict[str, str] = {}
    for declared, same in groupby(pieces, lambda piece: _declare(piece[1])):
        text = html.escape("".join(text for text, _ in same), quote=False)
        if declared:
            name = names.setdefault(declared, f"s{len(names)}")
            needs[name] = declared
            text = f'<span class="{name}">{text}</span>'
        parts.append(text)
    return _Row("".join(parts), needs)


@lru_cache(maxsize=4096)
def _declare(pair: Pair) -> str:
    """The CSS of two styles, one for each paper."""
    light, dark = (
        _read_css(style, choose_theme(paper)) for style, paper in zip(pair, (Paper.LIGHT, Paper.DARK), strict=True)
    )
    return ";".join(_join_values(name, light.get(name), dark.get(name)) for name in sorted(light.keys() | dark.keys()))


def _read_css(style: Style | None, theme: TerminalTheme) -> dict[str, str]:
    if style is None:
        return {}
    pairs = (part.split(":", 1) for part in style.get_html_style(theme).split(";") if part.strip())
    found = {name.strip(): value.strip() for name, value in pairs}
    found.pop("text-decoration-color", None)  # the text's own
    return found


def _join_values(name: str, light: str | None, dark: str | None) -> str:
    if light == dark or name not in COLOURS:
        return f"{name}:{light or dark}"
    absent = "currentcolor" if name == "color" else "transparent"
    return f"{name}:light-dark({light or absent},{dark or absent})"


def _keep_rows(rows: Sequence[_Row], most: int) -> list[int]:
    """The numbers of the rows that fit: all, or the first and the last ones."""
    if _count_fitting(rows, most, set()) == len(rows):
        return list(range(len(rows)))
    seen: set[str] = set()
    above = _count_fitting(rows, int(PART_ABOVE * most), seen)
    below = _count_fitting(rows[:above:-1], most - int(PART_ABOVE * most), seen)
    return [*range(above), *range(len(rows) - below, len(rows))]


def _count_fitting(rows: Sequence[_Row], most: int, seen: set[str]) -> int:
    """How many rows fit, from the first on; a rule counts where it is not ``seen`` yet."""
    n_bytes = 0
    for number, row in enumerate(rows):
        n_bytes += len(row.text.encode()) + 1
        n_bytes += sum(len(declared) + OF_RULE for name, declared in row.needs.items() if name not in seen)
        if n_bytes > most:
            return number
        seen |= row.needs.keys()
    return len(rows)


def _join(rows: Sequence[_Row], kept: Sequence[int], left_out: str) -> Iterator[str]:
    """The rows that are kept, and a row where others are left out."""
    before = -1
    for number in kept:
        if number != before + 1:
            yield f"… {number - before - 1:,} rows are left out here; {left_out}"
        yield rows[number].text
        before = number


def _assemble(body: str, rules: Mapping[str, str]) -> str:
    """Style and text, under a name of their own."""
    name = f"promptlight-{hashlib.sha256((body + str(rules)).encode()).hexdigest()[:8]}"
    light, dark = choose_theme(Paper.LIGHT), choose_theme(Paper.DARK)
    ground, ink = (
        f"light-dark({_spell(one)},{_spell(other)})"
        for one, other in (
            (light.background_color, dark.background_color),
            (light.foreground_color, dark.foreground_color),
        )
    )
    around = (
        f"display:block;color-scheme:light dark;background:{ground};color:{ink};margin:0;padding:.8em 1em;"
        "border-radius:6px;overflow-x:auto;white-space:pre;line-height:1.35;font-size:13px;"
        "font-family:Menlo,Consolas,'DejaVu Sans Mono',monospace"
    )
    styles = [
        f"pre.{name}{{{around}}}",
        *(f"{where} pre.{name}{{color-scheme:light}}" for where in IS_LIGHT),
        *(f"{where} pre.{name}{{color-scheme:dark}}" for where in IS_DARK),
        *(f".{name} .{one}{{{declared}}}" for one, declared in rules.items()),
    ]
    return f'<style>{"".join(styles)}</style><pre class="{name}">{body}</pre>'


def _spell(colour: Sequence[int]) -> str:
    return "#" + "".join(f"{part:02x}" for part in colour)
