"""Every error that promptlight raises on purpose.

    PromptlightError
    ├── InputError      a prompt file or one of its records can't be used
    │   └── PromptTooLongError   a prompt does not fit the model
    ├── FoilError       a foil can't be contrasted with the completion
    ├── TooFewAblationsError     too few ablations to score a prompt's spans
    ├── ModelError      a model can't be found, read or run
    │   └── OutOfMemoryError     not even one target fits into memory
    ├── OutputError     a results folder or an output file can't be read or written
    ├── UsageError      options that contradict each other or the data
    └── StoppedError    a signal ended a run

A message says what was expected, what was found and what to do, in the library's own words. ``parameters`` names the
parameters that would help, such as ``dtype``; the command line turns them into options. Any other error is a bug.
"""

from __future__ import annotations

from collections.abc import Iterable


class PromptlightError(Exception):
    """Base of all errors that users can fix; ``parameters`` are those that would help."""

    def __init__(self, message: str, *, parameters: Iterable[str] = ()) -> None:
        self.parameters = tuple(parameters)
        super().__init__(message)


class InputError(PromptlightError):
    """A prompt file or one of its records can't be used: ``path``, ``line`` (1-based; None: the file), ``reason``."""

    def __init__(self, path: str, line: int | None, reason: str, *, parameters: Iterable[str] = ()) -> None:
        self.path, self.line, self.reason = path, line, reason
        super().__init__(at_place(path, line, reason), parameters=parameters)


def at_place(path: str, line: int | None, reason: str) -> str:
    """What is wrong, behind the file and, where it is known, the line."""
    return f"{path}: {reason}" if line is None else f"{path}:{line}: {reason}"


class PromptTooLongError(InputError):
    """A prompt has more tokens than the model's context holds."""


class FoilError(PromptlightError):
    """A foil can't be contrasted with the completion; its record is skipped."""


class TooFewAblationsError(PromptlightError):
    """Too few ablations to score the spans of a prompt; its record is skipped."""


class ModelError(PromptlightError):
    """A model can't be found, read or run."""


OUT_OF_MEMORY = "out of memory"  # how the message of such an error begins


class OutOfMemoryError(ModelError):
    """Not even one target fits into memory."""


class OutputError(PromptlightError):
    """A results folder or an output file can't be read or written."""


class UsageError(PromptlightError):
    """Options that contradict each other or the data."""


class StoppedError(PromptlightError):
    """The signal ``signal_number`` stopped a run; what was computed is kept."""

    def __init__(self, signal_number: int, message: str) -> None:
        self.signal_number = signal_number
        super().__init__(message)
