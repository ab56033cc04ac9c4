"""A prompt template: text with ``{placeholders}``, filled from each record's fields; ``{{`` and ``}}`` are braces.

A placeholder may be a name with dots, ``{messages.0.content}`` (``_fields.py``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from promptlight.io.prompts._fields import find_field
from promptlight.io.prompts.jsonline import RecordError, kind_of
from promptlight.salience.errors import InputError
from promptlight.salience.text.spelling import suggest

WHAT_IS_EXPECTED = "expected a template with {placeholders}"
_BRACES = re.compile(r"\{\{|\}\}|\{[^{}]*\}|[{}]")  # Python's format strings allow more, such as attributes and indices


class Template:
    """A template in parts: the text before each placeholder, and the placeholder's name, or None at the end."""

    def __init__(self, text: str, path: str = "<template>") -> None:
        """Raises InputError for a text without placeholders or with a broken one."""
        self._parts: list[tuple[str, str | None]] = []
        place = 0
        for found in _BRACES.finditer(text):
            before, braces = text[place : found.start()], found[0]
            place = found.end()
            if braces in ("{{", "}}"):
                self._parts.append((before + braces[0], None))
            elif len(braces) == 1 or not braces[1:-1].strip() or set(braces) & {"!", ":"}:
                reason = f"{braces!r}, where only a field's name stands between braces; write {{{{ for a brace"
                raise InputError(path, None, f"{WHAT_IS_EXPECTED}, found {reason}")
            else:
                self._parts.append((before, braces[1:-1].strip()))
        self._parts.append((text[place:], None))
        if not self.names:
            raise InputError(path, None, f"{WHAT_IS_EXPECTED}, found none; write for example {{question}}")

    @property
    def names(self) -> list[str]:
        """The placeholders, each once, in order."""
        return list(dict.fromkeys(name for _, name in self._parts if name))

    def fill(self, record: Mapping[str, Any]) -> str:
        """The prompt for one record. Raises RecordError, naming the placeholders that it has no text for."""
        found = {name: find_field(record, name) for name in self.names}
        if missing := [name for name, (there, _) in found.items() if not there]:
            wanted, fields = (", ".join(f"`{name}`" for name in names) for names in (missing, record))
            there = f"found {fields or 'no fields'}; add it{suggest(missing[0], record)}"
            raise RecordError(f"expected a field {wanted} for the template, {there}")
        for name, (_, value) in found.items():
            if value is None:
                raise RecordError(f'expected `{name}` to be text for the template, found null; write "" for no text')
            if not isinstance(value, str | int | float) or isinstance(value, bool):
                raise RecordError(f"expected `{name}` to be text for the template, found {kind_of(value)}")
        return "".join(before + (str(found[name][1]) if name else "") for before, name in self._parts)

    def reads(self, field: str) -> bool:
        """Whether a placeholder names a field, or something within it."""
        return any(name.split(".")[0] == field for name in self.names)


def read_template(path: str | Path) -> Template:
    """Read a template from a file, without one final line feed. Raises InputError."""
    try:
        text = Path(path).read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = f"found no readable file ({error.strerror if isinstance(error, OSError) else 'not UTF-8'})"
        raise InputError(str(path), None, f"{WHAT_IS_EXPECTED}, {reason}") from error
    return Template(text.removesuffix("\n"), str(path))
