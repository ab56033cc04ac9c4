"""Turn a level of salience, -1 to 1, into the style of a piece of text in this terminal.

With many colours, the whole text is painted, like a page. On light paper it goes from white, where nothing matters, to
deep violet; on dark paper from nearly black to bright violet: the stronger the colour, the more the piece matters.
Signed scores are blue if a source raised the target and orange if it lowered it, or LIT's teal and pink. All ramps are
interpolated in CIELAB, as LIT's are: equal steps look equally far apart. The target is amber, which is easy to tell
from the others. Every theme has its own 16 colours, so there only three of them, bold, underline and reverse are used:
they stand out on any background. Without colours, a line has its percentage of the strongest one behind it,
``Avoid.‹34%›``; shorter pieces have bars below them, because so many numbers would hide the text.

*Intensity*, 0 to 1, is LIT's: a level is raised to the power 0.4 / intensity, so a higher one makes faint pieces easier
to see.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from rich.color import Color
from rich.color_triplet import ColorTriplet
from rich.style import Style

from promptlight.cli.views.look import DEFAULT, NEUTRAL_INTENSITY, Marking, Paper, Taste
from promptlight.io.page.colours import RAMPS, SIGNED, interpolate, luminance, name_hue
from promptlight.salience.types import Cut, Granularity

# chosen by hand: the nearest of the 256 colours drift to other hues, or can't be told apart without red or green
CODES = {
    "light": {
        "violet": (231, 189, 147, 141, 99, 98, 56, 55, 54),
        "blue": (231, 189, 111, 74, 33, 32, 26, 25, 17),
        "orange": (231, 224, 217, 210, 173, 167, 130, 88, 52),
        "teal": (231, 195, 152, 116, 80, 44, 37, 30, 23),
        "pink": (231, 225, 218, 211, 204, 168, 162, 125, 89),
    },
    "dark": {
        "violet": (233, 53, 54, 55, 98, 99, 105, 147, 189),
        "blue": (233, 17, 24, 25, 26, 32, 33, 111, 153),
        "orange": (233, 52, 88, 124, 130, 167, 209, 216, 223),
        "teal": (233, 236, 23, 30, 37, 73, 80, 152, 195),
        "pink": (233, 235, 53, 89, 125, 168, 211, 218, 224),
    },
}
OF_16 = {
    "violet": "magenta",
    "blue": "cyan",
    "orange": "red",
    "teal": "cyan",
    "pink": "magenta",
}  # blue is hard to read
FEW_COLOURS, MANY_COLOURS = ("standard", "windows"), ("256", "truecolor")  # of Rich's colour systems
STANDARD = ("default", "{0}", "bold {0}", "bold underline {0}", "bold reverse {0}")
BLACK, WHITE = "color(16)", "color(231)"  # themes don't change these
EQUAL_CONTRAST = 0.179  # the luminance with equal contrast to black and white, by WCAG's formula
TARGET = {"truecolor": f"bold {BLACK} on #ffb300", "256": f"bold {BLACK} on color(214)", "standard": "black on yellow"}
SMALLEST_BAR, SMALLEST_MARK = 5, 20  # percent; more marks without colours are noise in a text
LONG = (Granularity.LINE, Granularity.PARAGRAPH, Granularity.SECTION)  # numbers behind these don't hide the text
BARS, FADING_BARS = "▁▂▃▄▅▆▇█", "░▒▓"  # positive levels; negative ones without colours
LEVEL = "level"  # its key in a style's meta data


@dataclass(frozen=True, kw_only=True)
class Look:
    """How to draw salience: for which terminal (``color_system`` None: no colours), which sources, in which taste."""

    color_system: str | None
    signed: bool = False
    by: Cut | None = None
    taste: Taste = DEFAULT

    @property
    def marking(self) -> Marking:
        """How a piece's salience is shown."""
        highlights = self.color_system or self.by in LONG
        return self.taste.marking or (Marking.HIGHLIGHT if highlights else Marking.UNDERLINE)

    @property
    def paper(self) -> Paper:
        """The paper that is drawn on: light unless the taste says dark."""
        return Paper.DARK if self.taste.paper is Paper.DARK else Paper.LIGHT

    @property
    def hues(self) -> tuple[str, str]:
        """The names of the hues of what raised the target, and of what lowered it."""
        raised, lowered = SIGNED[self.taste.colours]
        return (OF_16[raised], OF_16[lowered]) if self.color_system in FEW_COLOURS else (raised, lowered)

    @property
    def target(self) -> Style | None:
        """The style of the target."""
        if self.color_system is None:
            return None
        return Style.parse(TARGET["standard" if self.color_system in FEW_COLOURS else self.color_system])

    def shade(self, level: float) -> Style | None:
        """The style of a source at a level; with bars, the style only carries the level for ``bar``."""
        if self.marking is Marking.UNDERLINE:
            return Style(meta={LEVEL: level})
        return self.paint(self.strengthen(level))

    def paint(self, level: float) -> Style | None:
        """The style of a level to which the intensity is applied already; None without colours."""
        if not self.color_system:
            return None
        hue = name_hue(level, signed=self.signed, colours=self.taste.colours)
        # a thousand shades are too fine to tell apart, and rounding makes the cache effective
        return paint(round(abs(level), 3), self.color_system, hue, self.paper)

    def mark(self, level: float) -> str:
        """The mark after a piece if there are no colours: its level in percent, nothing if faint."""
        if self.color_system or self.marking is Marking.UNDERLINE or not self.is_marked(level):
            return ""
        return f"‹{round(100 * level)}%›"

    def is_marked(self, level: float) -> bool:
        """Whether a piece of a text is strong enough for a bar or a number."""
        return 100 * abs(self.strengthen(level)) >= (SMALLEST_BAR if self.color_system else SMALLEST_MARK)

    def bar(self, level: float) -> tuple[str, Style | None]:
        """One cell of a bar: its character, and its style if there are colours."""
        strength = abs(self.strengthen(level))
        if 100 * strength < SMALLEST_BAR:
            return " ", None
        if level < 0 and not self.color_system:
            return FADING_BARS[step(strength, len(FADING_BARS))], None
        style = self.paint(math.copysign(0.5, level))
        ink = Style(color=style.bgcolor or style.color) if style else None
        return BARS[step(strength, len(BARS))], ink

    def strengthen(self, level: float) -> float:
        """Apply the intensity to a level, -1 to 1; negative only for signed scores."""
        strength = min(abs(level), 1.0) ** (NEUTRAL_INTENSITY / max(self.taste.intensity, 1e-3))
        return -strength if level < 0 and self.signed else strength

    @property
    def steps(self) -> Sequence[float]:
        """The levels for a legend."""
        return (-1.0, -0.5, 0.0, 0.5, 1.0) if self.signed else (0.0, 0.25, 0.5, 0.75, 1.0)


@lru_cache(maxsize=8192)
def paint(level: float, color_system: str, hue: str, paper: Paper) -> Style:
    """The style of a level, 0 to 1, for one of Rich's colour systems."""
    size = min(level, 1.0)
    if color_system in FEW_COLOURS:
        return Style.parse(STANDARD[step(size, len(STANDARD))].format(OF_16[hue]))
    if color_system == "256":
        codes = CODES[paper][hue]
        background = Color.from_ansi(codes[step(size, len(codes))])
    else:
        background = Color.from_triplet(ColorTriplet(*interpolate(RAMPS[paper][hue], size)))
    ink = BLACK if luminance(*background.get_truecolor()) > EQUAL_CONTRAST else WHITE
    return Style(color=ink, bgcolor=background, bold=size > 0.5)  # bold too, for readers who see hues badly


def step(level: float, n_steps: int) -> int:
    """Which step of a ramp a level falls on, from 0."""
    return min(int(level * n_steps), n_steps - 1)
