"""Every error that promptlight raises on purpose.

    PromptlightError
    ├── InputError      a prompt file or one of its records can't be used
    │   └── PromptTooLongError   a prompt does not fit the model
    ├── FoilError       a foil does not fit the completion that it is to be contrasted with
    ├── TooFewAblationsError     too few ablations to score a prompt's spans
    ├── ModelError      a model can't be found, read or run
    │   └── OutOfMemoryError     not even one target fits into memory
    ├── OutputError     a results folder or an output file can't be read or written
    ├── UsageError      options that contradict each other or the data
    └── StoppedError    a signal ended a run

A message says what was expected, what was found and what to do. The command line prints it as one line on stderr and
exits with ``exit_code``; an error that is none of these is a bug and keeps its traceback.
"""

from __future__ import annotations


class PromptlightError(Exception):
    """Base of all errors that are the user's to mend; ``exit_code`` is what the command line returns."""

    exit_code = 1


class InputError(PromptlightError):
    """A prompt file or one of its records can't be used: ``path``, ``line`` (1-based; None: the file), ``reason``."""

    exit_code = 3

    def __init__(self, path: str, line: int | None, reason: str) -> None:
        self.path, self.line, self.reason = path, line, reason
        super().__init__(at_place(path, line, reason))


def at_place(path: str, line: int | None, reason: str) -> str:
    """What is wrong, behind the file and, where it is known, the line."""
    return f"{path}: {reason}" if line is None else f"{path}:{line}: {reason}"


class PromptTooLongError(InputError):
    """A prompt has more tokens than the model's context holds."""


class FoilError(PromptlightError):
    """A foil does not fit the completion that it is to be contrasted with; its record is set aside."""

    exit_code = 3


class TooFewAblationsError(PromptlightError):
    """Too few ablations to score the spans of a prompt; its record is set aside."""

    exit_code = 3


class ModelError(PromptlightError):
    """A model can't be found, read or run."""

    exit_code = 4


OUT_OF_MEMORY = "out of memory"  # how the reason of such a record begins: it is tried again by the next run


class OutOfMemoryError(ModelError):
    """Not even one target fits into memory."""


class OutputError(PromptlightError):
    """A results folder or an output file can't be read or written."""

    exit_code = 5


class UsageError(PromptlightError):
    """Options that contradict each other or the data."""

    exit_code = 2


class StoppedError(PromptlightError):
    """Ctrl-C stopped a run, or SIGTERM did (then 143); what was computed is kept."""

    exit_code = 130

    def __init__(self, signal_number: int, message: str) -> None:
        self.exit_code = 128 + signal_number  # as shells have it
        super().__init__(message)
