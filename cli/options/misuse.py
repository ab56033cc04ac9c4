"""Typer's errors as ours: what was expected, what was found, which name may have been meant, in one line."""

# pyright: standard

from __future__ import annotations

import re
from typing import Any

import typer

from promptlight.cli.failures import EXIT_CODES
from promptlight.cli.options.values import find_choices, list_in_words
from promptlight.salience.errors import UsageError
from promptlight.salience.text.printable import one_line
from promptlight.salience.text.secrets import hide_secrets
from promptlight.salience.text.spelling import suggest

WHOLE, NUMBER = "a whole number", "a number"
NUMBERS = {"int_parsing": WHOLE, "int_from_float": WHOLE, "int_type": WHOLE, "float_parsing": NUMBER}
SETTINGS = "promptlight.toml"
BOUNDS = {"greater_than_equal", "less_than_equal", "finite_number"}


def reword(error: typer.TyperException, context: Any) -> Exception:
    """Typer's error about a command line as one of ours; another one stays."""
    if error.exit_code != EXIT_CODES[UsageError]:
        return error
    reason = hide_secrets(_explain(error, context))
    name = " ".join(filter(None, ["promptlight", context.invoked_subcommand]))
    return UsageError(f"{reason}{'' if reason.endswith('?') else ';'} `{name} --help` shows how")


def _explain(error: Any, context: Any) -> str:
    """What is wrong, by the kind of error; the kinds are private to Typer, so their names tell."""
    match type(error).__name__:
        case "NoSuchOption":
            name = error.option_name
            return f"{one_line(name)}: no such option{suggest(name, _list_options(context))}"
        case "MissingParameter":
            return f"expected {_name(error.param)}, found none"
        case "BadParameter":
            return f"{_name_file(error, context)}{_name_option(error.param)}: {_explain_value(error)}"
    said = error.format_message().removesuffix(".")
    if found := re.match(r"No such command '(.*?)'", said):
        return f"{found[1]}: no such command{suggest(found[1], context.command.commands)}"
    if found := re.match(r"Option '(.*)' requires an argument", said):
        return f"{found[1]}: expected a value, found none"
    if found := re.match(r"Option '(.*)' does not take a value", said):
        return f"{found[1]}: expected no value, found one"
    if found := re.match(r"Got unexpected extra argument\(s\) \((.*)\)", said):
        return f"expected no more arguments, found {found[1]}"
    return said


def _explain_value(error: Any) -> str:
    """What a value should have been, and what it was."""
    problems = error.__cause__.errors() if hasattr(error.__cause__, "errors") else [{}]
    problem, choices = problems[0], find_choices(error.param)
    kind, found = problem.get("type", ""), one_line(str(problem.get("input", "")))
    if choices:
        return f"expected {list_in_words(choices)}, found {found!r}{suggest(found, choices)}"
    if kind in NUMBERS or kind in BOUNDS:
        info = error.param.type_descriptor.parameter_info
        number = WHOLE if isinstance(info.min, int) or NUMBERS.get(kind) == WHOLE else NUMBER
        return f"expected {number}{_spell_range(info.min, info.max)}, found {found!r}"
    return error.message.removeprefix("Value error, ")


def _spell_range(least: float | None, most: float | None) -> str:
    if least is None or most is None:
        return "" if least is None else f" from {least:g} on"
    return f" from {least:g} to {most:g}"


def _list_options(context: Any) -> list[str]:
    """The options of the command that was called, or of promptlight itself."""
    command = context.command.commands.get(context.invoked_subcommand) or context.command
    return [name for one in command.params if one.param_type_name == "option" for name in one.opts + one.secondary_opts]


def _name_option(parameter: Any) -> str:
    return max(parameter.opts, key=len) if parameter.param_type_name == "option" else parameter.name.upper()


def _name_file(error: Any, context: Any) -> str:
    """The settings file, if the value is from there."""
    source = error.ctx.get_parameter_source(error.param.name) if error.ctx else None
    if source is None or source.name != "DEFAULT_MAP":
        return ""
    return f"{one_line(str(context.params.get('config') or SETTINGS))}: "


def _name(parameter: Any) -> str:
    """``--output FOLDER``, or ``PROMPTS``."""
    name = _name_option(parameter)
    return f"{name} {parameter.metavar}" if parameter.param_type_name == "option" else name
