"""From a level of salience, 0 to 1, to how a piece of text looks in this terminal.

With colours, the whole text is painted like a page: white where nothing matters, deep violet where it matters most
(LIT's ramp), so that it reads the same on dark and on light terminals. Without colours, a small raised number after
a piece says its percentage of the strongest one.
"""

from __future__ import annotations

from rich.color import Color
from rich.color_triplet import ColorTriplet
from rich.style import Style

RAMP = ((255, 255, 255), (205, 197, 255), (155, 134, 239), (118, 71, 234), (39, 0, 134))
STANDARD = ("default", "magenta", "bold bright_magenta", "black on bright_magenta", "bold bright_white on magenta")
TARGET = {
    "truecolor": Style(color="#ffffff", bgcolor="#00695c", bold=True),
    "standard": Style.parse("bold black on bright_green"),
}
SUPERSCRIPT = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
SMALLEST_MARK = 5  # percent


def shade(level: float, color_system: str) -> Style:
    """The style of a source at a level of salience, for one of Rich's colour systems."""
    level = min(max(level, 0.0), 1.0)
    if color_system in ("standard", "windows"):
        return Style.parse(STANDARD[min(int(level * len(STANDARD)), len(STANDARD) - 1)])
    red, green, blue = background = interpolate(level)
    bright = 0.299 * red + 0.587 * green + 0.114 * blue > 140
    return Style(
        color="#1b1b1b" if bright else "#ffffff",
        bgcolor=Color.from_triplet(ColorTriplet(*background)),
        bold=level > 0.5,  # weight says it too, for eyes that see violet badly
    )


def target_style(color_system: str) -> Style:
    """The style of what is being explained."""
    return TARGET["standard" if color_system in ("standard", "windows") else "truecolor"]


def mark(level: float) -> str:
    """The level as a raised percentage; nothing for the faint ones."""
    percent = round(100 * level)
    return str(percent).translate(SUPERSCRIPT) if percent >= SMALLEST_MARK else ""


def interpolate(level: float) -> tuple[int, int, int]:
    """A colour of the ramp, red, green and blue from 0 to 255."""
    place = level * (len(RAMP) - 1)
    left = min(int(place), len(RAMP) - 2)
    part = place - left
    red, green, blue = (round(a + (b - a) * part) for a, b in zip(RAMP[left], RAMP[left + 1], strict=True))
    return red, green, blue
