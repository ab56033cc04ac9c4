"""Say on stderr how the files of a command were read, in which formats their records were, and what isn't followed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from promptlight.cli.views.estimate import count
from promptlight.io.prompts.formats.recognition import LOGS, NAMES
from promptlight.salience.text.printable import one_line
from promptlight.salience.types import Explain

if TYPE_CHECKING:
    from promptlight.io.prompts.formats.recognition import Seen
    from promptlight.io.prompts.reading import Reading


_EXPLAINED = {
    Explain.OUTPUT: "the log's output is explained",
    Explain.TARGET: "the log's right answer is explained, whatever the output was",
    Explain.RESPONSE: "the model writes again, and that is explained (--explain output: the log's output)",
}


def say_formats(seen: Seen, reading: Reading) -> None:
    """A line for each guess about a file, each format but ours, answers that were skipped, and the parameters of
    requests without effect here.
    """
    for note in seen.notes:
        option = " (--encoding NAME)" * ("encoding" in note)
        print(one_line(f"note: {note}{option}"), file=sys.stderr)
    for format, number in seen.formats.items():
        how = f"; {_EXPLAINED[reading.explain]}" if format in LOGS else ""
        print(f"read as {NAMES[format]}: {count(number, 'record')}{how}", file=sys.stderr)
    if seen.n_parsed:
        print(f"read as chats: {count(seen.n_parsed, 'prompt')} of JSON text with messages", file=sys.stderr)
    if seen.n_right:
        print(f"skipped as right: {count(seen.n_right, 'record')}", file=sys.stderr)
    if seen.unfollowed:
        found = ", ".join(f"{name} ({number:,})" for name, number in seen.unfollowed.most_common())
        print(one_line(f"note: ignored parameters of requests: {found}"), file=sys.stderr)
