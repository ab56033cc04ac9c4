"""Say on stderr how the files of a command were read, in which formats their records were, and what isn't followed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from promptlight.cli.views.estimate import count
from promptlight.io.prompts.formats import NAMES
from promptlight.salience.text.printable import one_line

if TYPE_CHECKING:
    from promptlight.io.prompts.formats import Seen


def say_formats(seen: Seen) -> None:
    """A line for each guess about a file, each format but ours, and the parameters of requests without effect here."""
    for note in seen.notes:
        option = " (--encoding NAME)" * ("encoding" in note)
        print(one_line(f"note: {note}{option}"), file=sys.stderr)
    for format, number in seen.formats.items():
        print(f"read as {NAMES[format]}: {count(number, 'record')}", file=sys.stderr)
    if seen.unfollowed:
        found = ", ".join(f"{name} ({number:,})" for name, number in seen.unfollowed.most_common())
        print(one_line(f"note: parameters of requests that are not followed: {found}"), file=sys.stderr)
