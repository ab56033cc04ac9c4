"""Colour ramps with even steps in CIELAB, where equal steps look equally far apart.

Scores without a sign are violet. Signed ones have two hues: blue for what raised the target and orange for what lowered
it, which red-green-blind readers can tell apart, or LIT's teal and pink, which they can't.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum

RGB = tuple[int, int, int]


class Colours(StrEnum):
    """The two hues of signed scores."""

    SAFE = "safe"
    LIT = "lit"


class Marking(StrEnum):
    """How to show a piece's salience: by its background, or by a bar below it."""

    HIGHLIGHT = "highlight"
    UNDERLINE = "underline"


NEUTRAL_INTENSITY = 0.4  # LIT's default: a level is shown as it is
UNSIGNED = "violet"
SIGNED = {Colours.SAFE: ("blue", "orange"), Colours.LIT: ("teal", "pink")}  # what raised the target, what lowered it
RAMPS: Mapping[str, Mapping[str, tuple[str, ...]]] = {  # paper -> hue -> from nothing to the strongest
    "light": {
        "violet": ("#ffffff", "#cdc5ff", "#9b86ef", "#7647ea", "#270086"),
        "blue": ("#ffffff", "#bcd8ff", "#6fa8f0", "#1f66c8", "#00286e"),
        "orange": ("#ffffff", "#ffd0bc", "#ee8f6a", "#b64a18", "#5c1d00"),
        "teal": ("#ffffff", "#bee6e4", "#68bebc", "#0a8484", "#004a4c"),
        "pink": ("#ffffff", "#ffcde0", "#f080ac", "#c42870", "#6e003a"),
    },
    "dark": {  # low levels are dark, high ones bright
        "violet": ("#16131f", "#392c6e", "#5e46be", "#9680f5", "#ded6ff"),
        "blue": ("#16131f", "#0f3566", "#1c62b4", "#5ea2f5", "#b8d8ff"),
        "orange": ("#16131f", "#58240f", "#9c421a", "#ee8458", "#ffc4a8"),
        "teal": ("#16131f", "#0a4244", "#0a7474", "#46b0ac", "#bef0ec"),
        "pink": ("#16131f", "#5c1238", "#a02460", "#ec70a4", "#ffd0e2"),
    },
}
N_STEPS = 33  # of a ramp's lookup table


def list_ramps() -> dict[str, dict[str, list[RGB]]]:
    """All ramps for light and for dark pages, in even steps."""
    return {
        paper: {hue: [interpolate(stops, at / (N_STEPS - 1)) for at in range(N_STEPS)] for hue, stops in ramps.items()}
        for paper, ramps in RAMPS.items()
    }


def name_hue(level: float, *, signed: bool, colours: Colours) -> str:
    """The hue of a level, -1 to 1."""
    return SIGNED[colours][level < 0] if signed else UNSIGNED


def interpolate(stops: Sequence[str], level: float) -> RGB:
    """The colour of a ramp at a level, 0 to 1: along straight lines in CIELAB from stop to stop."""
    from textual.color import Color, Lab, lab_to_rgb, rgb_to_lab  # takes 0.1 s, and only colours need it

    place = level * (len(stops) - 1)
    left = min(int(place), len(stops) - 2)
    ends = zip(*(rgb_to_lab(Color.parse(stops[at])) for at in (left, left + 1)), strict=True)
    colour = lab_to_rgb(Lab(*(start + (stop - start) * (place - left) for start, stop in ends)))
    return colour.clamped.rgb  # straight lines in CIELAB may leave the colours that screens have


def luminance(red: float, green: float, blue: float) -> float:
    """Relative luminance of a colour with parts from 0 to 255, 0 to 1, as WCAG 2 defines it."""
    return 0.2126 * _linearize(red) + 0.7152 * _linearize(green) + 0.0722 * _linearize(blue)


def _linearize(part: float) -> float:
    """Convert a channel of an sRGB colour, 0 to 255, to linear light, 0 to 1."""
    value = part / 255
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
