"""Say on stderr in which formats the records of a command were, and what of them it doesn't follow."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from promptlight.cli.views.estimate import count
from promptlight.io.prompts.formats import NAMES
from promptlight.salience.text.printable import one_line

if TYPE_CHECKING:
    from promptlight.io.prompts.formats import Seen


def say_formats(seen: Seen) -> None:
    """A line for each format but ours, and one for the parameters of requests that have no effect here."""
    for format, number in seen.formats.items():
        print(f"read as {NAMES[format]}: {count(number, 'record')}", file=sys.stderr)
    if seen.unfollowed:
        found = ", ".join(f"{name} ({number:,})" for name, number in seen.unfollowed.most_common())
        print(one_line(f"note: parameters of requests that are not followed: {found}"), file=sys.stderr)
