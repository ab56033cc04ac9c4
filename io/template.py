"""A prompt template: text with ``{placeholders}``, filled from each record's fields; ``{{`` and ``}}`` are braces."""

from __future__ import annotations

import string
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from promptlight.io.jsonline import RecordError, kind_of
from promptlight.salience.errors import InputError

WHAT_IS_EXPECTED = "expected a template with {placeholders}"


class Template:
    """Its text in parts: what stands before each placeholder, and the placeholder's name or None at the end."""

    def __init__(self, text: str, path: str = "<template>") -> None:
        """Raises InputError for a text without placeholders or with a broken one."""
        self._parts: list[tuple[str, str | None]] = []
        try:
            for before, name, specification, conversion in string.Formatter().parse(text):
                if name is not None and (specification or conversion or not name.strip()):
                    raise ValueError(f"a placeholder is a field's name between braces, not {{{name}...}}")
                self._parts.append((before, name.strip() if name else None))
        except ValueError as error:
            raise InputError(path, None, f"{WHAT_IS_EXPECTED}, found: {error}; write {{{{ for a brace") from error
        if not self.names:
            raise InputError(path, None, f"{WHAT_IS_EXPECTED}, found none; write for example {{question}}")

    @property
    def names(self) -> list[str]:
        """The placeholders, each once, in order."""
        return list(dict.fromkeys(name for _, name in self._parts if name))

    def fill(self, record: Mapping[str, Any]) -> str:
        """The prompt for one record. Raises RecordError, naming the placeholders that it has no text for."""
        missing = [name for name in self.names if record.get(name) is None]
        if missing:
            wanted, fields = (", ".join(f"`{name}`" for name in names) for names in (missing, record))
            raise RecordError(f"expected a field {wanted} for the template, found {fields or 'no fields'}; add it")
        for name in self.names:
            if not isinstance(record[name], str | int | float) or isinstance(record[name], bool):
                raise RecordError(f"expected `{name}` to be text for the template, found {kind_of(record[name])}")
        return "".join(before + (str(record[name]) if name else "") for before, name in self._parts)


def read_template(path: str | Path) -> Template:
    """A template from a file; one line feed at its very end is not part of it. Raises InputError."""
    try:
        text = Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = f"found no readable file ({error.strerror if isinstance(error, OSError) else 'not UTF-8'})"
        raise InputError(str(path), None, f"{WHAT_IS_EXPECTED}, {reason}") from error
    return Template(text.removesuffix("\n"), str(path))
