"""From a level of salience, 0 to 1, to how a piece of text looks in this terminal.

With many colours, the whole text is painted like a page: white where nothing matters, deep violet where it matters most
(LIT's ramp), so that it reads the same on dark and on light terminals. The target is amber, which no eye takes for
violet. With 16 colours, which every theme paints in its own way, only magenta, bold, underlined and reversed are used:
they stand out from whatever the theme's background is. Without colours, a small raised number after a piece says its
percentage of the strongest one.
"""

from __future__ import annotations

from rich.color import Color
from rich.color_triplet import ColorTriplet
from rich.style import Style

RAMP = ((255, 255, 255), (205, 197, 255), (155, 134, 239), (118, 71, 234), (39, 0, 134))
RAMP_256 = (231, 189, 147, 141, 135, 99, 56, 55, 54)  # chosen by hand: the nearest of the 256 turn pink on their way
DARK_FROM = 2 / 3  # from here on white text contrasts more than black
STANDARD = ("default", "magenta", "bold magenta", "bold underline magenta", "bold reverse magenta")
BLACK, WHITE = "color(16)", "color(231)"  # what a theme doesn't change
TARGET = {"truecolor": f"bold {BLACK} on #ffb300", "256": f"bold {BLACK} on color(214)", "standard": "black on yellow"}
SUPERSCRIPT = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
SMALLEST_MARK = 5  # percent


def shade(level: float, color_system: str) -> Style:
    """The style of a source at a level of salience, for one of Rich's colour systems."""
    level = min(max(level, 0.0), 1.0)
    if color_system in ("standard", "windows"):
        return Style.parse(STANDARD[step(level, len(STANDARD))])
    if color_system == "256":
        background = Color.from_ansi(RAMP_256[step(level, len(RAMP_256))])
    else:
        background = Color.from_triplet(ColorTriplet(*interpolate(level)))
    bold = level > 0.5  # weight says it too, for eyes that see violet badly
    return Style(color=BLACK if level < DARK_FROM else WHITE, bgcolor=background, bold=bold)


def target_style(color_system: str) -> Style:
    """The style of what is being explained."""
    return Style.parse(TARGET["standard" if color_system == "windows" else color_system])


def mark(level: float) -> str:
    """The level as a raised percentage; nothing for the faint ones."""
    percent = round(100 * level)
    return str(percent).translate(SUPERSCRIPT) if percent >= SMALLEST_MARK else ""


def step(level: float, n_steps: int) -> int:
    """Which step of a ramp a level falls on, from 0."""
    return min(int(level * n_steps), n_steps - 1)


def interpolate(level: float) -> tuple[int, int, int]:
    """A colour of the ramp, red, green and blue from 0 to 255."""
    place = level * (len(RAMP) - 1)
    left = min(int(place), len(RAMP) - 2)
    part = place - left
    red, green, blue = (round(a + (b - a) * part) for a, b in zip(RAMP[left], RAMP[left + 1], strict=True))
    return red, green, blue
