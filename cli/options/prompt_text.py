"""The text of a single prompt: from the command line, a file or standard input, in a group (``groups.py``)."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from promptlight.salience.errors import InputError, UsageError

STANDARD_INPUT = "-"
PromptFileOption = Annotated[
    Path | None, typer.Option("--prompt-file", metavar="FILE", help="A file with the text of the prompt; - is stdin.")
]


@dataclass(frozen=True, kw_only=True)
class PromptText:
    """A text instead of a stored prompt."""

    prompt: Annotated[
        str | None,
        typer.Option("--prompt", "-p", help="Text of a prompt, instead of a stored one; - reads standard input."),
    ] = None
    prompt_file: PromptFileOption = None

    def read(self) -> str | None:
        """The text, or None if there is none. Raises UsageError for two, InputError for a file without a text."""
        return read_prompt_text(self.prompt, self.prompt_file)


def read_prompt_text(text: str | None, file: Path | None) -> str | None:
    """A text as it is given, or that of a file or of standard input (``-``), without the line end that closes it.

    Line ends of Windows become line feeds. Raises UsageError if both are given, and InputError if the file is no text
    in UTF-8.
    """
    if text is not None and file is not None:
        raise UsageError("expected either the text of a prompt or --prompt-file FILE, found both: leave one out")
    name = text if file is None else str(file)
    if file is None and name != STANDARD_INPUT:
        return text
    try:
        read = sys.stdin.buffer.read() if name == STANDARD_INPUT else Path(str(name)).read_bytes()
        found = read.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(str(name), None, f"could not be read ({error}); expected a text in UTF-8") from error
    if not found.strip():
        raise InputError(str(name), None, "expected a prompt with some text, found none")
    return found.replace("\r\n", "\n").removesuffix("\n")
