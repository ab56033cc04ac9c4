"""The page in both of its languages: every string is there, and the browser spells templates as Python does."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from promptlight.io.page.record import ReportEntry
from promptlight.io.page.words import Language, read_words, spell
from promptlight.io.page.write import BROWSER, Opening, write_report
from promptlight.salience.types import Method
from tests.support.handmade import make_analysis, make_completion

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHINESE = re.compile(r"[\u3400-\u9fff]")
LATIN = re.compile(r"[A-Za-z]{3,}")
NAMES = re.compile(  # not translated: names of methods, commands, options, keys and languages
    r"promptlight (?:why|try --each line)|--[a-z]+(?: (?:token|auto))?|Grad L2 Norm|Grad · Input|SmoothGrad|LIME"
    r"|Shapley|logit|token|Shift|Home|End|Tab|Gemma|SHA-256|English|JavaScript"
)


def write(path: Path, **opening: object) -> Path:
    """A page with all kinds of texts; those of the prompts are digits."""
    completion = make_completion(["▁1", "\n", "▁2", "\n"], ["▁3", "▁4", "\n", "▁5"])
    maps = {one: make_analysis(completion, method=one).map_by() for one in (Method.GRAD_L2, Method.GRAD_DOT_INPUT)}
    analysis = replace(make_analysis(completion), maps=maps)
    entries = [ReportEntry(analysis=analysis, name=name) for name in ("7", "8")]
    write_report(path, entries, opening=Opening(**opening), sources=[None])  # pyright: ignore
    return path


@pytest.mark.parametrize(
    ("locale", "opening", "expected"),
    [
        ("en-US", {}, "en"),
        ("zh-TW", {}, "zh-TW"),
        ("zh-Hant-HK", {}, "zh-TW"),
        ("de-DE", {}, "en"),
        ("zh-TW", {"language": Language.ENGLISH}, "en"),
        ("en-US", {"language": Language.CHINESE}, "zh-TW"),
    ],
)
def test_the_reader_or_the_writer_chooses_the_language(
    browser: Browser, tmp_path: Path, locale: str, opening: dict[str, object], expected: str
) -> None:
    page = browser.new_page(locale=locale)
    page.goto(write(tmp_path / "page.html", **opening).as_uri())
    assert page.locator("html").get_attribute("lang") == expected
    assert page.title() == page.locator("h1").inner_text() == spell(Language(expected), "page.title")
    other = "en" if expected == "zh-TW" else "zh-TW"
    page.select_option("#language", other)
    assert page.title() == spell(Language(other), "page.title")
    assert f"lang={other}" in page.url
    address = page.url
    page.goto("about:blank")
    page.goto(address)
    assert page.locator("html").get_attribute("lang") == other
    page.close()


VIEWS = (
    *("target=2", "target=2&way=all", "target=1&way=through", "with=8&target=2", "view=overview"),
    *("method=grad_dot_input&target=all", "id=0"),
)
VISIBLE = """() => {
  for (const one of document.querySelectorAll("details, dialog")) one.open = true;
  const texts = [document.body.innerText];
  for (const node of document.querySelectorAll("[title], [aria-label], [placeholder]"))
    texts.push(...["title", "aria-label", "placeholder"].map((name) => node.getAttribute(name) ?? ""));
  return texts;
}"""


@pytest.mark.parametrize("address", VIEWS)
def test_no_word_of_the_other_language_is_left(browser: Browser, tmp_path: Path, address: str) -> None:
    for language in Language:
        page = browser.new_page(locale=language)
        problems: list[str] = []
        page.on("pageerror", lambda error, found=problems: found.append(str(error)))
        page.goto(f"{write(tmp_path / 'page.html').as_uri()}#{address}")
        texts = "\n".join(page.evaluate(VISIBLE)).replace("繁體中文", "")
        assert problems == []
        found = CHINESE if language is Language.ENGLISH else LATIN
        assert found.findall(NAMES.sub("", texts)) == []
        page.close()


def test_templates_are_spelled_as_in_python(page: Page) -> None:
    page.evaluate("(all) => Object.assign(WORDS, all)", {language: dict(read_words(language)) for language in Language})
    for language in Language:
        for key, template in read_words(language).items():
            values = {name: f"<{name}>" for name in re.findall(r"\{(\w+)\}", template)}
            page.evaluate("(chosen) => { language = chosen; }", language)
            assert page.evaluate("([key, values]) => say(key, values)", [key, values]) == spell(language, key, **values)
        for count in (0, 1, 2):
            found = page.evaluate("(count) => say('cuts.line', { count })", count)
            assert found == spell(language, "cuts.line", count=count)


def test_every_key_is_used_and_every_key_that_is_used_exists() -> None:
    """Keys that are put together from parts are counted by their beginnings."""
    scripts = "\n".join(path.read_text("utf-8") for path in BROWSER.glob("*.js"))
    template = (BROWSER / "page.html.j2").read_text("utf-8")
    used = set(re.findall(r'"([a-z-]+(?:\.[a-z0-9-]+)+)"', scripts + template))
    beginnings = {key.split("${")[0] for key in re.findall(r"`([a-z-]+\.[^`]*\$\{[^`]*)`", scripts)}
    beginnings |= {key.split("{{")[0].strip() for key in re.findall(r'data-say="([a-z]+\.\{\{[^"]*)"', template)}
    keys = {
        re.sub(r"\.(?:one|other)$", "", key) if not key.startswith("page.") else key
        for key in read_words(Language.ENGLISH)
    }
    unused = {key for key in keys if "." in key and key not in used and not key.startswith(tuple(beginnings))}
    assert {key for key in unused if not key.startswith("facts.")} == set()
    assert {key for key in used if key.split(".")[0] in {one.split(".")[0] for one in keys}} - keys == set()
