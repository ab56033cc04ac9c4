"""A page of stored results, what it holds, and a browser that opens it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from promptlight.io import find_result
from promptlight.io.page.record import ReportEntry
from promptlight.io.page.write import write_report
from promptlight.io.prompts.sections import read_section_patterns
from promptlight.io.results.facts import read_facts
from promptlight.io.results.reader import read_results
from promptlight.salience import Analysis
from promptlight.salience.text.sections import name_sections
from tests.support.browser import browser as browser
from tests.support.paths import EXAMPLES

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@pytest.fixture(scope="session")
def find_named(demo_results: Path) -> Callable[[str], Analysis]:
    """A stored analysis by its id, with the examples' sections named."""
    patterns = read_section_patterns(EXAMPLES / "sections.toml")

    def find(id: str) -> Analysis:
        analysis = find_result(demo_results, id=id)
        assert isinstance(analysis, Analysis)
        return name_sections(analysis, patterns)

    return find


@pytest.fixture(scope="session")
def page_file(demo_results: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of everything stored, with the examples' sections."""
    patterns = read_section_patterns(EXAMPLES / "sections.toml")
    path = tmp_path_factory.mktemp("page") / "report.html"
    entries = (
        ReportEntry(analysis=name_sections(one, patterns), name=one.completion.prompt.id)
        for one in read_results(demo_results)
        if isinstance(one, Analysis)
    )
    write_report(path, entries, title="Why?", sources=[read_facts(demo_results.as_posix())])
    return path


@pytest.fixture
def page(browser: Browser, page_file: Path) -> Iterator[Page]:
    """The page as it opens; an error in it, or a request to anywhere, fails the test."""
    context = browser.new_context(color_scheme="light")
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda request: problems.append(request.url) if not request.url.startswith("file:") else None)
    page.on("dialog", lambda dialog: problems.append(dialog.message))
    page.goto(page_file.as_uri())
    yield page
    context.close()
    assert problems == []
