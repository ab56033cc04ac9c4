"""Ramps: CIELAB is CIELAB, and a ramp's steps lie where another implementation puts them."""

from __future__ import annotations

from itertools import pairwise

import pytest
from textual.color import Color, Lab, lab_to_rgb, rgb_to_lab

from promptlight.io.page.colours import ON_DARK, PINK, TEAL, VIOLET, from_lab, interpolate, to_lab


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
    assert to_lab(code) == pytest.approx(lab, abs=0.02)
    assert from_lab(lab) == tuple(int(code[at : at + 2], 16) for at in (1, 3, 5))


@pytest.mark.parametrize("stops", [VIOLET, TEAL, PINK])
def test_a_ramp_meets_its_stops_and_never_gets_lighter(stops: tuple[str, ...]) -> None:
    for at, code in enumerate(stops):
        assert interpolate(stops, at / 4) == tuple(int(code[at : at + 2], 16) for at in (1, 3, 5))
    lightness = [to_lab("#{:02x}{:02x}{:02x}".format(*interpolate(stops, step / 100)))[0] for step in range(101)]
    assert all(after <= before + 0.3 for before, after in pairwise(lightness))  # a screen's colours are rounded
    assert lightness[0] - lightness[-1] > 70


@pytest.mark.parametrize("stops", [VIOLET, TEAL, PINK, *ON_DARK.values()])
def test_a_ramp_is_textuals_to_one_step_of_a_screen(stops: tuple[str, ...]) -> None:
    for percent in range(101):
        left, part = min(percent // 25, 3), percent / 25 - min(percent // 25, 3)
        ends = zip(*(rgb_to_lab(Color.parse(stops[at])) for at in (left, left + 1)), strict=True)
        expected = lab_to_rgb(Lab(*(start + (stop - start) * part for start, stop in ends)))
        found = interpolate(stops, percent / 100)
        assert all(abs(one - other) <= 1 for one, other in zip(found, expected.rgb, strict=True)), percent
