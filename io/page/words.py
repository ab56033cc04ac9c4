"""The words of the page, and of what it quotes, in each of its languages.

``browser/words/`` has a TOML file for each language. A key such as ``trust.steady`` leads to a template with names in
braces. A template that depends on a number has two forms, ``one`` and ``other``; the value ``count`` chooses, and
Chinese has ``other`` alone. ``browser/words.js`` spells the same templates in the browser; a test holds both equal.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

WORDS = Path(__file__).parent / "browser" / "words"
_NAME = re.compile(r"\{(\w+)\}")


class Language(StrEnum):
    """A language of the page."""

    ENGLISH = "en"
    CHINESE = "zh-TW"  # as written in Taiwan


def read_words(language: Language) -> Mapping[str, str]:
    """All templates of a language by their keys."""
    return read_templates(WORDS / f"{language}.toml")


@cache
def read_templates(path: Path) -> Mapping[str, str]:
    """All templates of a file by their keys."""
    return dict(_flatten(tomllib.loads(path.read_text("utf-8"))))


def spell(language: Language, key: str, **values: object) -> str:
    """A template with its values. Raises KeyError for a key or a value that is missing: that is a bug."""
    words = read_words(language)
    form = key if key in words else f"{key}.{_choose_form(language, values['count'])}"
    return fill(words[form], values)


def fill(template: str, values: Mapping[str, object]) -> str:
    """A template with its values. Raises KeyError for a value that is missing."""
    return _NAME.sub(lambda found: str(values[found[1]]), template)


def _choose_form(language: Language, count: object) -> str:
    return "one" if language is Language.ENGLISH and count == 1 else "other"


def _flatten(table: Mapping[str, Any], start: str = "") -> list[tuple[str, str]]:
    """The templates of a table and of those within it, with whole keys."""
    found: list[tuple[str, str]] = []
    for name, value in table.items():
        key = f"{start}{name}"
        found += _flatten(value, f"{key}.") if isinstance(value, dict) else [(key, value)]  # pyright: ignore
    return found
