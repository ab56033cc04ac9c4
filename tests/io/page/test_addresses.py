"""An address leads back to what was shown, Back to what was shown before; and what isn't there is said."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from promptlight.io.page.record import ReportEntry
from tests.support.browser import choices, open_page
from tests.support.handmade import make_analysis, make_completion

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@pytest.fixture
def three(browser: Browser, tmp_path: Path) -> Iterator[Page]:
    """A page with three short prompts."""
    entries = [
        ReportEntry(analysis=make_analysis(make_completion(["▁a", "\n", name], ["▁so", "\n", "▁it"])), name=name)
        for name in ("one", "two", "three")
    ]
    page = open_page(browser, tmp_path / "page.html", *entries)
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    yield page
    page.close()
    assert problems == []


def visit(page: Page, address: str) -> str:
    """Open the page at an address, and read what it says about it."""
    file = page.url.partition("#")[0]
    page.goto("about:blank")
    page.goto(f"{file}#{address}")
    return page.locator("#notice").inner_text()


@pytest.mark.parametrize(
    ("address", "missing"),
    [
        ("id=one&target=3", "target=3"),
        ("id=one&target=0&shade=word", "target=0"),
        ("id=one&target=2-1", "target=2-1"),
        ("id=one&explain=verse&shade=letter", "explain=verse, shade=letter"),
        ("id=one&method=lime", "method=lime"),
        ("id=one&method=constructor", "method=constructor"),
        ("id=one&way=back&pool=min&intensity=9", "way=back, pool=min, intensity=9"),
        ("id=one&with=two&with-target=7", "with-target=7"),
        ("lang=constructor", "lang=constructor"),
    ],
)
def test_what_an_address_asks_for_and_is_not_there_is_said(three: Page, address: str, missing: str) -> None:
    found = visit(three, address)
    if missing == "method=lime":  # that the prompt lacks it stands beside its numbers
        assert "no scores by LIME: these are by Grad L2 Norm" in three.locator("#found").inner_text()
    else:
        assert found == f"The address has {missing}, which this page does not: what you see is not what was sent."
    assert three.locator("#written [aria-selected=true]").count() > 0
    three.locator("#written [role=option]").first.click()
    assert three.locator("#notice").inner_text() == ""


@pytest.mark.parametrize("address", ["id=two&target=1-2&explain=line&shade=word", "pool=mean&intensity=0.8", ""])
def test_nothing_is_said_of_an_address_that_is_all_there(three: Page, address: str) -> None:
    assert visit(three, address) == ""
    assert visit(three, three.url.partition("#")[2]) == ""


def test_back_leads_to_what_was_shown_before(three: Page) -> None:
    three.locator("#written [role=option]").first.click()
    three.get_by_role("button", name="The next prompt").click()
    three.locator("#prompts [role=option]").nth(2).click()
    assert three.locator("#head h2").inner_text() == "three"
    three.go_back()
    assert three.locator("#head h2").inner_text() == "two"
    three.go_back()
    assert three.locator("#head h2").inner_text() == "one"
    assert three.locator("#written [aria-selected=true]").all_inner_texts() == choices(three)[:1]
    three.go_forward()
    assert three.locator("#head h2").inner_text() == "two"
    three.get_by_role("button", name="All prompts").click()
    three.get_by_role("button", name="All prompts").click()  # again: nothing to go back from
    three.go_back()
    assert three.locator("#prompt").is_visible()
    three.select_option("#with", "0")
    three.go_back()
    assert not three.locator("#moved").is_visible()


@pytest.mark.parametrize("words", ["targets", "grad_l2"])
def test_a_search_looks_in_texts_alone(three: Page, words: str) -> None:
    three.fill("#search", words)
    assert three.locator("#prompts [role=option]").count() == 0
    three.fill("#search", "TWO")
    assert three.locator("#prompts [role=option]").count() == 1
