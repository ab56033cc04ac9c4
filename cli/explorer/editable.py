"""A prompt's text as it can be edited on a terminal: what a terminal would obey stands there as a visible symbol.

text       "a\\x1b[1mb\\nc\\n"     what the model reads
shown      "a␛[1mb\\nc\\n"        what is edited
edited     "a␛[1mb!\\nc\\n"
restored   "a\\x1b[1mb!\\nc\\n"    what the model reads then
"""

from __future__ import annotations

from difflib import SequenceMatcher

from promptlight.salience.text.printable import printable

LINE_ENDS = {"\u2028": "⟨U+2028⟩", "\u2029": "⟨U+2029⟩"}  # an editor takes them for line feeds


def show_text(text: str) -> str:
    """A text without anything that a terminal would obey; it has as many lines as before."""
    return printable(text).translate(str.maketrans(LINE_ENDS))


def restore_text(edited: str, original: str) -> str:
    """An edited text with the characters that symbols stood for; lines that were not edited are the original's."""
    before, shown, after = original.split("\n"), show_text(original).split("\n"), edited.split("\n")
    # a symbol that the original itself has somewhere stays one: it can't be known what it stands for
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
