"""Every string of the page is there in both languages, and takes the same values."""

from __future__ import annotations

import re

import pytest

from promptlight.io.page.words import Language, read_words, spell

FORM = re.compile(r"\.(?:one|other)$")
NAME = re.compile(r"\{(\w+)\}")


def keys_of(language: Language) -> dict[str, set[str]]:
    """The names in each template; both forms of a number are one key."""
    found: dict[str, set[str]] = {}
    for key, template in read_words(language).items():
        found.setdefault(FORM.sub("", key), set()).update(NAME.findall(template))
    return found


def test_both_languages_have_the_same_keys_and_names() -> None:
    english, chinese = map(keys_of, Language)
    assert english.keys() == chinese.keys()
    for key, names in english.items():
        assert names - {"count"} == chinese[key] - {"count"}, key


def test_a_number_chooses_the_form() -> None:
    assert [spell(Language.ENGLISH, "cuts.line", count=count) for count in (0, 1, 2)] == ["lines", "line", "lines"]
    assert [spell(Language.CHINESE, "cuts.line", count=count) for count in (1, 2)] == ["行", "行"]
    for language in Language:
        with pytest.raises(KeyError):
            spell(language, "no.such.key", count=1)


def test_each_number_has_its_forms() -> None:
    english, chinese = map(read_words, Language)
    numbered = {key.removesuffix(".one") for key in english if key.endswith(".one")} - {"page"}
    assert numbered
    assert all(f"{key}.other" in english for key in numbered)
    assert not {f"{key}.one" for key in numbered} & chinese.keys()
