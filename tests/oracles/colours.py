"""How far apart two colours look, to people with and without a colour vision deficiency, worked out by hand.

Colours have parts from 0 to 255 (sRGB, IEC 61966-2-1). Distances are CIE76, Euclidean in CIELAB (CIE 15:2004): about 2
is the least that a trained eye sees side by side; 10 is seen at a glance.

The matrices are those of Machado, Oliveira and Fernandes, "A Physiologically-based Model for Simulation of Color Vision
Deficiency", IEEE TVCG 15(6), 2009, table 1, severity 1.0. They apply to linear RGB.
"""

from __future__ import annotations

import math

RGB = tuple[int, int, int]
Triple = tuple[float, float, float]

VISIONS: dict[str, tuple[Triple, Triple, Triple]] = {
    "normal": ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
    "protanopia": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
}


def parse(code: str) -> RGB:
    """``#rrggbb`` as numbers."""
    red, green, blue = (int(code[at : at + 2], 16) for at in (1, 3, 5))
    return red, green, blue


def to_lab(colour: RGB, vision: str = "normal") -> Triple:
    """CIELAB of a colour as someone sees it, with the white of D65."""
    linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in (part / 255 for part in colour)]
    seen = (sum(a * b for a, b in zip(row, linear, strict=True)) for row in VISIONS[vision])
    r, g, b = (min(max(part, 0.0), 1.0) for part in seen)
    x = (0.4124564 * r + 0.3575761 * g + 0.1804375 * b) / 0.95047
    y = 0.2126729 * r + 0.7151522 * g + 0.0721750 * b
    z = (0.0193339 * r + 0.1191920 * g + 0.9503041 * b) / 1.08883
    f_x, f_y, f_z = (t ** (1 / 3) if t > (6 / 29) ** 3 else t / (3 * (6 / 29) ** 2) + 4 / 29 for t in (x, y, z))
    return 116 * f_y - 16, 500 * (f_x - f_y), 200 * (f_y - f_z)


def distance(one: RGB, other: RGB, vision: str = "normal") -> float:
    """How far apart two colours look to someone."""
    return math.dist(to_lab(one, vision), to_lab(other, vision))


def contrast(one: RGB, other: RGB) -> float:
    """The contrast ratio of two colours by WCAG 2.2, 1 to 21."""

    def luminance(colour: RGB) -> float:
        parts = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in (part / 255 for part in colour)]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)
