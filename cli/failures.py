"""Report errors on the terminal: their exit codes, and the library's parameters as options of the command that ran."""

from __future__ import annotations

from collections.abc import Container, Iterable

from promptlight.salience.errors import (
    FoilError,
    InputError,
    ModelError,
    OutputError,
    PromptlightError,
    StoppedError,
    TooFewAblationsError,
    UsageError,
)

EXIT_CODES: dict[type[PromptlightError], int] = {
    UsageError: 2,
    InputError: 3,
    FoilError: 3,
    TooFewAblationsError: 3,
    ModelError: 4,
    OutputError: 5,
}
SOME_SET_ASIDE = EXIT_CODES[InputError]
OTHER_NAMES = {"address": "ray_address", "conditions": "where", "folder": "output", "ids": "id", "text": "prompt"}


def find_exit_code(error: PromptlightError) -> int:
    """The command's exit code; for a signal, the shells' own code, such as 130 for Ctrl-C."""
    if isinstance(error, StoppedError):
        return 128 + error.signal_number
    return next((code for kind, code in EXIT_CODES.items() if isinstance(error, kind)), 1)


def name_options(reason: str, parameters: Iterable[str], known: Container[str] | None = None) -> str:
    """Append the options that set these parameters to a reason, in brackets: ``out of memory ... (--dtype)``.

    ``known`` are the options of the command that ran; parameters that are not among them are left out.
    """
    options = [f"--{OTHER_NAMES.get(name, name).replace('_', '-')}" for name in parameters]
    found = [option for option in options if known is None or option in known]
    return f"{reason} ({', '.join(found)})" if found else reason
