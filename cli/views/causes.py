"""Say which parts of one prompt change the answer when the model writes again without them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from promptlight.cli.views.sentences import PART, name_units, quote_in, say
from promptlight.io.page.words import Language
from promptlight.salience.regeneration.prompt_causes import PromptCauses, TriedPart
from promptlight.salience.text.printable import one_line

LISTED = 5  # parts to name in a sentence
SHOWN_WIDTH = 40


def spell_causes(causes: PromptCauses, language: Language = Language.ENGLISH) -> str:
    """Which parts change the answer, in a sentence without its full stop, for readers of one prompt."""
    changing, n = causes.causes, len(causes.parts)
    answer = quote_in(language, causes.answer, SHOWN_WIDTH)
    if len(changing) in (0, n):
        how = "none" if not changing else "all"
        return say(language, f"causes.{how}", answer=answer, **name_units(language, causes.by, n))
    named, n_others = _name_parts(changing, causes.by, language), n - len(changing)
    other = "other-one" if n_others == 1 else "other-many"
    others = say(language, f"causes.{other}", **name_units(language, causes.by, n_others))
    return say(language, "causes.some", named=named, answer=answer, others=others)


def _name_parts(parts: Sequence[TriedPart], by: str, language: Language) -> str:
    """The parts: ``line 9``, ``line 9, 14 or 26``, ``“Quiche” in line 9``; of many, the first."""
    shown = list(_list_parts(parts[:LISTED], by, language))
    if len(parts) > LISTED:
        shown.append(say(language, "causes.more", count=f"{len(parts) - LISTED:,}"))
    if len(shown) == 1:
        return shown[0]
    return say(language, "causes.last", before=say(language, "list").join(shown[:-1]), last=shown[-1])


def _list_parts(parts: Sequence[TriedPart], by: str, language: Language) -> Iterator[str]:
    for number, part in enumerate(parts):
        if by == "line":
            yield say(language, f"causes.{'next' if number else 'first'}-line", line=part.line)
        elif by == "section":
            yield say(language, "causes.section", name=one_line(part.section or ""))
        else:
            text = quote_in(language, part.text, SHOWN_WIDTH)
            yield say(language, "causes.part", text=text, line=part.line)


def name_unit(by: str) -> str:
    """The name of one part of this cut."""
    return by if by.isalpha() else PART
