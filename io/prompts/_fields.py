"""Find a field of a record by its name, or by a name with dots: ``body.prompt`` is a field within an object."""

from __future__ import annotations

from typing import Any, cast


def find_field(record: dict[str, Any], name: str) -> tuple[bool, Any]:
    """Whether there is such a field, and its value; a field with that very name goes first."""
    if name in record:
        return True, record[name]
    value: Any = record
    for part in name.split("."):
        if not isinstance(value, dict) or part not in value:
            return False, None
        value = cast("dict[str, Any]", value)[part]
    return True, value
