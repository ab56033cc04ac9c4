"""One connection: uvicorn's HTTP/1.1, which also ends what is too slow, and makes room when there are too many.

Headers must be complete within some seconds of their first byte. A connection that was closed, but whose client does
not read the rest, is ended. With too many connections, the oldest that never sent the token goes first.
"""

# pyright: standard

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from promptlight.cli.server.guard import CONNECTION, Connection, list_headers


@dataclass(kw_only=True)
class Patience:
    """How long a connection may take, in seconds, and how many there may be."""

    headers: float = 10.0
    keep_alive: float = 5.0
    closing: float = 30.0
    stopping: float = 1.0
    n_connections: int = 256
    strangers: dict[CarefulProtocol, None] = field(default_factory=dict)  # the oldest first


class CarefulProtocol(H11Protocol, Connection):
    """uvicorn's protocol with the limits of ``patience``."""

    def __init__(self, *, patience: Patience, **options: Any) -> None:
        super().__init__(**options)
        self.access_log = False  # it would have the token; uvicorn turns it on where anything at all is logged
        self._patience = patience
        self._deadline: asyncio.TimerHandle | None = None
        answer = self.app

        async def answer_here(scope: Any, receive: Any, send: Any) -> None:
            scope[CONNECTION] = self
            await answer(scope, receive, send)

        self.app = answer_here

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin; if there are too many, another one ends, or this one."""
        super().connection_made(transport)
        self._patience.strangers[self] = None
        if len(self.connections) > self._patience.n_connections:
            next(iter(self._patience.strangers)).abort()
        self._wait(self._patience.headers)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._patience.strangers.pop(self, None)
        self._cancel()
        super().connection_lost(exc)

    def trust(self) -> None:
        """It has sent the token."""
        self._patience.strangers.pop(self, None)

    def abort(self) -> None:
        """End it at once, with what is still to be sent."""
        self._patience.strangers.pop(self, None)
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Read what came; the time for headers runs from their first byte."""
        super().data_received(data)
        if self.transport.is_closing():
            self._wait(self._patience.closing, anew=True)
        elif self.cycle is not None and not self.cycle.response_complete:
            self._cancel()
        else:
            self._wait(self._patience.headers)

    def on_response_complete(self) -> None:
        """Go on with the next request, or end."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._wait(self._patience.closing, anew=True)

    def shutdown(self) -> None:
        """The server stops: what is being answered has a moment to end."""
        super().shutdown()
        self._wait(self._patience.stopping, anew=True)

    def timeout_keep_alive_handler(self) -> None:
        """Close what is not used."""
        super().timeout_keep_alive_handler()
        self._wait(self._patience.closing, anew=True)

    def send_400_response(self, msg: str) -> None:
        """Say that this is no HTTP; in the middle of an answer nothing can be said."""
        if self.conn.our_state is not h11.IDLE and self.conn.our_state is not h11.SEND_RESPONSE:
            self.abort()
            return
        body = b'{"error": "expected HTTP/1.1"}'
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
            *list_headers(()),
        ]
        for event in (h11.Response(status_code=400, headers=headers), h11.Data(data=body), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _wait(self, seconds: float, *, anew: bool = False) -> None:
        """End the connection in so many seconds, unless ``_cancel`` comes before."""
        if anew:
            self._cancel()
        if self._deadline is None:
            self._deadline = self.loop.call_later(seconds, self.abort)

    def _cancel(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
