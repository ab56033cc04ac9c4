"""What earlier versions of the schema stored, as this one has it.

Version 3 had one method a folder, which its settings called ``method``, and no foils.
"""

from __future__ import annotations

from typing import Any


def upgrade_settings(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings as this version writes them, from those of any version that is still read."""
    if "method" not in settings:
        return settings
    return {
        ("methods" if name == "method" else name): [value] if name == "method" else value
        for name, value in settings.items()
    }
