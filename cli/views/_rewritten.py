"""What a model wrote for changed prompts, in sentences and rows: for ``why`` and for ``try`` with each part."""

from __future__ import annotations

import re
import sys

from rich.style import Style
from rich.text import Text

from promptlight.salience.regeneration.parts import PartOutcome
from promptlight.salience.regeneration.trials import Outcome
from promptlight.salience.text.printable import one_line, quote

QUOTED = 60  # characters of a text within a sentence
NARROWEST = 12  # cells of a column of text
BOLD = Style(bold=True)


def quote_text(text: str, width: int | None = QUOTED) -> str:
    """A text in quotation marks, with at most ``width`` characters (None: all)."""
    return f"“{quote(text, width or sys.maxsize)}”"


def end_sentence(sentence: str) -> str:
    """Close a sentence, unless the text that it quotes last does."""
    return sentence if re.search(r"[.!?。！？]”$", sentence) else f"{sentence}."


def say_answer(outcome: PartOutcome, width: int | None = QUOTED) -> str:
    """``it writes “...”``: the answer, or if there is none in the target's place, the whole completion."""
    if outcome.answer is None and outcome.completion.strip():
        return f"it writes only {quote_text(outcome.completion, width)}"
    return f"it writes {quote_text(outcome.answer, width)}" if outcome.answer else "it writes nothing"


def spell_answer(outcome: Outcome | PartOutcome) -> str:
    """The same for a row of a table."""
    if not outcome.is_changed:
        return "the same"
    return one_line(outcome.completion.strip() if outcome.answer is None else outcome.answer) or "nothing"


def join_row(numbers: str, left: str, right: str, room: int, style: Style) -> Text:
    """A row of numbers and two texts of ``room`` cells each; the style is the right one's."""
    columns = [Text(left), Text(right, style)]
    for column in columns:
        column.truncate(room, overflow="ellipsis")
    columns[0].pad_right(room - columns[0].cell_len)
    return Text.assemble(numbers, columns[0], "  ", columns[1])
