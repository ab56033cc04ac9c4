"""What every request passes before the page's server reads it: who asks, from where, how much and how often.

1. Host must be a name of this server: a stranger's name that leads here (DNS rebinding) is refused.
2. Origin and Sec-Fetch-Site, which browsers send, must be the page's own; nothing allows another site to ask (no CORS).
3. The token is in ``Authorization: Bearer``, or in the page's own address; there are no cookies.
4. Requests without it are few a second for each address; those with it wait for their turn.
5. A body is JSON, has a length, is small, and arrives in time; an answer that nobody reads is ended.

A pure ASGI application around another one. Both are on the event loop's thread.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import json
import sys
import traceback
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from promptlight.cli.server._rates import Bucket, BucketEach
from promptlight.salience.text.secrets import HIDDEN, hide_secrets

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

PAGE, ENTER = "/", "/enter"
METHODS = ("GET", "POST", "DELETE")
LOOPBACK = ("127.0.0.1", "localhost", "::1")
NOTHING, NO_ONE = "default-src 'none'; base-uri 'none'; form-action 'none'", "'none'"
ONCE = (b"host", b"origin", b"authorization", b"content-type", b"content-length", b"sec-fetch-site")
BUG = "something went wrong here: the terminal in which the server runs says what"
KNOWN = "promptlight.known"  # in the scope: whether the request has the token
CONNECTION = "promptlight.connection"  # ... and what the server does with its connection


@dataclass(frozen=True, kw_only=True)
class Rules:
    """Who may ask for what. Sizes in bytes, times in seconds, rates a second.

    ``names`` are hosts under which the server is reached, without ports. With ``any_address`` so are all IP addresses:
    no name leads a browser there unseen. ``ancestors`` are the sites that may show the page in a frame.
    """

    token: str
    names: frozenset[str] = frozenset(LOOPBACK)
    any_address: bool = False
    ancestors: tuple[str, ...] = ()
    largest_body: int = 2_000_000
    largest_entry: int = 2_000
    body_within: float = 20.0
    sent_within: float = 30.0
    read_on: float = 2.0  # how long the rest of a refused body is still read, so that its sender hears why
    rate: float = 200.0
    burst: float = 1000.0
    turn_within: float = 5.0
    strangers_rate: float = 5.0
    strangers_burst: float = 50.0


class Connection:
    """What the guard may do with the connection of a request; the server's own (``_protocol.py``) does it."""

    def trust(self) -> None:
        """It has sent the token: keep it when there are too many connections."""

    def abort(self) -> None:
        """End it at once, with what was not read yet."""


class Refusal(Exception):
    """The request is not answered: status, a sentence that says why, and headers."""

    def __init__(self, status: int, sentence: str, headers: Iterable[tuple[bytes, bytes]] = ()) -> None:
        self.status, self.sentence, self.headers = status, sentence, tuple(headers)
        super().__init__(sentence)


class _Gone(Exception):
    """Nobody reads the answer."""


Headers = Mapping[bytes, str]


@dataclass
class Guard:
    """Passes requests on to ``app`` that keep the rules, and answers the others itself."""

    app: App
    rules: Rules
    _bodies: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(16))

    def __post_init__(self) -> None:
        rules = self.rules
        self._turns = Bucket(rules.rate, rules.burst)
        self._strangers = BucketEach(rules.strangers_rate, rules.strangers_burst)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":  # a websocket; without a lifespan nothing else comes
            raise RuntimeError(f"unexpected {scope['type']}")
        connection: Connection = scope.get(CONNECTION) or Connection()
        response = _Response(send, self.rules, connection)
        try:
            await self._pass_on(scope, receive, response, connection)
        except _Gone:
            connection.abort()
        except Refusal as refusal:
            await self._refuse(refusal, scope, receive, response)
        except Exception as error:
            trace = "".join(traceback.format_exception(error))
            print(hide_secrets(trace).replace(self.rules.token, HIDDEN), end="", file=sys.stderr, flush=True)
            if not response.is_started:
                await self._refuse(Refusal(500, BUG), scope, receive, response)
            elif not response.is_complete:
                connection.abort()

    async def _pass_on(self, scope: Scope, receive: Receive, response: _Response, connection: Connection) -> None:
        headers = _read_headers(scope)
        self._check_sender(scope, headers)
        scope[KNOWN] = is_known = self._has_token(scope, headers)
        if is_known:
            connection.trust()
            await self._wait_for_turn()
        else:
            self._admit_stranger(scope)
        bodies = [await self._read_body(scope, headers, receive)]

        async def replay() -> Message:
            return {"type": "http.request", "body": bodies.pop(), "more_body": False} if bodies else await receive()

        await self.app(scope, replay, response.send)

    def _check_sender(self, scope: Scope, headers: Headers) -> None:
        """Raise Refusal unless the request is for this server and comes from its own page, or from no browser."""
        method, path = scope["method"], scope["path"]
        if method not in METHODS:
            raise Refusal(405, f"expected {', '.join(METHODS)}", [(b"allow", ", ".join(METHODS).encode())])
        host = headers.get(b"host", "")
        if not self._is_ours(host):
            raise Refusal(421, "this server does not go by that name: --allow-host NAME adds one")
        origin = headers.get(b"origin")
        if origin is not None and not self._is_own_origin(origin, host):
            raise Refusal(403, "another site's page may not ask here")
        site = headers.get(b"sec-fetch-site", "none")
        if site not in ("none", "same-origin") and not (path == PAGE and method == "GET" and self._is_opened(headers)):
            raise Refusal(403, "another site's page may not ask here")

    def _is_ours(self, host: str) -> bool:
        name = _find_name(f"//{host}")
        return name in self.rules.names or (self.rules.any_address and is_address(name))

    def _is_own_origin(self, origin: str, host: str) -> bool:
        scheme, _, place = origin.partition("://")
        if scheme not in ("http", "https"):
            return False
        return place.lower() == host.lower() or _find_name(f"//{place}") in self.rules.names

    def _is_opened(self, headers: Headers) -> bool:
        """Whether a browser asks for the page to show it, as when one follows a link."""
        shown = ("document", "iframe", "frame") if self.rules.ancestors else ("document",)
        return headers.get(b"sec-fetch-mode") == "navigate" and headers.get(b"sec-fetch-dest") in shown

    def _has_token(self, scope: Scope, headers: Headers) -> bool:
        """Compare the token in constant time."""
        if scope["path"] == PAGE:
            given = _read_query_token(scope["query_string"])
        else:
            scheme, _, given = headers.get(b"authorization", "").partition(" ")
            given = given.strip() if scheme.lower() == "bearer" else ""
        return hmac.compare_digest(given.encode(), self.rules.token.encode())

    async def _wait_for_turn(self) -> None:
        wait = self._turns.take(self.rules.turn_within)
        if wait is None:
            raise Refusal(429, "too many requests at once: try again in a few seconds", [(b"retry-after", b"5")])
        if wait:
            await asyncio.sleep(wait)

    def _admit_stranger(self, scope: Scope) -> None:
        """Let through what needs no token. Raises Refusal for everything else."""
        address = (scope.get("client") or ("",))[0]
        if not self._strangers.take(address):
            raise Refusal(429, "too many requests without the right token", [(b"retry-after", b"10")])
        if (scope["method"], scope["path"]) not in (("GET", PAGE), ("POST", ENTER)):
            headers = [(b"www-authenticate", b"Bearer")]
            raise Refusal(401, "open the page by the link that `promptlight serve` printed", headers)

    async def _read_body(self, scope: Scope, headers: Headers, receive: Receive) -> bytes:
        """The whole body. Raises Refusal unless it is JSON, small and there in time."""
        if b"transfer-encoding" in headers:
            raise Refusal(411, "expected a body with a Content-Length")
        length = int(headers.get(b"content-length", 0))
        if scope["method"] != "POST":
            if length:
                raise Refusal(400, f"expected no body with {scope['method']}")
            return b""
        if b"content-length" not in headers:
            raise Refusal(411, "expected a body with a Content-Length")
        most = self.rules.largest_body if scope[KNOWN] else self.rules.largest_entry
        if length > most:
            raise Refusal(413, f"expected at most {most:,} bytes, found {length:,}")
        if headers.get(b"content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise Refusal(415, "expected a body of type application/json")
        try:
            async with asyncio.timeout(self.rules.body_within), self._bodies:
                return await _read_all(receive)
        except TimeoutError:
            sentence = f"expected the whole body within {self.rules.body_within:g} seconds"
            raise Refusal(408, sentence) from None

    async def _refuse(self, refusal: Refusal, scope: Scope, receive: Receive, response: _Response) -> None:
        """Answer with an error. If a body comes, read on for a moment, keep nothing of it, and close."""
        has_body = any(name in (b"content-length", b"transfer-encoding") for name, _ in scope["headers"])
        body = json.dumps({"error": refusal.sentence}).encode()
        headers = [
            *refusal.headers,
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            *([(b"connection", b"close")] if has_body else []),
        ]
        try:
            await response.send({"type": "http.response.start", "status": refusal.status, "headers": headers})
            await response.send({"type": "http.response.body", "body": body, "more_body": has_body})
            if has_body:
                await _read_on(receive, self.rules.read_on)
                await response.send({"type": "http.response.body", "body": b""})
        except _Gone:
            response.connection.abort()


@dataclass
class _Response:
    """Sends an answer with the headers that each one has."""

    to_client: Send
    rules: Rules
    connection: Connection
    is_started: bool = False
    is_complete: bool = False

    async def send(self, message: Message) -> None:
        """Send a part. Raises _Gone if the client does not take it."""
        if message["type"] == "http.response.start":
            self.is_started = True
            given = list(message.get("headers", []))
            names = {name for name, _ in given}
            message["headers"] = given + [one for one in list_headers(self.rules.ancestors) if one[0] not in names]
        else:
            self.is_complete = not message.get("more_body", False)
        try:
            async with asyncio.timeout(self.rules.sent_within):
                await self.to_client(message)
        except TimeoutError:
            raise _Gone from None


def list_headers(ancestors: tuple[str, ...]) -> list[tuple[bytes, bytes]]:
    """The headers of every answer; one that says more itself, such as the page, keeps its own policy."""
    headers = {
        b"content-security-policy": write_policy(NOTHING, ancestors),
        b"x-content-type-options": "nosniff",
        b"referrer-policy": "no-referrer",
        b"cache-control": "no-store",
        b"cross-origin-resource-policy": "same-origin",
        b"cross-origin-opener-policy": "same-origin",
        **({} if ancestors else {b"x-frame-options": "DENY"}),
    }
    return [(name, value.encode()) for name, value in headers.items()]


def write_policy(policy: str, ancestors: tuple[str, ...]) -> str:
    """A page's Content-Security-Policy, and who may show it in a frame, which only a header can say."""
    return f"{policy}; frame-ancestors {' '.join(ancestors) or NO_ONE}"


def _read_headers(scope: Scope) -> dict[bytes, str]:
    """The headers by name, the last of each. Raises Refusal for one that decides something and comes twice."""
    names = [name for name, _ in scope["headers"]]
    if twice := [name for name in ONCE if names.count(name) > 1]:
        raise Refusal(400, f"expected one {twice[0].decode()} header, found several")
    return {name: value.decode("latin-1") for name, value in scope["headers"]}


def _find_name(address: str) -> str:
    """The host of ``//host:port``, in small letters; "" if it is none."""
    try:
        parts = urlsplit(address)
        _ = parts.port  # raises ValueError too
    except ValueError:
        return ""
    is_bare = parts.netloc == address[2:] and "@" not in parts.netloc
    return (parts.hostname or "").rstrip(".") if is_bare else ""


def is_address(name: str) -> bool:
    """Whether a host is an IP address, not a name."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _read_query_token(query: bytes) -> str:
    """The token of the page's address; "" if there is none, or several."""
    try:
        given = parse_qs(query.decode("latin-1"), max_num_fields=20).get("token", [])
    except ValueError:
        return ""
    return given[0] if len(given) == 1 else ""


async def _read_all(receive: Receive) -> bytes:
    parts: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Gone
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


async def _read_on(receive: Receive, seconds: float) -> None:
    """Read what still comes, and drop it: a client that is cut off while it sends never reads the answer."""
    try:
        async with asyncio.timeout(seconds):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect" or not message.get("more_body", False):
                    return
    except TimeoutError:
        return
