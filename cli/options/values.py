"""How help names the value of an option: ``FILE``, ``<cpu|cuda>``, or nothing for a flag."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, get_args

WIDEST_CHOICE = 21  # characters of choices that an 80-column help shows in one piece
KINDS = {int: "INTEGER", float: "NUMBER", Path: "PATH"}


def name_values(parameters: list[Any]) -> list[Any]:
    """Name the values of options in place: Typer's names are Python's, and long choices would break inside words.

    An argument has a name, and needs no type beside it.
    """
    for parameter in parameters:
        if parameter.param_type_name == "option":
            _name_value(parameter)
        else:
            parameter.display_type_rich = _show_no_type
    return parameters


def _show_no_type(ctx: Any) -> None:
    """In place of Typer's ``<str>``."""


def _name_value(option: Any) -> None:
    choices = [] if option.is_flag else find_choices(option)
    if option.is_flag:
        option.metavar = ""
    elif option.metavar is None and not choices:
        option.metavar = KINDS.get(_find_kind(option), "TEXT")
    elif option.metavar is None and len("|".join(choices)) > WIDEST_CHOICE:
        option.metavar = option.name.upper().replace("_", "-")
        option.help = f"{option.help} One of {', '.join(choices)}."


def find_choices(option: Any) -> list[str]:
    """The values that an option may have, if they are few."""
    kind = _find_kind(option)
    return [choice.value for choice in kind] if issubclass(kind, StrEnum) else []


def list_in_words(values: Sequence[str]) -> str:
    """``one, two or three``."""
    *others, last = values
    return f"{', '.join(others)} or {last}" if others else last


def _find_kind(option: Any) -> type[Any]:
    """The type of a value, or of one of several."""
    annotation = option.type_descriptor.annotation
    kinds = [annotation, *get_args(annotation)]
    return next((one for one in kinds if isinstance(one, type) and one is not type(None)), str)
