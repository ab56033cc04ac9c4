"""Options under the names that they had before: still taken, with a line that says what they are called now."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

NEW_NAMES = {
    "run": {"samples": "ablations"},
    "evaluate": {"samples": "random-orders", "noise-samples": "noisy-texts"},
}


def rename_option(command: str, name: str) -> str:
    """What a command's option is called now; names are without dashes. Says on stderr that an old name was used."""
    new_name = NEW_NAMES.get(command, {}).get(name)
    if new_name is None:
        return name
    print(f"promptlight {command}: --{name} is called --{new_name} now", file=sys.stderr)
    return new_name


def rename_arguments(command: str, arguments: Sequence[str]) -> Iterator[str]:
    """A command's arguments with its options under their present names; all behind ``--`` stays as it is."""
    ended = False
    for argument in arguments:
        ended = ended or argument == "--"
        name, equals, value = argument.removeprefix("--").partition("=")
        is_option = argument.startswith("--") and not ended
        yield f"--{rename_option(command, name)}{equals}{value}" if is_option else argument
