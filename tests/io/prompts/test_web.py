"""Prompts from a web server: where it may send us and where not, and what it says when it goes wrong."""

# pyright: standard

from __future__ import annotations

import base64
import http.server
import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from promptlight.io.prompts.files import web
from promptlight.io.prompts.files.web import Places, RedirectError, _redirect, fetch_web
from promptlight.io.prompts.reader import PromptReader
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


def test_a_name_that_stands_for_another_machine_a_moment_later_is_asked_nothing(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name was looked up and public; the connection was made to a private machine, here this one."""
    server.answers |= {"/p": (302, {"Location": f"{server.address}/secret"}, b""), "/secret": OK}
    looked_up = iter([{"93.184.215.14"}, {"93.184.215.14"}])
    monkeypatch.setattr(web, "_look_up", lambda _: next(looked_up))
    with pytest.raises(RedirectError, match=r"127\.0\.0\.1.*not on the public internet"):
        fetch(server, "/p", tmp_path)
    assert server.requests == []


@pytest.mark.parametrize(
    ("before", "location", "after"),
    [
        ("http://example.org/p", "https://example.org/q", "https://example.org/q"),
        ("https://example.org/p", "//other.example/q", "https://other.example/q"),
        ("http://example.org/p", "q?v=1", "http://example.org/q?v=1"),
        ("https://example.org/p", "http://example.org/q", None),  # encryption is not given up
        ("https://example.org/p", "https://example.org:no/q", None),
        ("https://example.org/p", "https://me@example.org/q", None),
    ],
)
def test_where_a_redirect_may_lead(before: str, location: str, after: str | None) -> None:
    if after is None:
        with pytest.raises(RedirectError, match="expected another https:// address without login"):
            _redirect(httpx2.URL(before), location)
    else:
        assert str(_redirect(httpx2.URL(before), location)) == after


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
    with pytest.raises(OSError, match=r"the server's answer is broken \(.*received 1 bytes, expected 99"):
        fetch(server, "/short", tmp_path)


def test_a_packed_file_arrives_as_it_is(server: Server, tmp_path: Path) -> None:
    server.answers["/p.gz"] = (200, {"Content-Encoding": "gzip"}, b"not even gzip")
    assert fetch(server, "/p.gz", tmp_path) == b"not even gzip"
    assert server.requests[0][1]["Accept-Encoding"] == "identity"


def test_logs_quote_no_login_and_no_signature(server: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    server.answers |= {"/p?sig=s1gnature": (302, {"Location": "/q?sig=s1gnature"}, b""), "/q?sig=s1gnature": OK}
    with caplog.at_level(logging.DEBUG):
        fetch_web(server.address.replace("//", "//user:passw0rd@") + "/p?sig=s1gnature", tmp_path / "copy")
    assert f"GET {server.address}/p?***" in caplog.text
    assert "s1gnature" not in caplog.text
    assert "passw0rd" not in caplog.text


# ---- proxies --------------------------------------------------------------------------------------------------------


@pytest.fixture
def proxy(server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """The same server as a proxy: what it is asked for are whole URLs."""
    monkeypatch.delenv("NO_PROXY")
    monkeypatch.delenv("no_proxy")
    monkeypatch.setenv("HTTP_PROXY", server.address)
    monkeypatch.setenv("HTTPS_PROXY", server.address)
    return server


def test_a_proxy_is_asked_where_there_is_one(proxy: Server, tmp_path: Path) -> None:
    """Also for names that only the proxy knows."""
    proxy.answers |= {
        "http://prompts.invalid/p": (302, {"Location": "http://more.invalid/q"}, b""),
        "http://more.invalid/q": OK,
    }
    fetch_web("http://user:pw@prompts.invalid/p", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == RECORD
    assert proxy.paths == ["http://prompts.invalid/p", "http://more.invalid/q"]
    assert ["Authorization" in headers for _, headers in proxy.requests] == [True, False]


def test_a_proxy_that_makes_no_tunnel_is_said(proxy: Server, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="501 Unsupported method"):
        fetch_web("https://prompts.invalid/p", tmp_path / "copy")


def test_no_proxy_is_asked_for_hosts_that_need_none(
    proxy: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    proxy.answers["/p"] = OK
    assert fetch(proxy, "/p", tmp_path) == RECORD


@pytest.mark.parametrize("host", ["169.254.169.254", "localhost", "2852039166", "10.0.0.1", "[::1]"])
def test_a_proxy_is_not_asked_for_what_is_private(proxy: Server, tmp_path: Path, host: str) -> None:
    proxy.answers["http://prompts.invalid/p"] = (302, {"Location": f"http://{host}/q"}, b"")
    with pytest.raises(RedirectError, match="which is not on the public internet"):
        fetch_web("http://prompts.invalid/p", tmp_path / "copy")
    assert proxy.paths == ["http://prompts.invalid/p"]


# ---- other kinds of addresses ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        *("ftp://x/p", "zip://p.jsonl::file:///x.zip", "simplecache::https://x/p", "file:///p::zip://q", "memory://p"),
        *("github://a:b@/p", "reference://p", "x:zip://p::file:///q", "ssh://x/p", "data://,x", "local:///etc/passwd"),
    ],
)
def test_only_known_kinds_of_address_are_fetched(address: str) -> None:
    with pytest.raises(InputError, match="begins with one of http://"):
        list(PromptReader(address))


def test_a_file_named_by_the_user_is_read(tmp_path: Path) -> None:
    (tmp_path / "p.jsonl").write_bytes(RECORD)
    assert len(list(PromptReader((tmp_path / "p.jsonl").as_uri()))) == 1
