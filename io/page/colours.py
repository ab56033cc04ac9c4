"""Ramps of colours, and the CIELAB in which their steps look equally far apart.

Textual has the same conversion, and a test compares the two. Importing it takes 0.1 s, a fifth of a coloured ``show``.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

RGB = tuple[int, int, int]
Lab = tuple[float, float, float]

VIOLET = ("#ffffff", "#cdc5ff", "#9b86ef", "#7647ea", "#270086")
TEAL = ("#ffffff", "#bee6e4", "#68bebc", "#0a8484", "#004a4c")
PINK = ("#ffffff", "#ffcde0", "#f080ac", "#c42870", "#6e003a")
ON_DARK = {  # the same for a dark page, where nothing is dark and much is bright
    "violet": ("#16131f", "#392c6e", "#5e46be", "#9680f5", "#ded6ff"),
    "teal": ("#16131f", "#0a4244", "#0a7474", "#46b0ac", "#bef0ec"),
    "pink": ("#16131f", "#5c1238", "#a02460", "#ec70a4", "#ffd0e2"),
}
N_STEPS = 33  # of a ramp that is looked up


def list_ramps() -> dict[str, dict[str, list[RGB]]]:
    """All ramps for light and for dark pages, in even steps."""
    on_light = {"violet": VIOLET, "teal": TEAL, "pink": PINK}
    return {
        paper: {
            name: [interpolate(stops, at / (N_STEPS - 1)) for at in range(N_STEPS)] for name, stops in ramps.items()
        }
        for paper, ramps in (("light", on_light), ("dark", ON_DARK))
    }


def interpolate(stops: Sequence[str], level: float) -> RGB:
    """The colour of a ramp at a level, 0 to 1: along straight lines in CIELAB from stop to stop."""
    place = level * (len(stops) - 1)
    left = min(int(place), len(stops) - 2)
    pairs = zip(to_lab(stops[left]), to_lab(stops[left + 1]), strict=True)
    lightness, a, b = (start + (stop - start) * (place - left) for start, stop in pairs)
    return from_lab((lightness, a, b))


@cache
def to_lab(code: str) -> Lab:
    """CIELAB of #rrggbb, with the white of D65 (CIE 15:2004; sRGB as IEC 61966-2-1)."""
    red, green, blue = (linearize(int(code[at : at + 2], 16)) for at in (1, 3, 5))
    x, y, z = (sum(row[at] * part for at, part in enumerate((red, green, blue))) for row in TO_XYZ)
    x, y, z = (_lab_root(part / white) for part, white in zip((x, y, z), D65, strict=True))
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def from_lab(lab: Lab) -> RGB:
    """The nearest colour that a screen has, red, green and blue from 0 to 255."""
    lightness, a, b = lab
    y = (lightness + 16) / 116
    xyz = [_lab_cube(part) * white for part, white in zip((y + a / 500, y, y - b / 200), D65, strict=True)]
    linear = (sum(row[at] * part for at, part in enumerate(xyz)) for row in FROM_XYZ)
    red, green, blue = (round(255 * _encode(min(max(part, 0.0), 1.0))) for part in linear)
    return red, green, blue


def luminance(red: float, green: float, blue: float) -> float:
    """Relative luminance of a colour with parts from 0 to 255, 0 to 1, as WCAG 2 defines it."""
    return sum(weight * linearize(part) for weight, part in zip(TO_XYZ[1], (red, green, blue), strict=True))


def linearize(part: float) -> float:
    """A part of an sRGB colour, 0 to 255, as a part of light, 0 to 1."""
    value = part / 255
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4


def _encode(part: float) -> float:
    return 12.92 * part if part <= 0.0031308 else 1.055 * part ** (1 / 2.4) - 0.055


def _lab_root(part: float) -> float:
    return part ** (1 / 3) if part > (6 / 29) ** 3 else part / (3 * (6 / 29) ** 2) + 4 / 29


def _lab_cube(part: float) -> float:
    return part**3 if part > 6 / 29 else 3 * (6 / 29) ** 2 * (part - 4 / 29)


D65 = (0.95047, 1.0, 1.08883)
TO_XYZ = ((0.4124564, 0.3575761, 0.1804375), (0.2126729, 0.7151522, 0.0721750), (0.0193339, 0.1191920, 0.9503041))
FROM_XYZ = ((3.2404542, -1.5371385, -0.4985314), (-0.9692660, 1.8760108, 0.0415560), (0.0556434, -0.2040259, 1.0572252))
