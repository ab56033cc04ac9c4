"""Search a user's regular expressions with a time limit, and explain why one fails."""

from __future__ import annotations

from collections.abc import Iterator

import regex

from promptlight.salience.errors import UsageError

PATTERN_SECONDS = 2.0
LARGEST_PATTERN = 100_000  # characters with all repeats written out, as regex does to compile it
_PARTS = regex.compile(r"\\.|\{(\d+)(?:,\d*)?\}|.", regex.DOTALL)


def find_matches(expression: str, text: str, message: str) -> Iterator[tuple[int, int]]:
    """The ranges of all matches; ``^`` and ``$`` match at line ends.

    Raises UsageError, the message followed by the reason, if a pattern fails or takes too long.
    """
    if estimate_size(expression) > LARGEST_PATTERN:  # its time limit is for searching, not for compiling
        raise UsageError(f"{message} (its repeats come to more than {LARGEST_PATTERN:,} characters)")
    try:
        for found in regex.finditer(expression, text, regex.MULTILINE, timeout=PATTERN_SECONDS):
            yield found.span()
    except (regex.error, ValueError, TimeoutError, MemoryError, RecursionError) as error:
        raise UsageError(f"{message} ({str(error) or type(error).__name__})") from error


def estimate_size(expression: str) -> int:
    """Estimate a pattern's length with every ``{n}`` written out: 6 for ``(ab){3}``. Brackets in sets count too."""
    sizes, last = [0], 0  # sizes of the open groups, and of the item that a repeat would apply to
    for found in _PARTS.finditer(expression):
        if found[1]:
            n_more = last * (min(int(found[1][:9]), LARGEST_PATTERN) - 1)
            sizes[-1] += n_more
            last += n_more
        elif found[0] == "(":
            sizes.append(0)
        elif found[0] == ")" and len(sizes) > 1:
            last = sizes.pop()
            sizes[-1] += last
        else:
            last = 1
            sizes[-1] += last
    return sum(sizes)
