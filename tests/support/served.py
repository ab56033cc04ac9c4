"""A page's server over a studio that computes nothing, and requests as a browser, or somebody else, sends them."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, cast

from promptlight.cli.server.running import Serving, start
from promptlight.cli.server.studio import Busy, Studio
from promptlight.io.page.record import ReportRecord
from promptlight.io.page.write import Opening
from promptlight.salience.errors import OutputError, UsageError

TOKEN = "t" * 43
PAGE = "<!doctype html><title>the page</title>"


@dataclass
class FakeStudio:
    """A studio's methods, without results or a model; it keeps what it was asked."""

    asked: list[object] = field(default_factory=list[object])
    version: int = 1
    n_rendered: int = 0
    hearing: list[Callable[[str, dict[str, Any]], None]] = field(default_factory=list[Any])
    page: Callable[[], Iterator[str]] = lambda: iter([PAGE])

    def describe(self) -> dict[str, Any]:
        return {"model": {"name": "demo"}, "n_records": 1, "version": self.version, "jobs": []}

    def summarize(self) -> dict[str, Any]:
        return {"n": 1}

    def get_record(self, number: int) -> ReportRecord:
        if number:
            raise IndexError(number)
        return ReportRecord(head='{"id":"a"}', data='{"texts":["b"]}')

    def submit(self, request: Mapping[str, Any]) -> list[dict[str, Any]]:
        errors = {
            "busy": Busy("100 jobs wait already"),
            "wrong": UsageError("found https://me:hunter2000@there/x"),
            "full": OutputError("the disk is full"),
            "gone": OSError(28, "No space left on device", "/secret/place"),
            "bug": RuntimeError(f"token={TOKEN} Bearer {TOKEN} https://me:hunter2000@there/x"),
        }
        if request.get("kind") in errors:
            raise errors[request["kind"]]
        self.asked.append(request)
        return [{"id": "k1"}]

    def cancel(self, job: str) -> None:
        if job != "k1":
            raise KeyError(job)
        self.asked.append(job)

    def annotate(self, id: str, note: str, author: str) -> None:
        self.asked.append((id, note, author))

    def render(self, opening: Opening) -> Iterator[str]:
        self.n_rendered += 1
        return self.page()

    def write_file(self, kind: str, path: Path) -> None:
        path.write_text(f"the {kind}", "utf-8")

    def subscribe(self, hear: Callable[[str, dict[str, Any]], None]) -> Callable[[], None]:
        self.hearing.append(hear)
        return lambda: self.hearing.remove(hear)

    def tell(self, event: str, **payload: Any) -> None:
        for hear in list(self.hearing):
            hear(event, payload)


@contextmanager
def serving(studio: FakeStudio | None = None, **options: Any) -> Generator[Serving]:
    """A server on a free port."""
    with start(cast(Studio, studio or FakeStudio()), opening=Opening(), port=0, **options) as served:
        yield served


@dataclass(frozen=True)
class Answer:
    """What came back: the status, the headers by small letters, the body."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body's data."""
        return json.loads(self.body)


def ask(
    served: Serving, method: str, path: str, body: object = None, *, token: str | None = None, **headers: str
) -> Answer:
    """Send one request, with the token (None: the server's own; "": none), and JSON if there is a body.

    Headers have underscores for hyphens; an empty one is not sent.
    """
    token = served.token if token is None else token
    given = {"Authorization": f"Bearer {token}"} if token else {}
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    if data is not None:
        given["Content-Type"] = "application/json"
    given |= {name.replace("_", "-").title(): value for name, value in headers.items()}
    connection = HTTPConnection(*place_of(served), timeout=30)
    try:
        connection.request(method, path, data, {name: value for name, value in given.items() if value})
        answer = connection.getresponse()
        return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
    finally:
        connection.close()


def place_of(served: Serving) -> tuple[str, int]:
    """Host and port."""
    host, _, port = served.url.removeprefix("http://").rstrip("/").rpartition(":")
    return host, int(port)


def send_raw(served: Serving, *parts: bytes) -> bytes:
    """Send bytes as they are, and read until the server closes."""
    with socket.create_connection(place_of(served), timeout=30) as raw:
        for part in parts:
            raw.sendall(part)
        return read_all(raw)


def read_all(raw: socket.socket) -> bytes:
    """All bytes until the server closes, or cuts off."""
    found = b""
    try:
        while part := raw.recv(65536):
            found += part
    except ConnectionResetError:
        pass
    return found
