"""Clients that are slow, many, or send what is no HTTP: the server goes on for everyone else."""

from __future__ import annotations

import socket
import time
from collections.abc import Generator

import psutil
import pytest

from promptlight.cli.server._protocol import Patience
from promptlight.cli.server.guard import Rules
from promptlight.cli.server.running import Serving
from tests.support.processes import wait_until
from tests.support.served import TOKEN, FakeStudio, ask, place_of, read_all, send_raw, serving

BEARER = f"Authorization: Bearer {TOKEN}\r\n".encode()
HEAD = b"GET /state HTTP/1.1\r\nHost: localhost\r\n" + BEARER
RULES = Rules(token=TOKEN, body_within=0.3, sent_within=0.3, read_on=0.3)
PATIENCE = Patience(headers=0.3, keep_alive=0.1, closing=0.3)


@pytest.fixture(scope="module")
def shared() -> Generator[Serving]:
    with serving(rules=RULES, patience=PATIENCE) as one:
        yield one


def trickle(raw: socket.socket, data: bytes) -> None:
    """Send a byte every 20 ms until the server has had enough."""
    for position in range(len(data)):
        try:
            raw.sendall(data[position : position + 1])
        except (BrokenPipeError, ConnectionResetError):
            return
        time.sleep(0.02)
        raw.setblocking(False)
        try:
            if raw.recv(1, socket.MSG_PEEK) == b"":
                return
        except BlockingIOError:
            pass
        except ConnectionResetError:
            return
        finally:
            raw.settimeout(30)
    raise AssertionError("the server read on")


def test_headers_byte_by_byte_are_not_waited_for() -> None:
    with serving(rules=RULES, patience=PATIENCE) as served:
        with socket.create_connection(place_of(served)) as raw:
            trickle(raw, HEAD + b"X: " + b"x" * 10_000)
            assert read_all(raw) == b""
        assert ask(served, "GET", "/state").status == 200


def test_a_connection_that_says_nothing_is_closed_and_one_that_was_used_too() -> None:
    with serving(rules=RULES, patience=PATIENCE) as served:
        assert send_raw(served) == b""
        assert send_raw(served, HEAD, b"\r\n", HEAD[:20]).count(b"HTTP/1.1 200") == 1


def test_a_body_byte_by_byte_is_not_waited_for() -> None:
    studio = FakeStudio()
    with serving(studio, rules=RULES, patience=PATIENCE) as served:
        head = b"POST /jobs HTTP/1.1\r\nHost: localhost\r\n" + BEARER
        head += b"Content-Type: application/json\r\nContent-Length: 100000\r\n\r\n"
        with socket.create_connection(place_of(served)) as raw:
            raw.sendall(head)
            answer = read_all(raw)  # a body of which nothing comes
        assert b"HTTP/1.1 408" in answer
        assert b"expected the whole body within 0.3 seconds" in answer
        with socket.create_connection(place_of(served)) as raw:
            raw.sendall(head)
            trickle(raw, b"x" * 10_000)
        assert (ask(served, "GET", "/state").status, studio.asked) == (200, [])


@pytest.mark.parametrize("head", [b"Content-Length: 64000000\r\n", b"Transfer-Encoding: chunked\r\n"])
@pytest.mark.parametrize("bearer", [BEARER, b""])
def test_64_mb_are_refused_and_not_kept(head: bytes, bearer: bytes) -> None:
    """The answer comes at once; what still arrives is dropped, and the connection ends."""
    studio = FakeStudio()
    with serving(studio, rules=RULES, patience=PATIENCE) as served:
        first = b"POST /jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        piece = b"x" * 64_000
        if b"chunked" in head:
            piece = b"%x\r\n%b\r\n" % (len(piece), piece)
        with socket.create_connection(place_of(served), timeout=30) as raw:
            raw.sendall(first + bearer + head + b"\r\n")
            answer = raw.recv(65536)
            expected = b" 401 " if not bearer else b" 411 " if b"chunked" in head else b" 413 "
            assert expected in answer.partition(b"\r\n")[0]
            for _ in range(1000):
                try:
                    raw.sendall(piece)
                except (BrokenPipeError, ConnectionResetError):
                    break
        assert (ask(served, "GET", "/state").status, studio.asked) == (200, [])


def test_a_body_longer_than_its_length_is_not_a_second_request() -> None:
    studio = FakeStudio()
    with serving(studio, rules=RULES, patience=PATIENCE) as served:
        head = b"POST /notes HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 10\r\n"
        answer = send_raw(served, head, BEARER, b'\r\n{"id":"a"}', b'{"id":"b"}' * 10, b"\r\n\r\n")
        assert answer.count(b"HTTP/1.1 ") == 2
        assert answer.split(b"HTTP/1.1 ")[2].startswith(b"400")
        assert studio.asked == [("a", "", "")]


def test_a_page_that_nobody_reads_is_given_up() -> None:
    """What was handed over and not read goes with its connection."""
    studio = FakeStudio(page=lambda: iter(["x" * 1000] * 40_000))
    with serving(studio, rules=RULES, patience=PATIENCE) as served, connect_with_little_room(served) as raw:
        raw.sendall(f"GET /?token={TOKEN} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        wait_until(lambda: count_connections(served) == 1)
        wait_until(lambda: count_connections(served) == 0)
        assert ask(served, "GET", "/state").status == 200


def test_a_reader_of_events_who_reads_nothing_is_given_up_and_costs_no_memory() -> None:
    studio = FakeStudio()
    with serving(studio, rules=RULES, patience=PATIENCE) as served:
        with connect_with_little_room(served) as raw:
            raw.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n" + BEARER + b"\r\n")
            wait_until(lambda: len(studio.hearing) == 1)
            wait_until(lambda: studio.tell("state", text="x" * 100_000) or not studio.hearing)
            wait_until(lambda: count_connections(served) == 0)
        assert ask(served, "GET", "/state").status == 200


def count_connections(served: Serving) -> int:
    """Open connections of the server, which runs in this process."""
    own = [
        one for one in psutil.Process().net_connections("tcp") if one.laddr and one.laddr.port == place_of(served)[1]
    ]
    return sum(one.status == psutil.CONN_ESTABLISHED for one in own)


def connect_with_little_room(served: Serving) -> socket.socket:
    """A connection whose client's side holds only some kilobytes that were not read."""
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.settimeout(30)
    raw.connect(place_of(served))
    return raw


def test_too_many_connections_cost_the_oldest_stranger_its_own() -> None:
    with serving(rules=RULES, patience=Patience(n_connections=8)) as served:
        friend = socket.create_connection(place_of(served), timeout=30)
        friend.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n" + BEARER + b"\r\n")
        assert b" 200 " in friend.recv(100)
        strangers = [socket.create_connection(place_of(served), timeout=30) for _ in range(50)]
        assert ask(served, "GET", "/state").status == 200
        assert [read_all(one) for one in strangers[:40]] == [b""] * 40
        friend.settimeout(0.1)
        with pytest.raises(TimeoutError):  # it is still open, and says nothing
            read_all(friend)
        for one in (friend, *strangers):
            one.close()


@pytest.mark.parametrize(
    "garbage",
    [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100),
        b"GET /state\r\n\r\n",
        b"\x00" * 20_000,
        b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\n",
        HEAD + b"X-Long: " + b"x" * 200_000 + b"\r\n\r\n",
        HEAD + b"X-Split: a\r\n b\x00c\r\n\r\n",
        b"POST /jobs HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
    ],
)
def test_what_is_no_http_is_refused_in_a_line(
    shared: Serving, garbage: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    answer = send_raw(shared, garbage)
    assert answer.partition(b"\r\n")[0].split(b" ")[1:2] in ([b"400"], [b"405"], [b"501"])
    assert answer.partition(b"\r\n\r\n")[2].startswith(b'{"error": "expected ')
    assert b"nosniff" in answer
    assert ask(shared, "GET", "/state").status == 200
    assert "".join(capfd.readouterr()) == ""


def test_a_websocket_is_an_ordinary_request() -> None:
    upgrade = (
        b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eA==\r\n\r\n"
    )
    with serving(rules=RULES, patience=PATIENCE) as served:
        assert b"HTTP/1.1 200" in send_raw(served, HEAD, upgrade)
        assert b"HTTP/1.1 401" in send_raw(served, HEAD.replace(BEARER, b""), upgrade)


@pytest.mark.parametrize(
    "path",
    [
        "/files/../../etc/passwd",
        "/files/..%2f..%2fetc%2fpasswd",
        "/files/%2e%2e/%2e%2e/etc/passwd",
        "//etc/passwd",
        "/files/report.html/../../../etc/passwd",
        "/files/report.html%00.txt",
        "/files/..\\..\\etc\\passwd",
        "/files/",
        "/files/results.csv;x",
        "/static/../cli/server/app.py",
        "/records/..%2f..%2fetc%2fpasswd",
        "http://attacker.example/state",
        "/%0d%0aSet-Cookie:%20a=b",
    ],
)
def test_no_path_of_a_client_is_one_of_the_disk(shared: Serving, path: str) -> None:
    end = b"Connection: close\r\n\r\n"
    answer = send_raw(shared, f"GET {path} HTTP/1.1\r\nHost: localhost\r\n".encode(), BEARER, end)
    assert answer.startswith(b"HTTP/1.1 404")
    assert b"root:" not in answer
    assert b"set-cookie" not in answer.lower()
