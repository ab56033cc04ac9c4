"""Make a prompt's text editable on a terminal: control characters become visible symbols, and back again.

text       "a\\x1b[1mb\\nc\\n"     what the model reads
shown      "a␛[1mb\\nc\\n"        what is edited
edited     "a␛[1mb!\\nc\\n"
restored   "a\\x1b[1mb!\\nc\\n"    what the model reads then
"""

from __future__ import annotations

from difflib import SequenceMatcher

from promptlight.salience.text.printable import printable

LINE_ENDS = {"\u2028": "⟨U+2028⟩", "\u2029": "⟨U+2029⟩"}  # editors treat them as line feeds


def show_text(text: str) -> str:
    """Replace control characters with symbols; the number of lines stays the same."""
    return printable(text).translate(str.maketrans(LINE_ENDS))


def restore_text(edited: str, original: str) -> str:
    """Turn the symbols of an edited text back into characters; lines that were not edited are the original's."""
    before, shown, after = original.split("\n"), show_text(original).split("\n"), edited.split("\n")
    # a symbol that also occurs in the original stays as it is: its meaning is ambiguous
    symbols = {show_text(one): one for one in set(original) if show_text(one) != one and show_text(one) not in original}
    lines: list[str] = []
    matcher = SequenceMatcher(None, shown, after, autojunk=False)
    for kind, left, left_stop, right, right_stop in matcher.get_opcodes():
        if kind == "equal":
            lines += before[left:left_stop]
            continue
        for line in after[right:right_stop]:
            for symbol, character in symbols.items():
                line = line.replace(symbol, character)
            lines.append(line)
    return "\n".join(lines)
