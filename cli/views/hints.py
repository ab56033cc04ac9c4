"""How a hint names what to ask next: an option of the command line, or a parameter in a notebook."""

from __future__ import annotations

from enum import StrEnum


class Hints(StrEnum):
    """Who reads the hints of a view; ``NOBODY`` gets none."""

    TERMINAL = "terminal"
    NOTEBOOK = "notebook"
    NOBODY = "nobody"

    def spell(self, parameter: str, value: str = "") -> str:
        """``--way all``, or in a notebook ``way="all"``."""
        if self is Hints.NOTEBOOK:
            return f'{parameter}="{value or "..."}"'
        return f"--{parameter} {value}".rstrip()
