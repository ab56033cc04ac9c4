"""Read a file of replacements: lines ``OLD=>NEW``, or a single line that replaces each part."""

from __future__ import annotations

from pathlib import Path

from promptlight.salience.errors import InputError
from promptlight.salience.text.editing import ARROW, Replacement

WHAT_IS_EXPECTED = f"expected lines OLD{ARROW}NEW, or one line NEW that replaces each part"


def read_replacements(path: Path) -> list[Replacement]:
    """The replacements in the file's order; blank lines are skipped, and blanks around a line.

    An empty NEW takes OLD away. Raises InputError for a file without any, and for a line of another form.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(str(path), None, f"could not be read ({error}); {WHAT_IS_EXPECTED}") from error
    lines = [(number, line.strip()) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    if not lines:
        raise InputError(str(path), None, f"{WHAT_IS_EXPECTED}, found none")
    if len(lines) == 1 and ARROW not in lines[0][1]:
        return [Replacement(old=None, new=lines[0][1])]
    return [_parse(path, number, line) for number, line in lines]


def _parse(path: Path, number: int, line: str) -> Replacement:
    old, arrow, new = line.partition(ARROW)
    if not arrow or not old:
        raise InputError(str(path), number, f"{WHAT_IS_EXPECTED}, found {line!r}")
    return Replacement(old=old, new=new)
