"""What the page looks like with long names, other scripts, few colours, or nothing to explain."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from promptlight.io.page.record import ReportEntry
from promptlight.io.page.write import write_report
from promptlight.salience import Analysis
from promptlight.salience.types import Prompt
from tests.support.browser import choices, open_page
from tests.support.handmade import make_analysis, make_completion

if TYPE_CHECKING:
    from playwright.sync_api import Browser

PROMPT = ["<bos>", "▁a", "\n", "▁b", "\n"]


def make(*written: str, label: str = "") -> Analysis:
    completion = make_completion(PROMPT, written, prompt=Prompt(id="1", text="a", label=label))
    return make_analysis(completion)


@pytest.mark.parametrize("width", [390, 844, 1280])
def test_long_names_make_nothing_wider_than_the_window(browser: Browser, tmp_path: Path, width: int) -> None:
    path, name = tmp_path / "page.html", "L" * 300
    entries = [ReportEntry(analysis=make("▁so", label=name), name=f"{name}{at}") for at in (1, 2)]
    write_report(path, entries, title="T" * 300)
    page = browser.new_page(viewport={"width": width, "height": 700})
    for address in ("", f"id={name}1&with={name}2", "view=overview"):
        page.goto("about:blank")
        page.goto(f"{path.as_uri()}#{address}")
        assert page.evaluate("document.documentElement.scrollWidth") == width
    page.close()


def test_what_is_explained_is_in_sight_in_a_long_completion(browser: Browser, tmp_path: Path) -> None:
    written = [piece for at in range(60) for piece in (f"▁line{at}", "\n")]
    page = open_page(browser, tmp_path / "page.html", ReportEntry(analysis=make(*written), name="1"))
    seen = """() => {
      const box = document.querySelector(".choices").getBoundingClientRect();
      const chosen = document.querySelector(".choices [aria-selected=true]").getBoundingClientRect();
      return chosen.top >= box.top && chosen.bottom <= box.bottom + 1;
    }"""
    assert page.evaluate(seen)  # the last line, as the page opens
    page.select_option("#language", "zh-TW")
    assert page.evaluate(seen)
    page.close()


def test_each_line_to_choose_has_its_own_direction(browser: Browser, tmp_path: Path) -> None:
    page = open_page(browser, tmp_path / "page.html", ReportEntry(analysis=make("مرحبا", "\n", "▁so", "▁1"), name="1"))
    assert choices(page) == ["مرحبا", "so 1"]
    directions = [one.evaluate("n => getComputedStyle(n).direction") for one in page.locator(".choice").all()]
    assert directions == ["rtl", "ltr"]
    page.close()


def test_shades_and_what_is_chosen_stay_where_the_system_sets_the_colours(browser: Browser, tmp_path: Path) -> None:
    entries = [ReportEntry(analysis=make("▁so", "\n", "▁it"), name=name) for name in ("one", "two")]
    page = open_page(browser, tmp_path / "page.html", *entries, forced_colors="active")
    colour = "n => getComputedStyle(n).backgroundColor"
    pieces = {page.locator(".piece").nth(at).evaluate(colour) for at in range(2)}
    assert len(pieces) == 2
    for chosen, other in (
        ("#written [aria-selected=true]", "#written [aria-selected=false]"),
        ("#prompts [aria-selected=true]", "#prompts [aria-selected=false]"),
        ("#views [aria-pressed=true]", "#views [aria-pressed=false]"),
    ):
        assert page.locator(chosen).evaluate(colour) != page.locator(other).evaluate(colour)
    page.close()


def test_a_prompt_can_be_read_where_nothing_is_explained(browser: Browser, tmp_path: Path) -> None:
    analysis = make()
    page = open_page(browser, tmp_path / "page.html", ReportEntry(analysis=analysis, name="1"))
    assert page.locator("#text .line").all_inner_texts() == ["start a", " b"]
    assert page.locator("#text .piece[title]").count() == page.locator("#text mark").count() == 0
    page.close()


def test_sentences_are_joined_as_the_language_joins_them(browser: Browser, tmp_path: Path) -> None:
    entry = ReportEntry(analysis=make("▁so", "▁it"), name="1")
    for locale, said in (
        ("en-US", "a token. The model was stopped at the largest number of tokens."),
        ("zh-TW", "%。模型因達到詞元數上限而停止。"),
    ):
        page = open_page(browser, tmp_path / "page.html", entry, locale=locale)
        assert said in page.locator("#found .question").inner_text()
        page.close()


def test_marks_of_every_chat_format_are_in_plain_words(browser: Browser, tmp_path: Path) -> None:
    page = open_page(browser, tmp_path / "page.html", ReportEntry(analysis=make("▁so"), name="1"), locale="zh-TW")
    marks = ["<bos>", "<start_of_turn>", "<|turn>", "<turn|>", "<|think|>", "<channel|>", "<|tool_call>", "<unknown>"]
    said = ["開頭", "發言", "發言", "發言結束", "要求思考", "頻道結束", "工具呼叫", "<unknown>"]
    assert page.evaluate("(marks) => marks.map(nameMark)", marks) == said
    page.close()
