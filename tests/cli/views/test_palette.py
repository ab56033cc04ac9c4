"""Colours: that they can be read, that more looks like more, and that CIELAB is CIELAB."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from promptlight.cli.views.look import Marking, Taste
from promptlight.cli.views.palette import Look, paint
from promptlight.io.page.colours import PINK, TEAL, VIOLET, from_lab, interpolate, luminance, to_lab

RAMPS = {1: VIOLET, 2: TEAL, 3: PINK}


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


@pytest.mark.parametrize("stops", RAMPS.values())
def test_a_ramp_meets_its_stops_and_never_gets_lighter(stops: tuple[str, ...]) -> None:
    for at, code in enumerate(stops):
        assert interpolate(stops, at / 4) == tuple(int(code[at : at + 2], 16) for at in (1, 3, 5))
    lightness = [to_lab("#{:02x}{:02x}{:02x}".format(*interpolate(stops, step / 100)))[0] for step in range(101)]
    assert all(after <= before + 0.3 for before, after in pairwise(lightness))  # a screen's colours are rounded
    assert lightness[0] - lightness[-1] > 70


@pytest.mark.parametrize("color_system", ["256", "truecolor"])
@pytest.mark.parametrize(("sign", "signed"), [(1, False), (1, True), (-1, True)])
def test_each_shade_is_darker_than_the_last_and_its_text_can_be_read(
    color_system: str, sign: int, signed: bool
) -> None:
    backgrounds: list[float] = []
    styles = [paint(sign * percent / 100, color_system, signed=signed) for percent in range(101)]
    for style in [*styles, Look(color_system=color_system).target]:
        assert style
        assert style.color
        assert style.bgcolor
        ink, paper = (luminance(*colour.get_truecolor()) for colour in (style.color, style.bgcolor))
        assert (max(ink, paper) + 0.05) / (min(ink, paper) + 0.05) >= 4.5  # WCAG's level AA
        backgrounds.append(paper)
    assert all(after <= before + 0.003 for before, after in pairwise(backgrounds[:-1]))
    assert backgrounds[0] > 0.99
    assert backgrounds[-2] < 0.1


@pytest.mark.parametrize("color_system", ["standard", "256", "truecolor", None])
def test_signs_look_different(color_system: Any) -> None:
    for marking in Marking:
        look = Look(color_system=color_system, signed=True, taste=Taste(marking=marking))
        shown = [(look.shade(level), look.mark(level), look.bar(level)) for level in (-0.8, 0.8)]
        assert shown[0] != shown[1]


def test_intensity_is_lits() -> None:
    neutral, strong, weak = (Look(color_system="256", taste=Taste(intensity=at)) for at in (0.4, 0.8, 0.2))
    assert neutral.strengthen(0.25) == pytest.approx(0.25)
    assert strong.strengthen(0.25) == pytest.approx(0.5)
    assert weak.strengthen(0.25) == pytest.approx(0.0625)
    for look in (neutral, strong, weak):
        assert (look.strengthen(0.0), look.strengthen(1.0)) == (0.0, 1.0)
        assert look.strengthen(-0.5) == look.strengthen(0.5)  # has no sign
    assert Look(color_system=None, signed=True).strengthen(-0.25) == pytest.approx(-0.25)
