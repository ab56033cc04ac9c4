"""Floods of requests: the server stays up, its memory stays bounded, and a reader with the link gets every answer."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace

import psutil
import pytest

from promptlight.cli.server.guard import Rules
from promptlight.cli.server.running import Serving
from tests.support.served import TOKEN, ask, place_of, serving

BEARER = f"Authorization: Bearer {TOKEN}\r\n".encode()
RULES = Rules(token=TOKEN)
SOME = pytest.param(300, id="some")
MANY = pytest.param(10_000, id="10000", marks=pytest.mark.slow)


@contextmanager
def reading(served: Serving) -> Generator[Counter[int]]:
    """Read the state again and again meanwhile, with the token; counts the statuses."""
    statuses: Counter[int] = Counter()
    is_over = threading.Event()

    def read() -> None:
        while not is_over.is_set():
            statuses[ask(served, "GET", "/state").status] += 1
            is_over.wait(0.05)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield statuses
    finally:
        is_over.set()
        reader.join()


@contextmanager
def measuring_memory() -> Generator[None]:
    """Fail if this process, in which the server runs, has 64 MB more afterwards."""
    process = psutil.Process()
    before = process.memory_info().rss
    yield
    assert process.memory_info().rss - before < 64e6


def flood(served: Serving, request: bytes, n_requests: int, n_connections: int = 20) -> Counter[bytes]:
    """Send requests over some connections, 25 behind each other; counts the statuses."""
    counts: Counter[bytes] = Counter()

    def send(n_mine: int) -> Counter[bytes]:
        found: Counter[bytes] = Counter()
        with socket.create_connection(place_of(served), timeout=60) as raw:
            for start in range(0, n_mine, 25):
                n_sent = min(25, n_mine - start)
                raw.sendall(request * n_sent)
                answer = b""
                while answer.count(b"\r\n\r\n") < n_sent or not answer.endswith(b"}"):
                    part = raw.recv(65536)
                    assert part, "the server closed"
                    answer += part
                found.update(head.split(b" ", 1)[0] for head in answer.split(b"HTTP/1.1 ")[1:])
        return found

    with ThreadPoolExecutor(n_connections) as pool:
        for found in pool.map(send, [n_requests // n_connections] * n_connections):
            counts += found
    return counts


@pytest.mark.parametrize("n_requests", [SOME, MANY])
@pytest.mark.parametrize("bearer", [b"", b"Authorization: Bearer wrong\r\n"])
def test_a_flood_without_the_token_is_turned_away(n_requests: int, bearer: bytes) -> None:
    request = b"GET /state HTTP/1.1\r\nHost: localhost\r\n" + bearer + b"\r\n"
    with serving(rules=RULES) as served, measuring_memory(), reading(served) as statuses:
        counts = flood(served, request, n_requests)
        assert counts[b"401"] + counts[b"429"] == n_requests
        assert counts[b"429"] > 0
    assert list(statuses) == [200]


@pytest.mark.parametrize("n_requests", [SOME, MANY])
def test_a_flood_of_connections_is_turned_away(n_requests: int) -> None:
    """Each with a request of its own, and some that say nothing."""
    request = b"GET /?token=wrong HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"

    def send(number: int) -> None:
        with socket.create_connection(place_of(served), timeout=60) as raw:
            if number % 5:
                raw.sendall(request)
                assert raw.recv(65536).startswith(b"HTTP/1.1 4")

    with (
        serving(rules=RULES) as served,
        measuring_memory(),
        reading(served) as statuses,
        ThreadPoolExecutor(20) as pool,
    ):
        list(pool.map(send, range(n_requests)))
    assert list(statuses) == [200]


@pytest.mark.parametrize("n_connections", [pytest.param(600, id="some"), pytest.param(2000, marks=pytest.mark.slow)])
def test_connections_that_say_nothing_make_room(n_connections: int) -> None:
    """Hundreds at once are more than may be open; a reader's request is read before its connection is the oldest."""
    with serving(rules=RULES) as served, measuring_memory(), reading(served) as statuses, ExitStack() as stack:
        for _ in range(n_connections):
            stack.enter_context(socket.create_connection(place_of(served), timeout=60))
        assert ask(served, "GET", "/state").status == 200
    assert list(statuses) == [200]


@pytest.mark.parametrize("n_requests", [SOME, MANY])
def test_a_flood_with_the_token_is_answered_in_turn(n_requests: int) -> None:
    rules = replace(RULES, burst=100, rate=1000 if n_requests < 1000 else RULES.rate)
    request = b"GET /state HTTP/1.1\r\nHost: localhost\r\n" + BEARER + b"\r\n"
    with serving(rules=rules) as served, measuring_memory(), reading(served) as statuses:
        counts = flood(served, request, n_requests)
    assert counts == {b"200": n_requests}
    assert list(statuses) == [200]
