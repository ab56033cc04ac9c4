"""Ramps of colours against CIELAB worked out by hand."""

from __future__ import annotations

from itertools import pairwise

import pytest

from promptlight.io.page.colours import RAMPS, SIGNED, Colours, interpolate, list_ramps
from tests.oracles.colours import VISIONS, distance, parse, to_lab

RAISED_FROM_LOWERED = 25  # CIE76, at least, at equal strength: seen at a glance, and from one line to another
STEP = 15  # CIE76, at least, between the quarters of a legend
HUES = [(paper, hue) for paper, ramps in RAMPS.items() for hue in ramps]
READERS = [name for name in VISIONS if name != "normal"]


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


@pytest.mark.parametrize(("paper", "hue"), HUES)
def test_a_ramp_meets_its_stops_and_leaves_its_paper_step_by_step(paper: str, hue: str) -> None:
    stops = RAMPS[paper][hue]
    for at, code in enumerate(stops):
        assert interpolate(stops, at / 4) == pytest.approx(parse(code), abs=1)
    away = -1 if paper == "light" else 1
    lightness = [away * to_lab(interpolate(stops, step / 100))[0] for step in range(101)]
    assert all(after >= before - 0.5 for before, after in pairwise(lightness))  # a screen's colours are whole numbers
    assert lightness[-1] - lightness[0] > 70


@pytest.mark.parametrize(("paper", "hue"), HUES)
def test_a_screen_has_every_colour_of_a_ramp(paper: str, hue: str) -> None:
    colours = [interpolate(RAMPS[paper][hue], step / 1000) for step in range(1001)]
    assert {part for colour in colours for part in colour} <= set(range(256))


@pytest.mark.parametrize(("paper", "hue"), HUES)
def test_steps_of_a_ramp_lie_on_straight_lines_between_its_stops(paper: str, hue: str) -> None:
    stops = RAMPS[paper][hue]
    for percent in range(101):
        left = min(percent // 25, 3)
        part = percent / 25 - left
        ends = zip(*(to_lab(parse(stops[at])) for at in (left, left + 1)), strict=True)
        expected = [start + (stop - start) * part for start, stop in ends]
        assert to_lab(interpolate(stops, percent / 100)) == pytest.approx(expected, abs=1.2), percent


# ---- readers who see red and green badly: of every twelve men about one ---------------------------------------------


def find_least(paper: str, colours: Colours, reader: str) -> float:
    """The least distance of what raised and what lowered the target at equal strength, from a quarter on."""
    raised, lowered = (RAMPS[paper][hue] for hue in SIGNED[colours])
    levels = [percent / 100 for percent in range(25, 101)]
    return min(distance(interpolate(raised, level), interpolate(lowered, level), reader) for level in levels)


@pytest.mark.parametrize("paper", RAMPS)
@pytest.mark.parametrize("reader", VISIONS)
def test_what_raised_and_what_lowered_the_target_look_different_to_everyone(paper: str, reader: str) -> None:
    assert find_least(paper, Colours.SAFE, reader) >= RAISED_FROM_LOWERED


@pytest.mark.parametrize("paper", RAMPS)
@pytest.mark.parametrize("reader", READERS)
def test_lits_hues_are_not_for_everyone(paper: str, reader: str) -> None:
    """That is why they aren't the default."""
    assert find_least(paper, Colours.LIT, reader) < 10


@pytest.mark.parametrize(("paper", "hue"), [(paper, hue) for paper, hue in HUES if hue not in SIGNED[Colours.LIT]])
@pytest.mark.parametrize("reader", VISIONS)
def test_everyone_can_tell_the_steps_of_a_ramp(paper: str, hue: str, reader: str) -> None:
    quarters = [interpolate(RAMPS[paper][hue], at / 4) for at in range(5)]
    assert min(distance(one, other, reader) for one, other in pairwise(quarters)) >= STEP


def test_the_page_gets_every_ramp_in_even_steps() -> None:
    ramps = list_ramps()
    assert {paper: set(hues) for paper, hues in ramps.items()} == {paper: set(RAMPS[paper]) for paper in RAMPS}
    for paper, hue in HUES:
        colours = ramps[paper][hue]
        assert colours[len(colours) // 2] == pytest.approx(parse(RAMPS[paper][hue][2]), abs=1)
