"""Find a field of a record by its name, or by a name with dots: ``body.prompt`` is a field within an object, and
``messages.0.content`` goes into a list by number. A field with that very name goes first.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, cast

_NUMBER = re.compile(r"[0-9]{1,9}")


def find_field(record: Mapping[str, Any], name: str) -> tuple[bool, Any]:
    """Whether there is such a field, and its value."""
    if name in record or "." not in name:
        return name in record, record.get(name)
    value: Any = record
    for part in name.split("."):
        if isinstance(value, list) and _NUMBER.fullmatch(part) and int(part) < len(cast("list[Any]", value)):
            value = cast("list[Any]", value)[int(part)]
        elif isinstance(value, Mapping) and part in value:
            value = cast("Mapping[str, Any]", value)[part]
        else:
            return False, None
    return True, value
