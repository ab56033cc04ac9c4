"""Server-sent events: what changes, for readers who are there.

A reader who is slow, or reads nothing at all, misses nothing and costs nothing: of the state only the latest waits for
it, and of each record only its last change.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

MOST_STREAMS = 64
QUIET = ": still here\n\n"  # a comment: proxies and browsers end a connection on which nothing comes

Hear = Callable[[str, dict[str, Any]], None]


class _Listener:
    """What waits for one reader."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._woken = asyncio.Event()
        self._state: Mapping[str, Any] | None = None
        self._records: dict[int, Mapping[str, Any]] = {}
        self.is_over = False

    def hear(self, event: str, payload: dict[str, Any]) -> None:
        """Keep the latest of an event. From any thread."""
        self._call(self._keep, event, payload)

    def end(self) -> None:
        """Let the stream end. From any thread."""
        self._call(self._end)

    async def take(self, quiet_after: float) -> str:
        """What came since, as text of the stream; a comment if nothing came."""
        try:
            async with asyncio.timeout(quiet_after):
                await self._woken.wait()
        except TimeoutError:
            return QUIET
        self._woken.clear()
        records, self._records = self._records, {}
        state, self._state = self._state, None
        parts = [_write_event("record", one) for one in records.values()]
        return "".join([*parts, _write_event("state", state)] if state is not None else parts)

    def _call(self, function: Callable[..., None], *values: Any) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(function, *values)

    def _keep(self, event: str, payload: dict[str, Any]) -> None:
        if event == "record":
            self._records.pop(payload["number"], None)  # the order is that of the last changes
            self._records[payload["number"]] = payload
        else:
            self._state = payload
        self._woken.set()

    def _end(self) -> None:
        self.is_over = True
        self._woken.set()


class Streams:
    """The streams of all readers."""

    def __init__(self, subscribe: Callable[[Hear], Callable[[], None]], quiet_after: float = 15.0) -> None:
        self._subscribe, self._quiet_after = subscribe, quiet_after
        self._listeners: set[_Listener] = set()
        self._is_closed = False

    @property
    def is_full(self) -> bool:
        """Whether one more reader would be too many."""
        return len(self._listeners) >= MOST_STREAMS

    def answer(self, describe: Callable[[], Mapping[str, Any]]) -> Response:
        """One reader's stream: the state now, then what changes, until the reader goes or the server stops."""
        return _Stream(self, describe)

    def join(self) -> tuple[_Listener, Callable[[], None]]:
        """One more listener, and what ends it."""
        listener = _Listener(asyncio.get_running_loop())
        self._listeners.add(listener)
        unsubscribe = self._subscribe(listener.hear)

        def leave() -> None:
            unsubscribe()
            self._listeners.discard(listener)

        return listener, leave

    async def follow(self, listener: _Listener, describe: Callable[[], Mapping[str, Any]]) -> AsyncIterator[str]:
        """The text of the stream."""
        if not self._is_closed:
            yield _write_event("state", await run_in_threadpool(describe))
        while not (listener.is_over or self._is_closed):
            yield await listener.take(self._quiet_after)

    def close(self) -> None:
        """End all streams. From any thread."""
        self._is_closed = True
        for listener in list(self._listeners):
            listener.end()


def _write_event(event: str, payload: Mapping[str, Any]) -> str:
    """One event of the stream. Its JSON has no line breaks."""
    return f"event: {event}\ndata: {json.dumps(payload, ensure_ascii=False)}\n\n"


class _Stream(StreamingResponse):
    """Leaves when the answer ends in whatever way: a generator that is not read to its end ends some time later."""

    def __init__(self, streams: Streams, describe: Callable[[], Mapping[str, Any]]) -> None:
        listener, self._leave = streams.join()
        body = streams.follow(listener, describe)
        super().__init__(body, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._leave()
