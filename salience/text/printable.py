"""Make text safe to show: characters that a terminal or browser would act on become visible symbols."""

from __future__ import annotations

import json

CONTROL_PICTURES = {code: chr(0x2400 + code) for code in range(0x20) if code != 0x0A}
INVISIBLE_ORDERS = (
    *range(0x80, 0xA0),  # C1 controls: in some terminals they start an escape sequence
    *range(0x202A, 0x202F),  # bidirectional overrides
    *range(0x2066, 0x206A),
    *range(0xD800, 0xE000),  # surrogates, as from file names in another encoding: UTF-8 can't encode them
)
_ESCAPES = {code: f"\\u{code:04x}" for code in (0x7F, *INVISIBLE_ORDERS)}
_TABLE = CONTROL_PICTURES | {0x7F: "\u2421"} | {code: f"\u27e8U+{code:04X}\u27e9" for code in INVISIBLE_ORDERS}


def printable(text: str) -> str:
    """Replace control characters (except line feeds), terminal escapes and bidirectional overrides with symbols."""
    return text.translate(_TABLE)


def printable_json(value: object, indent: int | None = 1) -> str:
    """Dump a value as JSON with control characters escaped, so that a terminal does not act on them."""
    return json.dumps(value, ensure_ascii=False, indent=indent).translate(_ESCAPES)


def one_line(text: str) -> str:
    """Keep a message on one line, whatever it quotes: line feeds become arrows."""
    return printable(text).replace("\n", "\u21b5")


def quote(text: str, width: int) -> str:
    """Shorten a text to one line of ``width`` characters: line feeds become arrows, an ellipsis marks the cut."""
    line = one_line(text.strip() or text)
    return line if len(line) <= width else line[: width - 1] + "\u2026"
