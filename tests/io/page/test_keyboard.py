"""The keyboard keeps its place when the page is drawn anew, and the browser keeps its own keys."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from promptlight.io.page.record import ReportEntry
from tests.support.browser import open_page
from tests.support.handmade import make_analysis, make_completion

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

FOCUSED = "() => [document.activeElement.textContent.trim(), document.activeElement.getClientRects().length > 0]"


def open_two(browser: Browser, path: Path) -> Page:
    prompt = ["▁a", "\n", "▁b", "\n"]
    written = [["▁so", "▁try", "▁it", "▁now"], ["▁so", "▁do"]]
    return open_page(
        browser,
        path / "page.html",
        *(ReportEntry(analysis=make_analysis(make_completion(prompt, one)), name=f"p{len(one)}") for one in written),
    )


def chosen(page: Page, place: str) -> list[str]:
    return [text.strip() for text in page.locator(f"#{place} [aria-selected=true]").all_inner_texts()]


def test_the_focus_stays_where_the_page_is_drawn_anew(browser: Browser, tmp_path: Path) -> None:
    page = open_two(browser, tmp_path)
    page.get_by_role("button", name="The next prompt").focus()
    page.keyboard.press("Enter")
    assert page.evaluate(FOCUSED) == ["←", True]  # there is no next one
    page.keyboard.press("Enter")
    assert page.locator("#head h2").inner_text() == "p4"
    page.get_by_role("button", name="All prompts").click()
    page.locator("#overview .go").first.focus()
    page.keyboard.press("Enter")
    assert page.evaluate(FOCUSED) == ["so try it now", True]  # what the model wrote
    page.select_option("#target-by", "word")
    page.locator("#written [tabindex='0']").focus()
    for key, word in (("Home", "so"), ("ArrowRight", "try"), ("Shift+ArrowRight", "it"), ("ArrowLeft", "try")):
        page.keyboard.press(key)
        assert page.evaluate(FOCUSED) == [word, True]
    page.close()


@pytest.mark.parametrize("key", ["Alt+ArrowLeft", "Control+Home", "Meta+ArrowLeft"])
def test_the_browsers_own_keys_choose_nothing(browser: Browser, tmp_path: Path, key: str) -> None:
    page = open_two(browser, tmp_path)
    page.select_option("#target-by", "word")
    for place in ("#written [tabindex='0']", "#prompts [tabindex='0']"):
        page.locator(place).focus()
        page.evaluate("addEventListener('keydown', (event) => { window.prevented = event.defaultPrevented; })")
        page.keyboard.press(key)
        assert not page.evaluate("window.prevented")
        assert chosen(page, "written") == ["so", "try", "it", "now"]
    page.close()


def test_each_list_of_targets_has_its_own_range(browser: Browser, tmp_path: Path) -> None:
    page = open_two(browser, tmp_path)
    page.select_option("#target-by", "word")
    page.select_option("#with", "1")
    page.locator("#written [role=option]").nth(3).click()
    page.locator("#written [role=option]").nth(2).click(modifiers=["Shift"])
    assert chosen(page, "written") == ["it", "now"]
    assert page.locator("#written2 [tabindex='0']").count() == 1  # the keyboard gets there, too
    page.locator("#written2 [role=option]").nth(0).click()
    page.locator("#written2 [role=option]").nth(1).click(modifiers=["Shift"])
    assert chosen(page, "written2") == ["so", "do"]
    assert chosen(page, "written") == ["it", "now"]
    page.close()
