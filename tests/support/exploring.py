"""Drive the app of ``promptlight explore`` by keys and clicks, and read what it shows."""

# pyright: standard

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from promptlight.cli.explorer.app import Explorer
from promptlight.cli.explorer.library import Library
from promptlight.cli.explorer.page import Page
from promptlight.cli.options.question import Asking
from promptlight.cli.work.live_model import LiveModel
from promptlight.io.results.writer import ResultsWriter
from promptlight.salience.options.analysis import AnalysisOptions
from promptlight.salience.types import Analysis, SetAside, Way
from tests.support.handmade import make_analysis, make_completion

ORDERS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
SETTINGS = {"methods": ["grad_l2"], "objective": "logprob", "compat": None, "model": "demo"}
Steps = Callable[[Explorer, Pilot[None]], Awaitable[None]]


def explore(
    folder: Path,
    steps: Steps,
    *,
    size: tuple[int, int] = (120, 40),
    by: str = "word",
    target_by: str | None = "word",
    target: str | None = None,
    colours: str | None = "truecolor",
    way: Way = Way.DIRECT,
    id: str | None = None,
    **options: Any,
) -> Explorer:
    """Open a folder, do what ``steps`` says, and close it."""
    live = LiveModel(device="cpu", dtype="float32", options=AnalysisOptions(max_new_tokens=16))
    question = Asking(by=by, target_by=target_by, target=target, way=way).question()
    library = Library(folder)
    opened = library.find_first(id)
    app = Explorer(library, question=question, live=live, color_system=colours, opened=opened, **options)

    async def run() -> None:
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            await steps(app, pilot)

    asyncio.run(run())
    return app


def write_results(folder: Path, *results: Analysis | SetAside) -> Path:
    """Make a results folder of these."""
    with ResultsWriter(folder, SETTINGS, {}) as writer:
        for result in results:
            writer.add(result)
    return folder


def look_at(app: Explorer) -> str:
    """All that is on the screen."""
    return "\n".join("".join(segment.text for segment in line) for line in app.screen._compositor.render_strips())


def read_notes(app: Explorer) -> str:
    """All messages so far."""
    return " ".join(note.message for note in app._notifications)


def read_page(page: Page) -> str:
    """All lines of a page, in sight or not."""
    return "\n".join(line.plain.rstrip() for line in page.lines)


def chosen_text(app: Explorer) -> str:
    """The target's text."""
    assert app.scene is not None
    return app.scene.explanation.target_text


async def wait_for(pilot: Pilot[None], condition: Callable[[], bool]) -> None:
    """Let the app work until the condition holds."""
    for _ in range(1200):
        await pilot.pause(0.05)
        if condition():
            return
    raise AssertionError("it did not happen within a minute")


def find_place(page: Page, word: str) -> tuple[int, int]:
    """Where a word stands on a page, in cells of the page's window."""
    row = next(row for row, line in enumerate(page.lines) if word in line.plain)
    top = 1 if page.border_title else 0
    return page.lines[row].plain.index(word) + 1, row - page.scroll_offset.y + top


def describe(app: Explorer) -> str:
    """The line of settings."""
    return str(app.view.bar.content).split("\n")[0]


def show_rows(page: Page) -> str:
    """What a page shows at the moment."""
    top = page.scroll_offset.y
    return "\n".join(line.plain for line in page.lines[top : top + page.scrollable_content_region.height])


def make_prompt_with_strong(*strong: int) -> Analysis:
    """A prompt of 80 lines and a completion with a line for each of these, its strongest source."""
    completion = make_completion([f"read{at}\n" for at in range(80)], [f"said{at}\n" for at in strong])
    analysis = make_analysis(completion, exact=())
    found = analysis.map_by()
    assert found.scores is not None
    scores = found.scores / 100
    scores[range(len(strong)), strong] = 10
    return replace(analysis, maps={found.method: replace(found, scores=scores)})
