"""Run the page's server, in a thread of its own, until it is closed.

with Studio(folder, live) as studio, start(studio, opening=Opening(), port=0) as serving:
    print(serving.link)
    serving.wait()
"""

# pyright: standard

from __future__ import annotations

import asyncio
import errno
import logging
import secrets
import socket
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import uvicorn

from promptlight.cli.server._app import build_app
from promptlight.cli.server._protocol import CarefulProtocol, Patience
from promptlight.cli.server._streams import Streams
from promptlight.cli.server.guard import LOOPBACK, Rules
from promptlight.salience.errors import UsageError

if TYPE_CHECKING:
    from promptlight.cli.server.studio import Studio
    from promptlight.io.page.write import Opening

STOPS_WITHIN = 5.0  # seconds
WAITING = 1024  # connections that the system holds until they are accepted
AT_ONCE = 64  # ... in one go: fewer than may be open, so that a request is read before its connection must make room
EVERYWHERE = ("0.0.0.0", "::")


@dataclass(kw_only=True)
class Serving:
    """A server that runs: ``url`` ends in a slash, ``token`` lets in; ``link`` has both."""

    url: str
    token: str = field(repr=False)
    _server: uvicorn.Server = field(repr=False)
    _streams: Streams = field(repr=False)
    _ended: threading.Event = field(repr=False)  # in Python 3.11, a join that Ctrl-C ends takes the thread for ended

    @property
    def link(self) -> str:
        """The address that opens the page: whoever has it may use the model."""
        return f"{self.url}?token={self.token}"

    def wait(self) -> None:
        """Wait until the server ends."""
        self._ended.wait()

    def close(self) -> None:
        """Stop: streams end, answers that are being sent have a moment to."""
        self._server.should_exit = True
        self._streams.close()
        self._ended.wait(STOPS_WITHIN)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def start(
    studio: Studio,
    *,
    opening: Opening,
    host: str = "127.0.0.1",
    port: int = 8321,
    names: Iterable[str] = (),
    ancestors: Iterable[str] = (),
    password: str | None = None,
    rules: Rules | None = None,
    patience: Patience | None = None,
) -> Serving:
    """Serve a studio's page at ``host:port`` (0: any free port), with a new token.

    ``names`` are further names of this machine that browsers may use, ``ancestors`` the sites that may show the page in
    a frame. Raises UsageError if nothing can listen there.
    """
    listening = _listen(host, port)
    is_everywhere = host in EVERYWHERE
    own = {host.lower(), *(socket.gethostname().lower() for _ in range(is_everywhere))} - set(EVERYWHERE)
    rules = replace(
        rules or Rules(token=secrets.token_urlsafe(32)),
        names=frozenset({*LOOPBACK, *own, *(name.lower() for name in names)}),
        any_address=is_everywhere,
        ancestors=tuple(ancestors),
    )
    page = build_app(studio, rules, opening=opening, password=password)
    server = uvicorn.Server(_configure(page.app, patience or Patience()))
    ended = threading.Event()
    threading.Thread(target=_run, args=(server, listening, ended), name="promptlight-server", daemon=True).start()
    while not (server.started or ended.is_set()):
        time.sleep(0.005)
    listening.listen(WAITING)
    shown = socket.gethostname() if is_everywhere else f"[{host}]" if ":" in host else host
    url = f"http://{shown}:{listening.getsockname()[1]}/"
    return Serving(url=url, token=rules.token, _server=server, _streams=page.streams, _ended=ended)


def _configure(app: Any, patience: Patience) -> uvicorn.Config:
    """uvicorn without its log, its other protocols, and its trust in headers of proxies."""
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL + 1)  # it would quote what strangers send
    return uvicorn.Config(
        app,
        http=partial(CarefulProtocol, patience=patience),  # type: ignore[arg-type]
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        h11_max_incomplete_event_size=16 * 1024,
        backlog=AT_ONCE,
        timeout_keep_alive=patience.keep_alive,  # type: ignore[arg-type]  # its timer takes parts of a second, too
        timeout_graceful_shutdown=2,
    )


def _run(server: uvicorn.Server, listening: socket.socket, ended: threading.Event) -> None:
    try:
        asyncio.run(server.serve(sockets=[listening]))
    finally:
        ended.set()


def _listen(host: str, port: int) -> socket.socket:
    """A socket at this address. Raises UsageError if there can be none."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except (OSError, UnicodeError):
        raise UsageError(
            f"expected a name or an address of this machine, found {host!r}", parameters=("host",)
        ) from None
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(AT_ONCE)
    except OSError as error:
        listening.close()
        raise _describe_refusal(host, port, error) from None
    return listening


def _describe_refusal(host: str, port: int, error: OSError) -> UsageError:
    if error.errno == errno.EADDRNOTAVAIL:
        return UsageError(f"expected an address of this machine to listen on, found {host}", parameters=("host",))
    taken = "is taken" if error.errno == errno.EADDRINUSE else f"can't be listened on ({error.strerror})"
    reason = f"port {port} of {host} {taken}: choose another one, or 0 for any that is free"
    return UsageError(reason, parameters=("port",))
