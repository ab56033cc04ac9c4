"""Each page in another language says what its twin says: the same commands, links, pictures, headings and figures."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from tests.support.paths import DOCS

TRANSLATED = sorted(DOCS.glob("*.zh-TW.md"))
LINK = re.compile(r"(!?)\[[^\]]*\]\(([^)\s]+)\)")


def read_twins(translated: Path) -> tuple[str, str]:
    """A page, and its translation."""
    original = translated.with_name(translated.name.replace(".zh-TW", ""))
    return original.read_text(encoding="utf-8"), translated.read_text(encoding="utf-8")


def list_links(text: str) -> Counter[tuple[str, str]]:
    """Pictures and links; those to a page that is translated are the same in both languages."""
    return Counter((mark, target.replace(".zh-TW.md", ".md")) for mark, target in LINK.findall(text))


def list_code(text: str) -> list[str]:
    """The lines of code that stand by themselves, without their comments."""
    fenced = re.findall(r"^```.*?^```", text, re.MULTILINE | re.DOTALL)
    lines = [line for block in fenced for line in block.splitlines()]
    rest = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    lines += [line for line in rest.splitlines() if line.startswith("    ")]
    return [re.sub(r"\s+# .*", "", line).rstrip() for line in lines]


def list_names(text: str) -> set[str]:
    """Commands, options and fields in the text."""
    return {
        " ".join(name.split()) for name in re.findall(r"`([^`]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    }


def outline(text: str) -> list[str]:
    """The level of each heading, and the first mark of each row of a table."""
    rest = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"^(#+ |\|)", rest, re.MULTILINE)


def test_the_pages_that_people_read_first_are_translated() -> None:
    assert {path.name.removesuffix(".zh-TW.md") for path in TRANSLATED} >= {"tutorial", "reading", "faq", "views"}


@pytest.mark.parametrize("translated", TRANSLATED, ids=lambda path: path.name)
def test_a_translation_and_its_page_lead_to_each_other_at_the_top(translated: Path) -> None:
    page, translation = (text.splitlines()[2] for text in read_twins(translated))
    assert page == f"[正體中文]({translated.name})"
    assert translation == f"[English]({translated.name.replace('.zh-TW', '')})"


@pytest.mark.parametrize("translated", TRANSLATED, ids=lambda path: path.name)
def test_a_translation_has_the_same_parts(translated: Path) -> None:
    page, translation = read_twins(translated)
    assert outline(translation) == outline(page)
    assert list_code(translation) == list_code(page)
    assert list_links(translation) == list_links(page)


@pytest.mark.parametrize("translated", TRANSLATED, ids=lambda path: path.name)
def test_a_translation_has_every_name_and_every_share(translated: Path) -> None:
    page, translation = read_twins(translated)
    assert list_names(page) - list_names(translation) == set()
    shares = [set(re.findall(r"\d+(?:\.\d+)?%", text)) for text in (page, translation)]
    assert shares[0] - shares[1] == set()


@pytest.mark.parametrize("translated", TRANSLATED, ids=lambda path: path.name)
def test_a_translation_leads_to_translated_pages_and_names_the_others_as_english(translated: Path) -> None:
    text = translated.read_text(encoding="utf-8")
    for found in LINK.finditer(text.partition("\n\n")[2].partition("\n\n")[2]):
        target = found[2].partition("#")[0]
        if not target.endswith(".md") or target.endswith(".zh-TW.md"):
            continue
        twin = (translated.parent / target).with_suffix(".zh-TW.md")
        assert not twin.exists(), f"{target} has a translation"
        rest = found.string[found.end() :]
        assert re.match(r"[,，、]?\s*（?\s*英文）", rest), f"{target} is in English"


@pytest.mark.parametrize("translated", TRANSLATED, ids=lambda path: path.name)
def test_no_line_ends_within_chinese_text(translated: Path) -> None:
    """A browser would draw a blank there."""
    wide = "[\u3000-\u9fff\uff00-\uffef]"
    assert re.findall(rf".*{wide}\n{wide}.*", translated.read_text(encoding="utf-8")) == []
