"""Which results folder is meant: the one that is named, one that comes with the package, or else ``results``."""

from __future__ import annotations

import contextlib
from pathlib import Path

from promptlight.io.places import Place, RemotePath, parse_place
from promptlight.salience.errors import UsageError
from promptlight.salience.text.spelling import suggest

DEFAULT = Path("results")  # as README and the tutorial name it
BUNDLED = {"gemma-tutorial": Path(__file__).parent / "gemma_tutorial"}
"""Name -> folder in the package; its README says which model made the results."""


def find_folder(named: str | Place | None, *, instead: str = "") -> Place:
    """The results folder that a user means: one that exists, then a bundled name; it is checked when it is read.

    Raises UsageError if none is named and there is no ``results`` here; ``instead`` says what else would do.
    """
    if named is not None:
        place = parse_place(named)
        return place if isinstance(place, RemotePath) or place.exists() else BUNDLED.get(str(place), place)
    if DEFAULT.is_dir():
        return DEFAULT
    ways = f"name one{f', or give {instead}' if instead else ''}"
    raise UsageError(
        f"expected a results folder, found none named and no {DEFAULT}/ here: {ways}; `promptlight run` makes one, and"
        f" {name_bundled()}"
    )


def is_bundled(folder: Place) -> bool:
    """Whether a folder is part of the package, where nothing is written."""
    return folder in BUNDLED.values()


def guess_folder(missing: Place) -> str:
    """Which folder beside it, or in the package, may have been meant: ``; did you mean results?``, or nothing."""
    if isinstance(missing, RemotePath):
        return ""
    beside: list[str] = []
    with contextlib.suppress(OSError):
        beside = [str(missing.with_name(one.name)) for one in missing.parent.iterdir() if one.is_dir()]
    return suggest(str(missing), [*BUNDLED, *sorted(beside)])


def name_bundled() -> str:
    """Say which results come with the package."""
    return f"{', '.join(BUNDLED)} comes with promptlight"
