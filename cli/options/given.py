"""Refuse options that a command was given but would not use, instead of ignoring them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from typing import Any

import typer

from promptlight.salience.errors import UsageError


def names_of(group: type[Any]) -> list[str]:
    """The parameters of a group of options."""
    return [field.name for field in fields(group)]


def refuse_given(context: typer.Context, names: Iterable[str], reason: str) -> None:
    """Raise UsageError if one of these parameters stands on the command line; ``reason`` says why it has no effect.

    Values from promptlight.toml are no mistake: they are for all commands and ways to call them.
    """
    unused = set(names)
    given = [
        max(parameter.opts, key=len)
        for parameter in context.command.params
        if parameter.name in unused and _is_given(context, parameter.name)
    ]
    if given:
        raise UsageError(f"{', '.join(given)}: no effect {reason}")


def _is_given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"
