"""Which name was meant, where the one that was typed does not exist."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from itertools import islice

MOST_NAMES = 10_000  # more take seconds


def suggest(typed: str, known: Iterable[str]) -> str:
    """``; did you mean line?``, or nothing if no known name is like it; whether letters are capitals doesn't matter."""
    names = {name.lower(): name for name in islice(known, MOST_NAMES)}
    close = get_close_matches(typed.lower(), names, n=1)
    return f"; did you mean {names[close[0]]}?" if close else ""
