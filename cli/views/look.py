"""How salience should look, as far as that is a matter of taste."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from promptlight.io.page.colours import NEUTRAL_INTENSITY, Colours, Marking


class Paper(StrEnum):
    """The ground that colours are made for. AUTO asks the terminal; files are light."""

    AUTO = "auto"
    LIGHT = "light"
    DARK = "dark"


class Spacing(StrEnum):
    """The spacing of a text's lines."""

    DENSE = "dense"
    AIRY = "airy"


@dataclass(frozen=True, kw_only=True)
class Taste:
    """The user's choices; a higher ``intensity``, 0 to 1, makes faint pieces easier to see.

    ``marking`` None is HIGHLIGHT; without colours it is UNDERLINE for sources shorter than lines.
    """

    intensity: float = NEUTRAL_INTENSITY
    marking: Marking | None = None
    paper: Paper = Paper.AUTO
    colours: Colours = Colours.SAFE
    spacing: Spacing = Spacing.DENSE


DEFAULT = Taste()
