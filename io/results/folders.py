"""Which results folder is meant: the one that is named, or else ``results``."""

from __future__ import annotations

from pathlib import Path

from promptlight.salience.errors import UsageError

DEFAULT = Path("results")  # as README and the tutorial name it


def find_folder(named: Path | None, *, instead: str = "") -> Path:
    """The results folder that a user means; what is in it is checked when it is read.

    Raises UsageError if none is named and there is no ``results`` here; ``instead`` says what else would do.
    """
    if named is not None:
        return named
    if DEFAULT.is_dir():
        return DEFAULT
    ways = f"name one{f', or give {instead}' if instead else ''}"
    raise UsageError(
        f"expected a results folder, found none named and no {DEFAULT}/ here: {ways}; `promptlight run` makes one"
    )
