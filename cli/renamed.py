"""Accept options under their old names, with a line that gives the new one."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

NEW_NAMES = {
    "run": {"samples": "ablations"},
    "evaluate": {"samples": "random-orders", "noise-samples": "noisy-texts"},
}


def rename_option(command: str, name: str) -> str:
    """The present name of a command's option, without dashes. Says on stderr if an old name was used."""
    new_name = NEW_NAMES.get(command, {}).get(name)
    if new_name is None:
        return name
    print(f"promptlight {command}: --{name} is called --{new_name} now", file=sys.stderr)
    return new_name


def rename_arguments(command: str, arguments: Sequence[str]) -> Iterator[str]:
    """Rename the options in a command's arguments; everything after ``--`` stays as it is."""
    ended = False
    for argument in arguments:
        ended = ended or argument == "--"
        name, equals, value = argument.removeprefix("--").partition("=")
        is_option = argument.startswith("--") and not ended
        yield f"--{rename_option(command, name)}{equals}{value}" if is_option else argument
