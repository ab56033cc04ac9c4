"""Why a model wrote something, in a sentence or two, from what ``why`` keeps."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from promptlight.cli.views._rewritten import QUOTED, end_sentence, quote_text
from promptlight.cli.views.sentences import name_units, say
from promptlight.io.page.words import Language
from promptlight.salience.text.printable import one_line

Trial = Mapping[str, Any]


def spell_why(answer: Mapping[str, Any], language: Language = Language.ENGLISH, width: int | None = QUOTED) -> str:
    """The sentence of an answer in the form of ``why --json``; quoted texts have at most ``width`` characters.

    None: all of them.
    """
    spell = partial(_spell, language)
    first, *others = [one for one in answer["trials"] if not one["control"]]
    named = partial(name_part, language, by=answer["by"], width=width)
    quoted, writes = partial(_quote, language, width), partial(_say_answer, language, width)
    units = _name_units(language, answer["by"], 1 + len(others))
    change = _say_change(language, first, width)
    said = {"wrote": quoted(answer["answer"]), "name": named(first), "change": change, **units}
    if first["changed"]:
        sentences = [spell("why.changed", writes=writes(first), **said)]
    else:
        sentences = [spell("why.unchanged", **said)]
        if changing := next((one for one in others if one["changed"]), None):
            sentences.append(spell("why.other", name=named(changing), writes=writes(changing)))
        elif others:
            sentences.append(spell("why.nor", **units))
    if control := next((one for one in answer["trials"] if one["control"] and one["changed"]), None):
        more = any(one["changed"] for one in [first, *others])
        key = "why.doubt-more" if more else "why.doubt"
        sentences.append(spell(key, name=named(control), writes=writes(control), **units))
    return say(language, "space").join(sentences)


def _spell(language: Language, key: str, **values: object) -> str:
    """A sentence with its full stop, unless it ends with a quoted one."""
    said = say(language, key, **values)
    return said if said.endswith((".", "。")) else end_sentence(said)


def _name_units(language: Language, by: str, count: int) -> dict[str, object]:
    named = name_units(language, by, count)
    return {**named, "units": f"{named['unit']}s"}


def name_part(language: Language, part: Mapping[str, Any], *, by: str, width: int | None) -> str:
    """A part of the prompt: ``line 9 (10.9%), “Recommendation: ...”``.

    ``part`` has its line, section, text and share, as a trial has.
    """
    key = by if by in ("line", "section") and (by == "line" or part["section"]) else "part"
    return say(
        language,
        f"why.{key}",
        line=part["line"],
        section=one_line(part["section"] or ""),
        text=_quote(language, width, part["text"]),
        share=f"{part['share']:.1%}",
    )


def _say_change(language: Language, trial: Trial, width: int | None) -> str:
    text = (trial["replacement"] or "").strip()
    key = "replaced" if text else "without"
    return say(language, f"why.{key}", text=_quote(language, width, text))


def _say_answer(language: Language, width: int | None, trial: Trial) -> str:
    """The answer, or if there is none in the target's place, the whole completion."""
    if trial["answer"] is None and trial["completion"].strip():
        return say(language, "why.writes-only", text=_quote(language, width, trial["completion"]))
    key = "writes" if trial["answer"] else "writes-nothing"
    return say(language, f"why.{key}", text=_quote(language, width, trial["answer"] or ""))


def _quote(language: Language, width: int | None, text: str) -> str:
    return say(language, "quote", text=quote_text(text, width)[1:-1])
