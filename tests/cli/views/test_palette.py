"""Colours: that they can be read, and that more looks like more."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from promptlight.cli.views.look import Marking, Taste
from promptlight.cli.views.palette import Look, paint
from promptlight.io.page.colours import luminance


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
