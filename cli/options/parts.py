"""The options of ``try`` that take one part of the prompt after the other, in a group (``groups.py``)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from promptlight.cli.options.completion import complete_cut
from promptlight.cli.options.panels import EACH
from promptlight.cli.options.shared import FormatOption


@dataclass(frozen=True, kw_only=True)
class EachPart:
    """How the prompt is cut into parts, what takes their places, and where the table goes."""

    each: Annotated[
        str | None,
        typer.Option(
            "--each",
            metavar="CUT",
            autocompletion=complete_cut,
            help="Take away one part of the prompt after the other, each alone, let the model write again, and show"
            " which parts change its last line, or --target: line, sentence, word, paragraph, section, regex:PATTERN.",
            rich_help_panel=EACH,
        ),
    ] = None
    replace_each: Annotated[
        Path | None,
        typer.Option(
            "--replace-each",
            metavar="FILE",
            help="Replace instead: lines OLD=>NEW, each tried in every part that has OLD; or one line, which replaces"
            " each part (without --each, parts are lines).",
            rich_help_panel=EACH,
        ),
    ] = None
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write a row per part to this file.", rich_help_panel=EACH),
    ] = None
    format: FormatOption = None
    anew: Annotated[
        bool,
        typer.Option(
            "--anew", help="Let the model write again, also for parts that it was asked before.", rich_help_panel=EACH
        ),
    ] = False

    @property
    def is_asked(self) -> bool:
        """Whether parts are tried at all."""
        return self.each is not None or self.replace_each is not None

    @property
    def cut(self) -> str:
        """How the prompt is cut."""
        return self.each or "line"
