"""Colours: that they can be read, that more looks like more, and that raised and lowered look different to everyone."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from rich.color import Color

from promptlight.cli.views.look import Marking, Paper, Taste
from promptlight.cli.views.palette import Look
from promptlight.io.page.colours import Colours
from tests.oracles.colours import VISIONS, contrast, distance, to_lab

PAPERS = (Paper.LIGHT, Paper.DARK)
LEVELS = [percent / 100 for percent in range(101)]
APART, STEP = 25, 10  # CIE76, at least: of raised and lowered at equal strength, and of the steps of 256 colours
FROM_TARGET = 30


def build_look(color_system: str | None, paper: Paper, *, signed: bool, colours: Colours = Colours.SAFE) -> Look:
    return Look(color_system=color_system, signed=signed, taste=Taste(paper=paper, colours=colours))


def find_colour(colour: Color | None) -> tuple[int, int, int]:
    assert colour
    return tuple(colour.get_truecolor())  # type: ignore[return-value]  # of a terminal in Rich's default theme


def list_grounds(look: Look, sign: int = 1) -> list[tuple[int, int, int]]:
    return [find_colour(style.bgcolor) for level in LEVELS if (style := look.shade(sign * level))]


@pytest.mark.parametrize("color_system", ["256", "truecolor"])
@pytest.mark.parametrize("paper", PAPERS)
@pytest.mark.parametrize("colours", Colours)
@pytest.mark.parametrize(("sign", "signed"), [(1, False), (1, True), (-1, True)])
def test_each_shade_leaves_the_paper_further_and_its_text_can_be_read(
    color_system: str, paper: Paper, colours: Colours, sign: int, signed: bool
) -> None:
    look = build_look(color_system, paper, signed=signed, colours=colours)
    for style in [*(look.shade(sign * level) for level in LEVELS), look.target]:
        assert style
        assert contrast(find_colour(style.color), find_colour(style.bgcolor)) >= 4.5  # WCAG's level AA
    away = -1 if paper is Paper.LIGHT else 1
    lightness = [away * to_lab(ground)[0] for ground in list_grounds(look, sign)]
    assert all(after >= before - 1 for before, after in pairwise(lightness))
    assert lightness[-1] - lightness[0] > 60
    assert abs(lightness[0]) == pytest.approx(100 if paper is Paper.LIGHT else 6, abs=1)


@pytest.mark.parametrize("color_system", ["256", "truecolor"])
@pytest.mark.parametrize("paper", PAPERS)
@pytest.mark.parametrize("reader", VISIONS)
def test_raised_lowered_and_target_look_different_to_everyone(color_system: str, paper: Paper, reader: str) -> None:
    look = build_look(color_system, paper, signed=True)
    raised, lowered = (list_grounds(look, sign) for sign in (1, -1))
    pairs = list(zip(raised, lowered, strict=True))
    assert min(distance(*pair, reader) for pair in pairs[25:]) >= APART
    assert look.target
    target = find_colour(look.target.bgcolor)
    shades = [*raised, *lowered, *list_grounds(build_look(color_system, paper, signed=False))]
    assert min(distance(shade, target, reader) for shade in shades) >= FROM_TARGET


@pytest.mark.parametrize("paper", PAPERS)
@pytest.mark.parametrize("reader", VISIONS)
@pytest.mark.parametrize(("sign", "signed"), [(1, False), (1, True), (-1, True)])
def test_everyone_can_tell_the_steps_of_256_colours(paper: Paper, reader: str, sign: int, signed: bool) -> None:
    steps = list(dict.fromkeys(list_grounds(build_look("256", paper, signed=signed), sign)))
    assert len(steps) == 9
    assert min(distance(one, other, reader) for one, other in pairwise(steps)) >= STEP


@pytest.mark.parametrize("color_system", ["standard", "windows"])
@pytest.mark.parametrize("reader", VISIONS)
def test_sixteen_colours_have_signs_that_everyone_can_tell(color_system: str, reader: str) -> None:
    look = build_look(color_system, Paper.LIGHT, signed=True)
    raised, lowered = (look.shade(sign) for sign in (1, -1))
    assert raised
    assert lowered
    assert distance(find_colour(raised.color), find_colour(lowered.color), reader) >= APART


@pytest.mark.parametrize("color_system", ["standard", "256", "truecolor", None])
@pytest.mark.parametrize("colours", Colours)
def test_signs_look_different(color_system: Any, colours: Colours) -> None:
    for marking in Marking:
        taste = Taste(marking=marking, colours=colours)
        look = Look(color_system=color_system, signed=True, taste=taste)
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
