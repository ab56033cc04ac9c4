"""How salience is to look, as far as that is a matter of taste."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

NEUTRAL_INTENSITY = 0.4  # LIT's default: a level is shown as it is


class Marking(StrEnum):
    """What shows a piece's salience: its background, or a bar below it."""

    HIGHLIGHT = "highlight"
    UNDERLINE = "underline"


class Spacing(StrEnum):
    """How close the lines of a text stand."""

    DENSE = "dense"
    AIRY = "airy"


@dataclass(frozen=True, kw_only=True)
class Taste:
    """What the user chose; ``intensity``, 0 to 1, is how much of the faint is shown."""

    intensity: float = NEUTRAL_INTENSITY
    marking: Marking = Marking.HIGHLIGHT
    spacing: Spacing = Spacing.DENSE


DEFAULT = Taste()
