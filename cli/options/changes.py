"""The options of ``try`` that change a prompt, in a group (``groups.py``)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer


@dataclass(frozen=True, kw_only=True)
class Changes:
    """What is replaced, put in front, or edited by hand, in this order."""

    replace: Annotated[
        list[str] | None, typer.Option("--replace", metavar="OLD=>NEW", help="Change the first OLD; repeatable.")
    ] = None
    replace_all: Annotated[bool, typer.Option("--all", help="Change every OLD, not the first one alone.")] = False
    prepend: Annotated[
        Path | None, typer.Option("--prepend-file", metavar="FILE", help="Put a file's text before the prompt.")
    ] = None
    edit: Annotated[bool, typer.Option("--edit", help="Change the text in $EDITOR.")] = False
