"""Say which parts of one prompt change the answer when the model writes again without them."""

from __future__ import annotations

from collections.abc import Sequence

from promptlight.salience.regeneration.prompt_causes import PromptCauses, TriedPart
from promptlight.salience.text.printable import one_line, quote

LISTED = 5  # parts to name in a sentence
SHOWN_WIDTH = 40


def spell_causes(causes: PromptCauses) -> str:
    """Which parts change the answer, in a sentence, for readers of one prompt."""
    unit, n = name_unit(causes.by), len(causes.parts)
    changing, answer = causes.causes, f"“{quote(causes.answer, SHOWN_WIDTH)}”"
    if not changing:
        return f"writing again without any one of the {n:,} {unit}s of the prompt, the model still writes {answer}"
    named = _name_parts(changing, causes.by)
    if len(changing) == n:
        return f"writing again without any one of the {n:,} {unit}s of the prompt changes {answer}"
    others = f"any of the other {n - len(changing):,} {unit}s" if n - len(changing) > 1 else f"the other {unit}"
    return f"writing again without {named} changes {answer}; without {others} it does not"


def _name_parts(parts: Sequence[TriedPart], by: str) -> str:
    """The parts: ``line 9``, ``line 9, 14 or 26``, ``“Quiche” in line 9``; of many, the first."""
    if by == "line":
        named = [f"line {parts[0].line}", *(f"{part.line}" for part in parts[1:])]
    elif by == "section":
        named = [f"section {one_line(part.section or '')}" for part in parts]
    else:
        named = [f"“{quote(part.text, SHOWN_WIDTH)}” in line {part.line}" for part in parts]
    shown = named[:LISTED]
    if len(named) > LISTED:
        shown.append(f"{len(named) - LISTED:,} more")
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} or {shown[-1]}"


def name_unit(by: str) -> str:
    """The name of one part of this cut."""
    return by if by.isalpha() else "part"
