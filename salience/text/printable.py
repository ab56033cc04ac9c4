"""Text that is safe to show: what a terminal or a browser would obey becomes a visible symbol."""

from __future__ import annotations

import json

CONTROL_PICTURES = {code: chr(0x2400 + code) for code in range(0x20) if code != 0x0A}
INVISIBLE_ORDERS = (
    *range(0x80, 0xA0),  # C1 controls: some terminals start an escape sequence with them
    *range(0x202A, 0x202F),  # bidirectional overrides
    *range(0x2066, 0x206A),
    *range(
        0xD800, 0xE000
    ),  # halves of characters, as file names in another encoding bring along: UTF-8 can't spell them
)
_ESCAPES = {code: f"\\u{code:04x}" for code in (0x7F, *INVISIBLE_ORDERS)}
_TABLE = CONTROL_PICTURES | {0x7F: "\u2421"} | {code: f"\u27e8U+{code:04X}\u27e9" for code in INVISIBLE_ORDERS}


def printable(text: str) -> str:
    """Replace control characters (but not line feeds), terminal escapes and bidirectional overrides by symbols."""
    return text.translate(_TABLE)


def printable_json(value: object, indent: int | None = 1) -> str:
    """JSON that says the same to a program and orders nothing of a terminal."""
    return json.dumps(value, ensure_ascii=False, indent=indent).translate(_ESCAPES)


def one_line(text: str) -> str:
    """A message that stays on one line, whatever it quotes: line feeds as arrows."""
    return printable(text).replace("\n", "\u21b5")


def quote(text: str, width: int) -> str:
    """One line for a list: line feeds as arrows, cut to ``width`` characters with an ellipsis."""
    line = one_line(text.strip() or text)
    return line if len(line) <= width else line[: width - 1] + "\u2026"
