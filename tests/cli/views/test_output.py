"""Views in files, on light and on dark paper."""

from __future__ import annotations

import pytest
from rich.color import Color

from promptlight.cli.views.look import Paper
from promptlight.cli.views.output import choose_theme


@pytest.mark.parametrize("paper", [Paper.LIGHT, Paper.DARK])
def test_named_colours_can_be_read(paper: Paper) -> None:
    """Contrast of at least 4.5, as WCAG asks for; what is gone from a text is red, what is new is green."""
    theme = choose_theme(paper)
    for name in ("red", "green"):
        ink = Color.parse(name).get_truecolor(theme)
        ground, text = (find_luminance(colour) for colour in (theme.background_color, ink))
        assert (max(ground, text) + 0.05) / (min(ground, text) + 0.05) >= 4.5, name


def find_luminance(colour: tuple[int, int, int]) -> float:
    """Relative luminance by WCAG 2."""
    parts = [part / 255 / 12.92 if part <= 10 else ((part / 255 + 0.055) / 1.055) ** 2.4 for part in colour]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), parts, strict=True))
