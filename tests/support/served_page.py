"""A page with a server behind it that answers from a dictionary: the browser's side of ``promptlight serve`` alone.

Playwright answers the browser's requests, without a socket: a stream of events ends at once, and is opened again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from promptlight.io.page.record import ReportEntry, to_record
from promptlight.io.page.summary import Summaries
from promptlight.io.page.write import describe_policy, render_page

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

SITE = "http://127.0.0.1:1/"
TOKEN = "secret"


class FakeServer:
    """What a server would tell of some entries; ``answer`` is told each request that asks for work."""

    def __init__(self, entries: Sequence[ReportEntry], answer: Callable[[dict[str, Any]], list[dict[str, Any]] | str]):
        self.entries, self.answer = list(entries), answer
        self.asked: list[tuple[str, str, Any]] = []
        self.jobs: list[dict[str, Any]] = []
        self.is_down, self.token, self.version = False, TOKEN, 1
        self.repeats = True  # whether its model writes the same again for the same prompt

    def open(self, page: Page, address: str = "") -> None:
        """Show the page, and wait until it has found its server."""
        page.route(f"{SITE}**", self._serve)
        page.goto(f"{SITE}?token={TOKEN}{address}")
        wait_until(page, "server.connected")

    def describe(self) -> dict[str, Any]:
        """The state that the page is told."""
        model = {"name": "demo", "status": "ready", "error": None, "repeats": self.repeats}
        return {"model": model, "n_records": len(self.entries), "version": self.version, "jobs": self.jobs}

    def finish(self, job: dict[str, Any], entry: ReportEntry | None = None, number: int = 0) -> None:
        """Say that a job is done, and which entry it made, or else changed."""
        if entry is not None:
            number = len(self.entries)
            self.entries.append(entry)
        self.version += 1
        job |= {"state": "done", "number": number}

    def _serve(self, route: Route) -> None:
        request, path = route.request, urlsplit(route.request.url).path.lstrip("/")
        body = request.post_data_json if request.method == "POST" else None
        if self.is_down:
            route.abort()
        elif not path:
            html = render_page(self._records(), everything=self._summarize, served=True)
            headers = {"Content-Security-Policy": describe_policy(served=True), "Content-Type": "text/html"}
            route.fulfill(body="".join(html), headers=headers)
        elif request.headers.get("authorization") != f"Bearer {self.token}":
            route.fulfill(status=401, json={"error": "expected the token"})
        else:
            self._answer(route, request.method, path, body)

    def _answer(self, route: Route, method: str, path: str, body: Any) -> None:
        if path == "state":
            route.fulfill(json=self.describe())
        elif path == "summary":
            route.fulfill(json=self._summarize())
        elif path == "events":
            data = f"event: state\ndata: {json.dumps(self.describe())}\n\n: still here\n\n"
            route.fulfill(body=data, headers={"Content-Type": "text/event-stream"})
        elif path.startswith("records/"):
            record = to_record(self.entries[int(path.split("/")[1])], served=True)
            route.fulfill(json={"head": json.loads(record.head), "data": json.loads(record.data)})
        else:
            self.asked.append((method, path, body))
            answer = self.answer(body) if path == "jobs" else []
            if isinstance(answer, str):
                route.fulfill(status=400, json={"error": answer})
            else:
                self.jobs += [job for job in answer if job not in self.jobs]
                route.fulfill(status=202, json={"jobs": answer})

    def _records(self) -> list[Any]:
        return [to_record(entry, served=True) for entry in self.entries]

    def _summarize(self) -> dict[str, Any]:
        return {"folders": ["results"], "skipped": []} | Summaries(None).describe()


def make_job(id: str, kind: str = "write", parent: str | None = None, makes: str | None = None) -> dict[str, Any]:
    """A job that waits."""
    job = {"id": id, "kind": kind, "parent": parent, "makes": makes, "state": "waiting", "place": 1, "share": 0.0}
    return job | {"left": 4.0, "phase": "writing", "text": "", "error": None, "author": "", "note": ""}


def wait_until(page: Page, condition: str, seconds: float = 15) -> None:
    """Wait for a condition in the page, which allows no string to be run as a function."""
    end = time.monotonic() + seconds
    while not page.evaluate(condition):
        assert time.monotonic() < end, f"it never came true: {condition}"
        page.wait_for_timeout(30)
