"""A user's regular expressions: searched with a time limit, and explained where they fail."""

from __future__ import annotations

from collections.abc import Iterator

import regex

from promptlight.salience.errors import UsageError

PATTERN_SECONDS = 2.0


def find_matches(expression: str, text: str, message: str) -> Iterator[tuple[int, int]]:
    """The ranges of all matches; ``^`` and ``$`` are the ends of lines.

    Raises UsageError, with the reason behind the message, for a pattern that fails or takes too long.
    """
    try:
        for found in regex.finditer(expression, text, regex.MULTILINE, timeout=PATTERN_SECONDS):
            yield found.span()
    except (regex.error, TimeoutError, MemoryError, RecursionError) as error:
        raise UsageError(f"{message} ({str(error) or type(error).__name__})") from error
