"""The options of ``try`` that change a prompt, in a group (``groups.py``)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from promptlight.cli.options.panels import CHANGE


@dataclass(frozen=True, kw_only=True)
class Changes:
    """What is replaced, put in front, or edited by hand, in this order."""

    replace: Annotated[
        list[str] | None,
        typer.Option(
            "--replace",
            metavar="OLD=>NEW",
            help="Replace the first OLD by NEW; repeatable.",
            rich_help_panel=CHANGE,
        ),
    ] = None
    replace_all: Annotated[
        bool,
        typer.Option(
            "--all",
            help="With --replace: change every OLD, not only the first.",
            rich_help_panel=CHANGE,
        ),
    ] = False
    prepend: Annotated[
        Path | None,
        typer.Option(
            "--prepend-file",
            metavar="FILE",
            help="Put the text of a file before the prompt.",
            rich_help_panel=CHANGE,
        ),
    ] = None
    edit: Annotated[
        bool,
        typer.Option(
            "--edit",
            help="Change the prompt in $EDITOR.",
            rich_help_panel=CHANGE,
        ),
    ] = False
