"""The tutorial in a browser, with the demo model behind the page: colleagues try changes, and nothing is lost."""

# pyright: standard

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from promptlight.cli.options.rerun import Rerun
from promptlight.cli.server.running import start
from promptlight.cli.server.studio import Studio
from promptlight.cli.work.live_model import build_live_model
from promptlight.io.page.write import Opening
from promptlight.io.results.reader import read_results, read_settings
from promptlight.io.results.tried import describe_try
from promptlight.salience import Analysis
from promptlight.salience.model import Model
from tests.support.browser import browser as browser
from tests.support.served_page import wait_until

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ISOLATES = str.maketrans("", "", "\u2068\u2069")
MISTAKE = "Recommendation: You have to try it."  # of an example whose analysis says the opposite
TOKEN = "t" * 43
SERVER = """
import sys
from promptlight.cli.options.rerun import Rerun
from promptlight.cli.server.guard import Rules
from promptlight.cli.server.running import start
from promptlight.cli.server.studio import Studio
from promptlight.cli.work.live_model import build_live_model
from promptlight.io.page.write import Opening
from promptlight.io.places import parse_place
from promptlight.io.results.reader import read_settings

folder = parse_place(sys.argv[1])
live = build_live_model(read_settings(folder), Rerun())
with Studio(folder, live) as studio:
    with start(studio, opening=Opening(), port=int(sys.argv[2]), rules=Rules(token=sys.argv[3])) as serving:
        print(serving.link, flush=True)
        serving.wait()
"""


@pytest.fixture
def tutorial(demo_results: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(demo_results, tmp_path / "results"))


@pytest.fixture
def link(tutorial: Path, demo_model: Model) -> Iterator[str]:
    """The link to a page with the demo model behind it."""
    live = build_live_model(read_settings(tutorial), Rerun()).holding(demo_model)
    with Studio(tutorial, live) as studio, start(studio, opening=Opening(), port=0) as serving:
        yield serving.link


@contextmanager
def reading(browser: Browser, link: str, **options: Any) -> Iterator[Page]:
    """A page of a reader of their own; an error in it fails the test."""
    context = browser.new_context(locale="en-GB", accept_downloads=True, **options)
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("dialog", lambda dialog: dialog.accept())
    page.goto(link)
    wait_until(page, "server.connected")
    yield page
    context.close()
    assert problems == []


def change_the_mistake(page: Page, note: str = "") -> None:
    """Set the example right, and let the model write again."""
    first = page.locator("#text .row").filter(has_text=MISTAKE).first
    first.locator(".change-line").click()
    page.fill("#editor textarea", "Recommendation: Avoid.")
    page.locator("#editor").get_by_label("Note").fill(note)
    page.locator("#editor textarea").press("Control+Enter")


def test_the_tutorial(browser: Browser, link: str, tutorial: Path) -> None:
    with reading(browser, link) as page:
        page.locator("#written [role=option]").last.click()
        assert page.locator("#written [aria-selected=true]").inner_text() == MISTAKE
        page.locator("#edit").click()  # to say who one is
        page.locator("#editor").get_by_label("Your name").fill("Kim")
        change_the_mistake(page, "the example's mistake")
        wait_until(page, "state.with >= 0")
        assert page.locator("#written .id, #written2 .id").all_inner_texts() == ["dish-mistake", "dish-mistake~1"]
        assert page.locator("#written2 [aria-selected=true]").inner_text() == "Recommendation: Avoid."
        assert "“the example's mistake”, Kim" in page.locator("#head .attempt").inner_text().translate(ISOLATES)

        page.get_by_role("button", name="Edit the note").click()
        page.fill("#note-text", "its last line said the opposite")
        page.click("#note-save")
        wait_until(page, "heads.some(({ attempt }) => attempt?.note.includes('opposite'))")
        shown = page.url
        page.reload()
        wait_until(page, "server.connected")
        assert page.url == shown
        with page.expect_download() as downloading:
            page.locator("#downloads summary").click()
            page.click("#get-report")
        report = downloading.value.path().read_text("utf-8")
        with reading(browser, shown) as other:
            assert other.locator("#written2 .id").inner_text() == "dish-mistake~1"
            assert "opposite" in other.locator("#head .attempt").inner_text()
    assert "its last line said the opposite" in report
    assert "fetch(" not in report
    kept = [describe_try(one.completion.prompt) for one in read_results(tutorial) if isinstance(one, Analysis)]
    assert [(one.parent, one.author) for one in kept if one] == [("dish-mistake", "Kim")]


@pytest.mark.slow
def test_lines_are_taken_away(browser: Browser, link: str) -> None:
    with reading(browser, link) as page:
        page.click("#each")
        page.get_by_role("button", name="Try them all").click()
        wait_until(page, "document.getElementById('rewritten').open && heads[0].tried", 120)
        changing = page.evaluate("heads[0].tried.changing.map(({ line }) => line)")
        lines = page.locator("#rewritten table").first.locator("tbody td:first-child").all_inner_texts()
        assert [int(line) for line in lines] == changing
        assert f"{len(changing)} of " in page.locator("#rewritten").inner_text()


@pytest.mark.slow
def test_two_readers_see_the_same_queue(browser: Browser, link: str) -> None:
    with reading(browser, link) as one, reading(browser, link) as other:
        other.locator("#prompts li").nth(1).click()
        change_the_mistake(one, "mine")
        other.click("#edit")
        other.locator("#editor textarea").fill("Say yes.\n")
        other.locator("#editor textarea").press("Control+Enter")
        wait_until(one, "heads.filter(({ attempt }) => attempt).length === 2", 60)
        wait_until(other, "heads.filter(({ attempt }) => attempt).length === 2", 60)
        jobs = [page.evaluate("server.state.jobs.map(({ makes, state }) => [makes, state])") for page in (one, other)]
        assert sorted(jobs[0]) == sorted(jobs[1]) == [["dish-fixed~1", "done"], ["dish-mistake~1", "done"]]
        names = [page.locator("#written2 .id").inner_text() for page in (one, other)]
        assert names == ["dish-mistake~1", "dish-fixed~1"]


@pytest.mark.slow
def test_a_killed_server_is_found_again(browser: Browser, tutorial: Path, free_port: int) -> None:
    link = f"http://127.0.0.1:{free_port}/?token={TOKEN}"
    with run_server(tutorial, free_port) as server, reading(browser, link) as page:
        change_the_mistake(page)
        wait_until(page, "Object.keys(mine).length === 1")
        server.kill()  # SIGKILL
        server.wait()
        page.locator("#connection").get_by_text("The connection to the server is lost. Trying again…").wait_for()
        with run_server(tutorial, free_port):
            wait_until(page, "server.connected && state.with >= 0", 60)
            assert page.locator("#written2 .id").inner_text() == "dish-mistake~1"
            assert page.locator("#connection").is_hidden()


@pytest.fixture
def free_port() -> int:
    import socket

    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@contextmanager
def run_server(folder: Path, port: int) -> Iterator[subprocess.Popen[str]]:
    """A server in a process of its own, once it listens; killed at the end."""
    command = [sys.executable, "-c", SERVER, str(folder), str(port), TOKEN]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as server:
        try:
            assert server.stdout
            assert server.stdout.readline().startswith("http://")
            yield server
        finally:
            server.kill()
