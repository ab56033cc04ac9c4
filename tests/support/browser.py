"""Open a page of results in a browser, and read what it shows."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from promptlight.io.page.record import ReportEntry
from promptlight.io.page.write import write_report
from promptlight.salience.text.printable import printable

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Headless Chromium, closed before another module starts an event loop; the test is skipped where there is none."""
    if CHROMIUM is None:
        pytest.skip("no Chromium here: install your system's package")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


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
