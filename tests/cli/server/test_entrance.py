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


@pytest.mark.parametrize(("language", "wrong"), [("en", "That is not the password."), ("zh-TW", "密碼不對。")])
def test_the_password_opens_the_page_and_keeps_where_one_was(browser: Browser, language: str, wrong: str) -> None:
    with serving(rules=RULES, password="open sesame") as served, browser.new_context(locale=language) as context:
        page = context.new_page()
        errors: list[str] = []
        page.on("console", lambda said: errors.append(said.text) if "policy" in said.text.lower() else None)
        page.goto(f"{served.url}#id=dish")
        field = page.locator("#password")
        assert page.evaluate("document.activeElement.id") == "password"
        field.fill("wrong")
        field.press("Enter")
        page.get_by_text(wrong).wait_for()
        field.fill("open sesame")
        field.press("Enter")
        page.wait_for_url(f"{served.url}?token={TOKEN}#id=dish")
        assert page.title() == "the page"
        assert errors == []
