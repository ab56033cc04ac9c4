"""What the page asks its server: routes over a ``Studio`` (``studio.py``), behind the guard (``guard.py``).

    GET /                    the page; without the token a small one that asks for the password, if there is one
    POST /enter              {"password": ...} -> {"token": ...}
    GET /state, /summary     JSON of what runs, and of all prompts together
    GET /records/{number}    one prompt: {"head": ..., "data": ...}
    GET /events              server-sent events ``state`` and ``record``
    POST /jobs               try something -> {"jobs": [...]};  DELETE /jobs/{id} drops it
    POST /notes              {"id": ..., "note": ..., "author": ...}
    GET /files/...           report.html and results.csv, to keep

Errors are JSON {"error": a sentence}. No part of an address or a body becomes a file name.
"""

from __future__ import annotations

import hmac
import json
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from shutil import copyfileobj
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, cast

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from promptlight.cli.server._entrance import POLICY, draw_entrance
from promptlight.cli.server._snapshots import Snapshots
from promptlight.cli.server._streams import Streams
from promptlight.cli.server.guard import BUG, KNOWN, Guard, Rules, write_policy
from promptlight.cli.server.studio import Busy
from promptlight.salience.errors import InputError, PromptlightError, UsageError
from promptlight.salience.text.printable import one_line
from promptlight.salience.text.secrets import hide_secrets

if TYPE_CHECKING:
    from promptlight.cli.server.studio import Studio
    from promptlight.io.page.write import Opening

STATUSES: dict[type[PromptlightError], int] = {Busy: 503, UsageError: 400, InputError: 400}
HTML = "text/html; charset=utf-8"
_NUMBER = re.compile(r"[0-9]{1,9}")


class Door:
    """Lets in who knows the password: at most ``tries`` wrong ones in a minute, counted before they are compared."""

    def __init__(self, password: str | None, tries: int = 5, clock: Callable[[], float] = time.monotonic) -> None:
        self._password, self._tries, self._clock = password, tries, clock
        self._wrong: list[float] = []  # when the last ones were

    @property
    def has_password(self) -> bool:
        """Whether there is a way in but the link."""
        return self._password is not None

    def check(self, given: object) -> None:
        """Raise HTTPException unless it is the password."""
        if self._password is None:
            raise HTTPException(404, "there is no password: open the page by the link that `promptlight serve` printed")
        now = self._clock()
        self._wrong = [moment for moment in self._wrong if now - moment < 60]
        if len(self._wrong) >= self._tries:
            raise HTTPException(429, "too many wrong passwords: wait a minute", {"Retry-After": "60"})
        self._wrong.append(now)
        if not isinstance(given, str) or not hmac.compare_digest(given.encode(), self._password.encode()):
            raise HTTPException(403, "that is not the password")
        self._wrong.remove(now)


@dataclass(frozen=True, kw_only=True)
class PageServer:
    """The guarded application, and what ends its streams."""

    app: Guard
    streams: Streams


def build_app(studio: Studio, rules: Rules, *, opening: Opening, password: str | None = None) -> PageServer:
    """The application of one studio; ``opening`` is how the page opens."""
    streams = Streams(studio.subscribe)
    answers = _Answers(studio, rules, opening, Door(password), Snapshots(), streams)
    routes = [
        Route("/", answers.show_page),
        Route("/enter", answers.enter, methods=["POST"]),
        Route("/state", answers.tell_state),
        Route("/summary", answers.tell_summary),
        Route("/records/{number}", answers.tell_record),
        Route("/events", answers.stream_events),
        Route("/jobs", answers.submit, methods=["POST"]),
        Route("/jobs/{job}", answers.cancel, methods=["DELETE"]),
        Route("/notes", answers.annotate, methods=["POST"]),
        Route("/files/report.html", answers.send_report),
        Route("/files/results.csv", answers.send_table),
    ]
    handlers: dict[Any, Any] = {
        HTTPException: _answer_http,
        PromptlightError: _answer_error,
        OSError: _answer_refusal,
        Exception: _answer_bug,  # which the guard still gets to hear
    }
    app = Starlette(routes=routes, exception_handlers=handlers)
    app.router.redirect_slashes = False
    return PageServer(app=Guard(app, rules), streams=streams)


@dataclass(frozen=True)
class _Answers:
    studio: Studio
    rules: Rules
    opening: Opening
    door: Door
    snapshots: Snapshots
    streams: Streams

    async def show_page(self, request: Request) -> Response:
        if not request.scope[KNOWN]:
            html = draw_entrance(request.headers.get("accept-language", ""), has_password=self.door.has_password)
            return HTMLResponse(html, 401, {"Content-Security-Policy": write_policy(POLICY, self.rules.ancestors)})
        from promptlight.io.page.write import describe_policy

        policy = write_policy(describe_policy(served=True), self.rules.ancestors)
        return await self._send("page", self._write_page, {"Content-Type": HTML, "Content-Security-Policy": policy})

    async def enter(self, request: Request) -> Response:
        self.door.check((await _read_object(request, {"password"})).get("password"))
        return JSONResponse({"token": self.rules.token})

    async def tell_state(self, _: Request) -> Response:
        return JSONResponse(await run_in_threadpool(self.studio.describe))

    async def tell_summary(self, _: Request) -> Response:
        return JSONResponse(await run_in_threadpool(self.studio.summarize))

    async def tell_record(self, request: Request) -> Response:
        number: str = request.path_params["number"]
        try:
            if not _NUMBER.fullmatch(number):
                raise IndexError
            record = await run_in_threadpool(self.studio.get_record, int(number))
        except IndexError:
            raise HTTPException(404, "there is no such prompt") from None
        return Response(f'{{"head":{record.head},"data":{record.data}}}', media_type="application/json")

    async def stream_events(self, _: Request) -> Response:
        if self.streams.is_full:
            raise HTTPException(503, "too many readers follow at once: try again later", {"Retry-After": "30"})
        return self.streams.answer(self.studio.describe)

    async def submit(self, request: Request) -> Response:
        asked = await _read_object(request)
        return JSONResponse({"jobs": await run_in_threadpool(self.studio.submit, asked)}, 202)

    async def cancel(self, request: Request) -> Response:
        try:
            await run_in_threadpool(self.studio.cancel, request.path_params["job"])
        except KeyError:
            raise HTTPException(404, "there is no such job") from None
        return Response(status_code=204)

    async def annotate(self, request: Request) -> Response:
        given = await _read_object(request, {"id", "note", "author"})
        if not isinstance(given.get("id"), str):
            raise HTTPException(400, "expected the id of a prompt that was tried")
        texts = [given.get(name, "") for name in ("note", "author")]
        if not all(isinstance(text, str) for text in texts):
            raise HTTPException(400, "expected text as note and author")
        try:
            await run_in_threadpool(self.studio.annotate, given["id"], *texts)
        except KeyError:
            raise HTTPException(404, "there is no such prompt") from None
        return Response(status_code=204)

    async def send_report(self, _: Request) -> Response:
        return await self._send("report", self._write_file("report"), _attach("report.html", HTML))

    async def send_table(self, _: Request) -> Response:
        return await self._send("table", self._write_file("table"), _attach("results.csv", "text/csv; charset=utf-8"))

    async def _send(self, kind: str, make: Callable[[BinaryIO], None], headers: Mapping[str, str]) -> Response:
        snapshot = await self.snapshots.take(kind, lambda: self.studio.describe()["version"], make)
        return StreamingResponse(snapshot.read(), headers={**headers, "Content-Length": str(snapshot.size)})

    def _write_page(self, file: BinaryIO) -> None:
        file.writelines(_gather(self.studio.render(self.opening)))

    def _write_file(self, kind: Literal["report", "table"]) -> Callable[[BinaryIO], None]:
        def make(file: BinaryIO) -> None:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / ("report.html" if kind == "report" else "results.csv")
                self.studio.write_file(kind, path)
                with path.open("rb") as made:
                    copyfileobj(made, file)

        return make


def _gather(parts: Iterator[str]) -> Iterator[bytes]:
    """The same text in larger pieces."""
    waiting: list[str] = []
    for part in parts:
        waiting.append(part)
        if len(waiting) >= 256:
            yield "".join(waiting).encode()
            waiting.clear()
    yield "".join(waiting).encode()


def _attach(name: str, kind: str) -> dict[str, str]:
    return {"Content-Type": kind, "Content-Disposition": f'attachment; filename="{name}"'}


async def _read_object(request: Request, names: set[str] | None = None) -> dict[str, Any]:
    """The JSON object of a body, with these names only. Raises HTTPException for anything else."""
    given: object
    try:
        given = json.loads(await request.body(), parse_constant=_refuse_constant, object_pairs_hook=_refuse_twins)
        json.dumps(given, ensure_ascii=False).encode()  # refuses halves of characters
    except (ValueError, RecursionError) as error:
        known = str(error) if isinstance(error, _Unclear) else "expected one JSON object in UTF-8"
        raise HTTPException(400, known) from None
    if not isinstance(given, dict):
        raise HTTPException(400, "expected one JSON object in UTF-8")
    found = cast(dict[str, Any], given)
    if unknown := sorted(set(found) - names) if names else []:
        raise HTTPException(400, f"expected {', '.join(sorted(names or ()))}, found {json.dumps(unknown[0])[:80]}")
    return found


class _Unclear(ValueError):
    """JSON that says two things, or nothing that counts."""


def _refuse_constant(name: str) -> None:
    raise _Unclear(f"expected JSON, found {name}")


def _refuse_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _Unclear("expected each name once in a JSON object, found one twice")
    return found


async def _answer_http(_: Request, error: HTTPException) -> Response:
    known = {404: "there is nothing at this address", 405: "this address does not take that method"}
    is_plain = error.detail in ("Not Found", "Method Not Allowed")
    sentence = known[error.status_code] if is_plain else error.detail
    return JSONResponse({"error": sentence}, error.status_code, headers=error.headers)


async def _answer_error(_: Request, error: PromptlightError) -> Response:
    status = next((status for kind, status in STATUSES.items() if isinstance(error, kind)), 500)
    headers = {"Retry-After": "5"} if isinstance(error, Busy) else None
    return JSONResponse({"error": one_line(hide_secrets(str(error)))}, status, headers=headers)


async def _answer_refusal(_: Request, error: OSError) -> Response:
    """What only the system can fix: a full disk, a folder that was taken away. The sentence names no file."""
    return JSONResponse({"error": f"the server could not read or write ({error.strerror})"}, 500)


async def _answer_bug(_: Request, __: Exception) -> Response:
    return JSONResponse({"error": BUG}, 500)
