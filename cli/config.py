"""Read ``promptlight.toml``: default options, so that they need not be given each time.

    model = "gemma2_instruct_2b_en"     # for every command that has this option

    [run]
    max-new-tokens = 128
    method = ["grad_l2", "occlusion"]

Keys are options without their dashes. Options on the command line take precedence.
"""

# pyright: standard

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from promptlight.cli.renamed import rename_option
from promptlight.salience.errors import UsageError
from promptlight.salience.text.spelling import suggest

FILE = "promptlight.toml"


def read_config(path: Path | None, commands: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Command -> parameter -> value, from a file, or from promptlight.toml here if there is one.

    Raises UsageError if the file can't be read, and for keys that are not options of a command.
    """
    if path is None and not Path(FILE).is_file():
        return {}
    path = path or Path(FILE)
    try:
        written = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path}: could not be read ({error}); expected TOML") from error
    values: dict[str, dict[str, Any]] = {name: {} for name in commands}
    for key, value in written.items():
        if not isinstance(value, dict):
            places = [
                (name, found) for name, command in commands.items() if (found := _find_parameter(name, command, key))
            ]
            if not places:
                names = {name for command in commands.values() for name in _list_names(command)}
                hint = f"{suggest(key, sorted(names)) or ';'} see `promptlight --help`"
                raise UsageError(f"{path}: expected an option of a command, found {key!r}{hint}")
            for name, parameter in places:
                values[name][parameter] = value
    for name, table in written.items():
        if isinstance(table, dict):
            values.setdefault(name, {}).update(read_table(path, name, table, commands))
    return {name: found for name, found in values.items() if found}


def read_table(path: Path, name: str, table: Mapping[str, Any], commands: Mapping[str, Any]) -> dict[str, Any]:
    """The values for one command. Raises UsageError for options that it does not have."""
    if name not in commands:
        raise UsageError(f"{path}: expected a command ({', '.join(commands)}), found [{name}]{suggest(name, commands)}")
    read: dict[str, Any] = {}
    for key, value in table.items():
        parameter = _find_parameter(name, commands[name], key)
        if parameter is None:
            hint = f"{suggest(key, _list_names(commands[name])) or ';'} see `promptlight {name} --help`"
            raise UsageError(f"{path}: expected an option of {name}, found {key!r}{hint}")
        read[parameter] = value
    return read


def _list_names(command: Any) -> list[str]:
    """The options of a command without dashes."""
    options = (one for one in command.params if one.param_type_name == "option")
    return [max(one.opts, key=len).lstrip("-") for one in options]


def _find_parameter(name: str, command: Any, key: str) -> str | None:
    """The parameter that an option of a command sets, by the option's name without dashes."""
    key = rename_option(name, key)
    options = (one for one in command.params if one.param_type_name == "option")
    return next((one.name for one in options if any(opt.lstrip("-") == key for opt in one.opts)), None)
