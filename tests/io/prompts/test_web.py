"""Prompts from a web server: where it may send us and where not, and what it says when it goes wrong."""

# pyright: standard

from __future__ import annotations

import base64
import http.server
import io
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any
from urllib.request import HTTPRedirectHandler, Request

import pytest

from promptlight.io.prompts.reader import PromptReader
from promptlight.io.prompts.web import Places, RedirectError, _Redirects, fetch_web
from promptlight.salience.errors import InputError

RECORD = b'{"prompt": "p"}\n'
Answer = tuple[int, dict[str, str], bytes]
OK: Answer = (200, {}, RECORD)


@dataclass
class Server:
    """A server on this machine; ``answers`` has what lies at each path, ``requests`` what was asked of it."""

    address: str
    answers: dict[str, Answer]
    requests: list[tuple[str, dict[str, str]]]

    @property
    def paths(self) -> list[str]:
        return [path for path, _ in self.requests]


@pytest.fixture
def server() -> Iterator[Server]:
    answers: dict[str, Answer] = {}
    requests: list[tuple[str, dict[str, str]]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

        def do_GET(self) -> None:
            requests.append((self.path, dict(self.headers)))
            code, headers, body = answers.get(self.path, (404, {}, b""))
            self.send_response(code)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as served:
        thread = threading.Thread(target=served.serve_forever)
        thread.start()
        yield Server(f"http://127.0.0.1:{served.server_port}", answers, requests)
        served.shutdown()
        thread.join()


def fetch(server: Server, path: str, folder: Path) -> bytes:
    fetch_web(f"{server.address}{path}", folder / "copy")
    return (folder / "copy").read_bytes()


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_to_the_same_machine_is_followed(server: Server, tmp_path: Path, code: int) -> None:
    server.answers |= {"/old": (code, {"Location": "/new"}, b""), "/new": OK}
    assert fetch(server, "/old", tmp_path) == RECORD
    assert server.paths == ["/old", "/new"]


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "target",
    [
        *("file:///etc/passwd", "file://localhost/etc/passwd", "FILE:/etc/passwd", "ftp://127.0.0.1/x", "data:,x"),
        *("gopher://127.0.0.1/", "s3://bucket/x", "javascript:alert(1)", "jar:file:///x", "local:///etc/passwd"),
        *("http://user:pw@127.0.0.1/x", "http://user@127.0.0.1/x"),
    ],
)
def test_a_redirect_to_another_kind_of_address_is_not(server: Server, tmp_path: Path, code: int, target: str) -> None:
    server.answers["/p"] = (code, {"Location": target}, b"")
    with pytest.raises(RedirectError, match=r"it redirects to .*; expected another https:// address"):
        fetch(server, "/p", tmp_path)
    assert not (tmp_path / "copy").exists()


@pytest.mark.parametrize(
    "host",
    [
        *("169.254.169.254", "10.0.0.1", "192.168.1.1", "172.16.0.1", "100.64.0.1", "0.0.0.0", "127.0.0.2"),
        *("[::1]", "[fd00::1]", "[fe80::1]", "[::ffff:169.254.169.254]", "2852039166", "0xa9fea9fe"),
    ],
)
def test_a_redirect_into_a_private_network_is_not(server: Server, tmp_path: Path, host: str) -> None:
    """Nor however it is spelt: 2852039166 is 169.254.169.254."""
    server.answers["/p"] = (302, {"Location": f"http://{host}/latest/meta-data/"}, b"")
    with pytest.raises(RedirectError, match="which is not on the public internet; if you mean that one, give its"):
        fetch(server, "/p", tmp_path)


def test_places_are_the_first_one_or_public() -> None:
    places = Places()
    places.check("example.org", {"93.184.215.14"})
    places.check("cdn.example.org", {"1.1.1.1", "2606:4700:4700::1111"})
    for inside in ("127.0.0.1", "10.0.0.1", "::1", "::ffff:10.0.0.1"):
        with pytest.raises(RedirectError, match=r"redirects to example\.org"):
            places.check("example.org", {"1.1.1.1", inside})  # the name stands for another machine by now
    near = Places()
    near.check("intranet", {"10.0.0.1"})
    near.check("again", {"10.0.0.1"})
    near.check("example.org", {"1.1.1.1"})


@pytest.mark.parametrize(("before", "after", "followed"), [("http", "https", True), ("https", "http", False)])
def test_encryption_is_not_given_up(before: str, after: str, followed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HTTPRedirectHandler, "http_error_302", lambda *_: "followed")
    headers = Message()
    headers["Location"] = f"{after}://example.org/q"
    arguments = (Request(f"{before}://example.org/p"), io.BytesIO(), 302, "Found", headers)
    if followed:
        assert _Redirects().http_error_302(*arguments) == "followed"
    else:
        with pytest.raises(RedirectError):
            _Redirects().http_error_302(*arguments)


def test_an_endless_redirect_ends(server: Server, tmp_path: Path) -> None:
    server.answers["/p"] = (302, {"Location": "/p"}, b"")
    with pytest.raises(OSError, match="the server answered 302"):
        fetch(server, "/p", tmp_path)
    assert len(server.paths) < 20


def test_a_login_is_sent_and_not_passed_on(server: Server, tmp_path: Path) -> None:
    server.answers |= {"/p": (302, {"Location": "/q"}, b""), "/q": OK}
    fetch_web(server.address.replace("//", "//us%40er:pass%2Fword@") + "/p", tmp_path / "copy")
    asked, passed_on = (headers for _, headers in server.requests)
    assert asked["Authorization"] == "Basic " + base64.b64encode(b"us@er:pass/word").decode()
    assert "Authorization" not in passed_on


def test_what_is_asked_for(server: Server, tmp_path: Path) -> None:
    server.answers["/caf%C3%A9%20x?q=%C3%A9&v=1"] = OK
    assert fetch(server, "/café x?q=é&v=1#part", tmp_path) == RECORD
    assert server.requests[0][1]["User-Agent"] == "promptlight"


def test_answers_that_are_no_file(server: Server, tmp_path: Path) -> None:
    server.answers |= {"/no": (403, {}, b""), "/gone": (410, {}, b""), "/short": (200, {"Content-Length": "99"}, b"x")}
    with pytest.raises(OSError, match="the server answered 403"):
        fetch(server, "/no", tmp_path)
    for path in ("/gone", "/absent"):
        with pytest.raises(FileNotFoundError):
            fetch(server, path, tmp_path)
    with pytest.raises(OSError, match="expected 99 bytes, found 1"):
        fetch(server, "/short", tmp_path)


@pytest.mark.parametrize(
    "address",
    [
        *("ftp://x/p", "zip://p.jsonl::file:///x.zip", "simplecache::https://x/p", "file:///p::zip://q", "memory://p"),
        *("github://a:b@/p", "reference://p", "x:zip://p::file:///q", "ssh://x/p", "data://,x", "local:///etc/passwd"),
    ],
)
def test_only_known_kinds_of_address_are_fetched(address: str) -> None:
    with pytest.raises(InputError, match="begins with one of http://"):
        PromptReader(address).count()


def test_a_file_named_by_the_user_is_read(tmp_path: Path) -> None:
    (tmp_path / "p.jsonl").write_bytes(RECORD)
    assert PromptReader((tmp_path / "p.jsonl").as_uri()).count() == 1
