"""Ramps of colours against CIELAB worked out by hand."""

from __future__ import annotations

from itertools import pairwise

import pytest

from promptlight.io.page.colours import ON_DARK, PINK, TEAL, VIOLET, interpolate

RGB = tuple[int, int, int]


def parse(code: str) -> RGB:
    red, green, blue = (int(code[at : at + 2], 16) for at in (1, 3, 5))
    return red, green, blue


def to_lab(colour: RGB) -> tuple[float, float, float]:
    """CIELAB by CIE 15:2004, with the white of D65 and sRGB as in IEC 61966-2-1."""
    r, g, b = (x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in (part / 255 for part in colour))
    x = (0.4124564 * r + 0.3575761 * g + 0.1804375 * b) / 0.95047
    y = 0.2126729 * r + 0.7151522 * g + 0.0721750 * b
    z = (0.0193339 * r + 0.1191920 * g + 0.9503041 * b) / 1.08883
    f_x, f_y, f_z = (t ** (1 / 3) if t > (6 / 29) ** 3 else t / (3 * (6 / 29) ** 2) + 4 / 29 for t in (x, y, z))
    return 116 * f_y - 16, 500 * (f_x - f_y), 200 * (f_y - f_z)


# From tables of sRGB's primaries (Lindbloom's calculator, D65), to two digits
@pytest.mark.parametrize(
    ("code", "lab"),
    [
        ("#ffffff", (100.0, 0.0, 0.0)),
        ("#000000", (0.0, 0.0, 0.0)),
        ("#ff0000", (53.24, 80.09, 67.20)),
        ("#00ff00", (87.73, -86.18, 83.18)),
        ("#0000ff", (32.30, 79.19, -107.86)),
        ("#808080", (53.59, 0.0, 0.0)),
    ],
)
def test_known_colours_are_where_they_are_known_to_be(code: str, lab: tuple[float, float, float]) -> None:
    assert to_lab(parse(code)) == pytest.approx(lab, abs=0.02)


@pytest.mark.parametrize("stops", [VIOLET, TEAL, PINK])
def test_a_ramp_meets_its_stops_and_never_gets_lighter(stops: tuple[str, ...]) -> None:
    for at, code in enumerate(stops):
        assert interpolate(stops, at / 4) == pytest.approx(parse(code), abs=1)
    lightness = [to_lab(interpolate(stops, step / 100))[0] for step in range(101)]
    assert all(after <= before + 0.5 for before, after in pairwise(lightness))  # a screen's colours are whole numbers
    assert lightness[0] - lightness[-1] > 70


@pytest.mark.parametrize("stops", [VIOLET, TEAL, PINK, *ON_DARK.values()])
def test_steps_of_a_ramp_lie_on_straight_lines_between_its_stops(stops: tuple[str, ...]) -> None:
    for percent in range(101):
        left = min(percent // 25, 3)
        part = percent / 25 - left
        ends = zip(*(to_lab(parse(stops[at])) for at in (left, left + 1)), strict=True)
        expected = [start + (stop - start) * part for start, stop in ends]
        assert to_lab(interpolate(stops, percent / 100)) == pytest.approx(expected, abs=1.2), percent
