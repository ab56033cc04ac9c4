"""Spell sentences about results from templates, in each language of the page; the terminal speaks English.

``trust.py``, ``causes.py`` and ``why.py`` choose what to say: a key and its values.
"""

from __future__ import annotations

from pathlib import Path

from promptlight.io.page.words import Language, fill, read_templates
from promptlight.salience.text.printable import quote

FOLDER = Path(__file__).parent
PART = "part"


def say(language: Language, key: str, **values: object) -> str:
    """A template with its values. Raises KeyError for a key or a value that is missing: that is a bug."""
    return fill(read_templates(FOLDER / f"sentences.{language}.toml")[key], values)


def name_units(language: Language, by: str, count: int) -> dict[str, object]:
    """The values that name some sources of a cut: ``count``, ``unit`` (line), ``many`` (3 lines)."""
    kind = by if by.isalpha() else PART
    shown = f"{count:,}"
    return {"count": shown, "unit": say(language, f"one.{kind}"), "many": say(language, f"many.{kind}", count=shown)}


def quote_in(language: Language, text: str, width: int) -> str:
    """A text of at most ``width`` characters in quotation marks."""
    return say(language, "quote", text=quote(text, width))
