"""Open a page of results in a browser, and read what it shows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from promptlight.io.page.record import ReportEntry
from promptlight.io.page.write import write_report
from promptlight.salience.text.printable import printable

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


def choices(page: Page, view: str = "written") -> list[str]:
    return page.locator(f"#{view} [role=option]").all_inner_texts()


def rows_of(page: Page, table: str) -> list[list[str]]:
    return [row.locator("td").all_inner_texts() for row in page.locator(f"{table} tr").all()[1:]]


def marked(page: Page, view: str) -> list[str]:
    return page.locator(f"#{view} mark").all_inner_texts()


def shorten(text: str, length: int) -> str:
    """As the page shows a text in one line."""
    line = printable(text).strip().replace("\n", "↵")
    return f"{line[: length - 1]}…" if len(line) > length else line or "↵"


def open_page(browser: Browser, path: Path, *entries: ReportEntry, **options: Any) -> Page:
    write_report(path, entries, title="Why?")
    page = browser.new_page(**options)
    page.goto(path.as_uri())
    return page
