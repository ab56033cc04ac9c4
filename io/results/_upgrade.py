"""Convert results of earlier schema versions to this one.

    version 3    one method a folder, called ``method`` in its settings; no foils
    version 4    no ``error_code``: the text of ``error`` says what is wrong, and whether the next run tries again

The texts here are those that these versions wrote. Later changes of messages don't matter.
"""

from __future__ import annotations

from typing import Any

from promptlight.salience.types import SetAsideCode


def upgrade_settings(settings: dict[str, Any]) -> dict[str, Any]:
    """Convert the settings of any readable version to this one."""
    if "method" not in settings:
        return settings
    return {
        ("methods" if name == "method" else name): [value] if name == "method" else value
        for name, value in settings.items()
    }


def upgrade_row(row: dict[str, Any]) -> dict[str, Any]:
    """Convert a row, or some of its columns, to this version."""
    if "error" not in row or "error_code" in row:
        return row
    error = row["error"]
    return row | {"error_code": None if error is None else _derive_code(error).value}


def _derive_code(error: str) -> SetAsideCode:
    if error.startswith("out of memory"):
        return SetAsideCode.OUT_OF_MEMORY
    if error.startswith("foil "):
        return SetAsideCode.FOIL
    if " tokens, but " in error and error.startswith(("the prompt has ", "prompt and target have ")):
        return SetAsideCode.TOO_LONG
    if error.startswith("expected at least ") and "samples" in error:
        return SetAsideCode.TOO_FEW_ABLATIONS
    return SetAsideCode.UNUSABLE
