"""Which name was meant, where the one that was typed does not exist."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from itertools import islice

MOST_NAMES = 10_000  # more take seconds
SHORTEST = 2  # letters with which a name can begin


def suggest(typed: str, known: Iterable[str]) -> str:
    """``; did you mean line?``, or nothing if no known name is like it or begins with it; capitals don't matter."""
    typed, names = typed.lower(), {name.lower(): name for name in islice(known, MOST_NAMES)}
    beginning = (name for name in names if len(typed) >= SHORTEST and name.startswith(typed))
    close = [*get_close_matches(typed, names, n=1), *beginning]
    return f"; did you mean {names[close[0]]}?" if close else ""
