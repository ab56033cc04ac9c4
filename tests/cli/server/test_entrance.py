"""The page that asks for the password, in a real browser and under its own policy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from promptlight.cli.server.guard import Rules
from tests.support.browser import browser as browser
from tests.support.served import TOKEN, serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser

RULES = Rules(token=TOKEN, strangers_burst=1000)


@pytest.mark.parametrize(
    ("language", "wrong", "often"),
    [
        ("en", "That is not the password.", "Too many tries: wait a minute."),
        ("zh-TW", "密碼不對。", "嘗試太多次，請等一分鐘。"),
    ],
)
def test_the_password_opens_the_page_and_keeps_where_one_was(
    browser: Browser, language: str, wrong: str, often: str
) -> None:
    with serving(rules=RULES, password="open sesame") as served, browser.new_context(locale=language) as context:
        page = context.new_page()
        errors: list[str] = []
        page.on("console", lambda said: errors.append(said.text) if "policy" in said.text.lower() else None)
        page.goto(f"{served.url}#id=dish")
        field, said = page.locator("#password"), page.locator("#said")
        assert page.evaluate("document.activeElement.id") == "password"
        field.fill("wrong")
        field.press("Enter")
        page.get_by_text(wrong).wait_for()
        field.fill("open sesame")
        field.press("Enter")
        page.wait_for_url(f"{served.url}?token={TOKEN}#id=dish")
        assert page.title() == "the page"
        page.goto(served.url)
        for _ in range(5):
            field.fill("wrong")
            field.press("Enter")
            page.wait_for_function("document.querySelector('#said').textContent.length > 0")
        page.get_by_text(often).wait_for()
        assert said.get_attribute("role") == "status"
        assert errors == []
