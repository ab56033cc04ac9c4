"""Values of config.json, checked for what they must be."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from promptlight.salience.errors import ModelError


@dataclass(frozen=True)
class Values:
    """An object of config.json; ``place`` is what a message calls it. Every method raises ModelError by the key."""

    values: Mapping[str, Any]
    place: str

    def __contains__(self, key: str) -> bool:
        return key in self.values

    def count(self, key: str, default: int | None = None, *, least: int = 1) -> int:
        """A whole number of ``least`` or more."""
        value = self.values.get(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise self.refuse(key, f"a whole number of {least} or more")
        return value

    def number(self, key: str, default: float | None = None) -> float:
        """A number above 0."""
        value = self.values.get(key, default)
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < math.inf:
            raise self.refuse(key, "a number above 0")
        return float(value)

    def optional(self, key: str, default: float | None = None) -> float | None:
        """A number above 0, or null."""
        return None if self.values.get(key, default) is None else self.number(key, default)

    def flag(self, key: str, *, default: bool) -> bool:
        """True or false."""
        value = self.values.get(key, default)
        if not isinstance(value, bool):
            raise self.refuse(key, "true or false")
        return value

    def refuse(self, key: str, expected: str) -> ModelError:
        """The error for a value that is not as it must be."""
        if key not in self.values:
            return ModelError(f"{self.place} has no {key}; expected {expected}")
        return ModelError(f"{self.place} has {key} {json.dumps(self.values[key])[:80]}; expected {expected}")


def unless(value: int, usual: int) -> int | None:
    """What a layer's options say of a size: nothing if it is the model's."""
    return None if value == usual else value
