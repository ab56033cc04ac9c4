"""Read a file of patterns that name parts of prompts: TOML, one ``name = 'regular expression'`` a line."""

from __future__ import annotations

import tomllib
from pathlib import Path

from promptlight.salience.errors import InputError, UsageError
from promptlight.salience.text.sections import find_sections

WHAT_IS_EXPECTED = "expected lines such as  example = '^Suggestion.*'"


def read_section_patterns(path: str | Path) -> dict[str, str]:
    """Name -> pattern, in the file's order. Raises InputError if there are none, or for an invalid pattern."""
    try:
        read = tomllib.loads(Path(path).read_text("utf-8-sig"))
    except OSError as error:
        raise InputError(str(path), None, f"{WHAT_IS_EXPECTED}, found no readable file ({error.strerror})") from error
    except ValueError as error:  # not TOML, or not UTF-8
        raise InputError(str(path), None, f"{WHAT_IS_EXPECTED}, found no TOML: {error}") from error
    if not read:
        raise InputError(str(path), None, f"{WHAT_IS_EXPECTED}, found none")
    for name, pattern in read.items():
        if not isinstance(pattern, str):
            raise InputError(str(path), None, f"{WHAT_IS_EXPECTED}, found {name!r} without a text")
        try:
            find_sections("", {name: pattern})
        except UsageError as error:
            reason = f"{WHAT_IS_EXPECTED}, found {name!r} with a pattern that fails: {error}"
            raise InputError(str(path), None, reason) from error
    return read
