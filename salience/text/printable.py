"""Make text safe to show: characters that a terminal or browser acts on, or doesn't draw, become visible symbols."""

from __future__ import annotations

import json
import re

CONTROL_PICTURES = {code: chr(0x2400 + code) for code in range(0x20) if code != 0x0A}
INVISIBLE = (
    *range(0x80, 0xA0),  # C1 controls: in some terminals they start an escape sequence
    0xAD,  # soft hyphen
    0x034F,
    0x061C,  # bidirectional mark, as are 200E and 200F
    *(0x115F, 0x1160, 0x3164, 0xFFA0),  # Hangul fillers
    *(0x17B4, 0x17B5),
    *range(0x180B, 0x1810),
    0x200B,  # zero-width space
    *(0x200E, 0x200F),
    *range(0x2028, 0x202F),  # line and paragraph separator, bidirectional overrides
    *range(0x2060, 0x2070),  # word joiner, invisible operators, bidirectional isolates
    *range(0xD800, 0xE000),  # surrogates, as from file names in another encoding: UTF-8 can't encode them
    0xFEFF,  # byte order mark
    *range(0xFFF0, 0xFFFC),
    *range(0x1BCA0, 0x1BCA4),
    *range(0x1D173, 0x1D17B),
    *range(0xE0000, 0xE0100),  # tags
)
_JOINERS, _SELECTORS = "\u200c\u200d", "\ufe00-\ufe0f\U000e0100-\U000e01ef"
_JOINING = _JOINERS + _SELECTORS  # they change how their neighbours are drawn
# No script has several in a row, but for a selector and then a joiner, in emoji: a row of them can hide a whole text.
_ROW = re.compile(rf"(?![{_SELECTORS}][{_JOINERS}](?![{_JOINING}]))[{_JOINING}]{{2,}}")
_CONTEXT = 2  # characters around a part that say whether its end belongs to a row
_ONLY_JOINING = re.compile(rf"\s*[{_JOINING}][\s{_JOINING}]*")
_ESCAPES = {code: f"\\u{code:04x}" if code <= 0xFFFF else json.dumps(chr(code))[1:-1] for code in (0x7F, *INVISIBLE)}
_TABLE = CONTROL_PICTURES | {0x7F: "\u2421"} | {code: f"\u27e8U+{code:04X}\u27e9" for code in INVISIBLE}


def printable(text: str) -> str:
    """Replace control characters (except line feeds), terminal escapes and invisible characters with symbols.

    Joiners and variation selectors stay where each stands alone: emoji, Persian and Hindi need them.
    """
    return _ROW.sub(lambda found: _spell(found[0]), text.translate(_TABLE))


def printable_within(part: str, text: str, start: int) -> str:
    """``printable(part)`` where it stands in a text from ``start`` on: a row may go on outside of it.

    A part that doesn't stand there, such as a mark's name, is shown by itself.
    """
    if not text.startswith(part, start):
        return printable(part)
    first, stop = max(start - _CONTEXT, 0), start + len(part)
    shown, at = "", start
    for found in _ROW.finditer(text[first : stop + _CONTEXT]):
        begin, end = max(first + found.start(), at), min(first + found.end(), stop)
        if begin < end:
            shown, at = shown + text[at:begin].translate(_TABLE) + _spell(text[begin:end]), end
    return shown + text[at:stop].translate(_TABLE)


def printable_json(value: object, indent: int | None = 1) -> str:
    """Dump a value as JSON with control and invisible characters escaped, so that a terminal does not act on them."""
    dumped = json.dumps(value, ensure_ascii=False, indent=indent).translate(_ESCAPES)
    return _ROW.sub(lambda found: json.dumps(found[0])[1:-1], dumped)


def one_line(text: str) -> str:
    """Keep a message on one line, whatever it quotes: line feeds become arrows, and joiners alone become symbols."""
    shown = printable(text)
    if _ONLY_JOINING.fullmatch(shown):
        shown = re.sub(f"[{_JOINING}]", lambda found: _spell(found[0]), shown)
    return shown.replace("\n", "\u21b5")


def _spell(characters: str) -> str:
    return "".join(f"\u27e8U+{ord(one):04X}\u27e9" for one in characters)


def quote(text: str, width: int) -> str:
    """Shorten a text to one line of ``width`` characters: line feeds become arrows, an ellipsis marks the cut."""
    line = one_line(text.strip() or text)
    return line if len(line) <= width else line[: width - 1] + "\u2026"
