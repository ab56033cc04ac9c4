"""Who may ask: names, origins, tokens, sizes and rates, over real sockets."""

from __future__ import annotations

import base64
import hashlib
import logging
import re
import time
from collections.abc import Generator
from dataclasses import replace

import pytest
from starlette.exceptions import HTTPException

from promptlight.cli.server._app import Door
from promptlight.cli.server._rates import MOST_ADDRESSES, Bucket, BucketEach
from promptlight.cli.server.guard import Rules
from promptlight.cli.server.running import Serving
from tests.support.served import PAGE, TOKEN, FakeStudio, ask, place_of, send_raw, serving

STUDIO = FakeStudio()
RULES = Rules(token=TOKEN, strangers_burst=10_000, read_on=0.05)
CROSS = "another site's page may not ask here"


@pytest.fixture(scope="module")
def served() -> Generator[Serving]:
    with serving(STUDIO, rules=RULES, password="open sesame", names=["Box.local"]) as one:
        yield one


# The name and the site


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1:{port}", "127.0.0.1", "localhost:{port}", "LOCALHOST", "localhost.", "[::1]:{port}", "box.local:1"],
)
def test_a_name_of_this_server_is_answered(served: Serving, host: str) -> None:
    assert ask(served, "GET", "/state", host=host.format(port=place_of(served)[1])).status == 200


@pytest.mark.parametrize(
    "host",
    [
        "attacker.example:{port}",
        "127.0.0.1.attacker.example",
        "attacker.example.127.0.0.1",
        "localhost.attacker.example",
        "192.168.0.7:{port}",
        "10.0.0.1",
        "127.0.0.1@attacker.example",
        "attacker.example@127.0.0.1",
        "127.0.0.1/attacker.example",
        "127.0.0.1?attacker.example",
        "127.0.0.1#attacker.example",
        "127.0.0.1:port",
        "[::1",
        "2130706433",
    ],
)
def test_a_strangers_name_that_leads_here_is_refused_even_with_the_token(served: Serving, host: str) -> None:
    """DNS rebinding: a page of attacker.example asks attacker.example, which now has this machine's address."""
    answer = ask(served, "GET", f"/?token={TOKEN}", host=host.format(port=place_of(served)[1]))
    assert (answer.status, answer.json["error"].partition(":")[0]) == (421, "this server does not go by that name")
    assert ask(served, "POST", "/jobs", {"kind": "write"}, host=host.format(port=1)).status == 421
    assert STUDIO.asked == []


def test_no_name_and_two_names_are_refused(served: Serving) -> None:
    bearer = f"Authorization: Bearer {TOKEN}\r\n".encode()
    assert b" 421 " in send_raw(served, b"GET /state HTTP/1.0\r\n", bearer, b"\r\n")
    two = b"Host: localhost\r\nHost: attacker.example\r\n"
    assert b" 400 " in send_raw(served, b"GET /state HTTP/1.1\r\n", two, bearer, b"\r\n")


def test_bound_to_all_addresses_are_names_but_not_origins() -> None:
    with serving(rules=RULES, host="0.0.0.0") as served:
        served = replace(served, url=f"http://127.0.0.1:{place_of(served)[1]}/")
        assert ask(served, "GET", "/state", host="192.168.0.7:8321").status == 200
        assert ask(served, "GET", "/state", host="attacker.example").status == 421
        own, other = "http://192.168.0.7:8321", "http://6.6.6.6"
        assert ask(served, "GET", "/state", host="192.168.0.7:8321", origin=own).status == 200
        assert ask(served, "GET", "/state", host="192.168.0.7:8321", origin=other).status == 403


@pytest.mark.parametrize(
    "origin",
    [
        "http://attacker.example",
        "https://attacker.example",
        "null",
        "",
        "file://",
        "http://localhost.attacker.example",
        "http://localhost@attacker.example",
        "chrome-extension://localhost",
        "localhost",
        "http://192.168.0.7",
    ],
)
def test_another_sites_page_may_not_ask_even_with_the_token(served: Serving, origin: str) -> None:
    raw = (
        f"POST /jobs HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\nOrigin: {origin}\r\n"
        "Content-Type: application/json\r\nContent-Length: 16\r\nConnection: close\r\n\r\n"
        '{"kind":"write"}'
    )
    assert b" 403 " in send_raw(served, raw.encode())
    assert STUDIO.asked == []


def test_its_own_page_may_ask(served: Serving) -> None:
    for origin in (served.url.rstrip("/"), "http://localhost:1", "https://box.local"):
        assert ask(served, "GET", "/state", origin=origin, sec_fetch_site="same-origin").status == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site", "", "Same-Origin"])
def test_a_browsers_request_of_another_site_is_refused(served: Serving, site: str) -> None:
    """Without Origin too, as for a script or a picture; another port of this machine is another site here."""
    head = f"GET /state HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\nSec-Fetch-Site: {site}\r\n"
    assert b" 403 " in send_raw(served, head.encode(), b"Connection: close\r\n\r\n")


@pytest.mark.parametrize(
    ("mode", "kind", "status"),
    [("navigate", "document", 200), ("navigate", "iframe", 403), ("no-cors", "image", 403), ("cors", "empty", 403)],
)
def test_another_site_may_link_to_the_page_and_nothing_else(served: Serving, mode: str, kind: str, status: int) -> None:
    sent = {"sec_fetch_site": "cross-site", "sec_fetch_mode": mode, "sec_fetch_dest": kind}
    assert ask(served, "GET", f"/?token={TOKEN}", token="", **sent).status == status
    assert ask(served, "GET", "/state", **sent).status == 403


def test_a_frame_is_for_the_sites_that_were_named() -> None:
    site = "https://notebook.example"
    with serving(rules=RULES, ancestors=[site, "'self'"]) as served:
        sent = {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate", "sec_fetch_dest": "iframe"}
        answer = ask(served, "GET", f"/?token={TOKEN}", **sent)
        assert answer.status == 200
        assert answer.headers["content-security-policy"].endswith(f"; frame-ancestors {site} 'self'")
        assert "x-frame-options" not in answer.headers


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "TRACE", "PUT", "PATCH", "CONNECT", "PROPFIND", "get"])
def test_other_methods_are_refused_and_nothing_allows_other_sites(served: Serving, method: str) -> None:
    asked = {"origin": "http://localhost", "access_control_request_method": "POST"}
    answer = ask(served, method, "/state", **asked)
    assert (answer.status, answer.headers["allow"]) == (405, "GET, POST, DELETE")
    assert TOKEN not in answer.body.decode()
    assert [name for name in answer.headers if name.startswith("access-control")] == []


# The token


@pytest.mark.parametrize("path", ["/state", "/summary", "/records/0", "/events", "/files/report.html", "/jobs", "/no"])
@pytest.mark.parametrize("given", ["", f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN}t", f"Basic {TOKEN}", TOKEN, "Bearer é"])
def test_without_the_token_nothing_is_told_not_even_what_there_is(served: Serving, path: str, given: str) -> None:
    answer = ask(served, "GET", f"{path}?token={TOKEN}", token="", authorization=given)
    assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert answer.json == {"error": "open the page by the link that `promptlight serve` printed"}


def test_a_cookie_is_no_token_and_none_is_set(served: Serving) -> None:
    assert ask(served, "GET", "/state", token="", cookie=f"token={TOKEN}").status == 401
    assert "set-cookie" not in ask(served, "GET", f"/?token={TOKEN}").headers


@pytest.mark.parametrize("query", ["", "?token=", "?token=no", f"?token={TOKEN}&token=no", "?a=1" + "&a=1" * 50])
def test_the_page_without_the_token_asks_for_the_password(served: Serving, query: str) -> None:
    answer = ask(served, "GET", f"/{query}", token="")
    html = answer.body.decode()
    assert answer.status == 401
    assert 'type="password"' in html
    assert (PAGE in html, TOKEN in html) == (False, False)
    (digest,) = re.findall("'sha256-[^']+'", answer.headers["content-security-policy"])
    assert digest == hash_script(html)


def hash_script(html: str) -> str:
    (script,) = re.findall("<script>(.*)</script>", html, re.DOTALL)
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def test_the_page_without_a_password_says_where_the_link_is() -> None:
    with serving(rules=RULES) as served:
        answer = ask(served, "GET", "/", token="", accept_language="zh-TW,zh;q=0.9")
        assert (answer.status, "password" in answer.body.decode()) == (401, False)
        assert 'lang="zh-TW"' in answer.body.decode()
        assert ask(served, "POST", "/enter", {"password": ""}, token="").status == 404


def test_each_server_has_a_new_token_of_256_bits() -> None:
    with serving() as one, serving() as other:
        assert len(one.token) == 43
        assert one.token != other.token
        assert one.token not in repr(one)


def test_the_password_gives_the_token_and_five_wrong_ones_are_the_most_of_a_minute() -> None:
    with serving(rules=RULES, password="öpen sesame") as served:
        enter = [ask(served, "POST", "/enter", {"password": "öpen sesame"}, token="") for _ in range(8)]
        assert {(one.status, one.json["token"]) for one in enter} == {(200, TOKEN)}
        wrong = [ask(served, "POST", "/enter", {"password": p}, token="").status for p in ["no", "", None, 1, ["no"]]]
        assert wrong == [403] * 5
        assert ask(served, "POST", "/enter", {"password": "öpen sesame"}, token="").status == 429  # it is not tried
        assert ask(served, "GET", "/state").status == 200  # the link goes on


def test_a_wrong_password_counts_for_a_minute() -> None:
    now = 0.0
    door = Door("open sesame", clock=lambda: now)
    statuses: list[int] = []
    for second in range(0, 181, 10):
        now = float(second)
        with pytest.raises(HTTPException) as raised:
            door.check("wrong")
        statuses.append(raised.value.status_code)
    assert statuses == ([403] * 5 + [429]) * 3 + [403]
    now = 1000.0
    door.check("open sesame")


# The body


@pytest.mark.parametrize(
    "kind",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "", "application/jso"],
)
def test_only_json_is_read(served: Serving, kind: str) -> None:
    """A form of another site can send the other types without asking first."""
    answer = ask(served, "POST", "/jobs", {"kind": "write"}, content_type=kind)
    assert (answer.status, STUDIO.asked) == (415, [])
    assert ask(served, "POST", "/enter", {"password": "open sesame"}, token="", content_type=kind).status == 415


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("POST /jobs", 411),
        ("POST /jobs\nTransfer-Encoding: chunked", 411),
        ("POST /jobs\nContent-Length: 2000001", 413),
        ("POST /jobs\nContent-Length: 99999999999999999999", 413),
        ("POST /jobs\nContent-Length: -1", 400),
        ("POST /jobs\nContent-Length: 1\nContent-Length: 2", 400),
        ("POST /jobs\nContent-Length: 5\nTransfer-Encoding: chunked", 411),
        ("GET /state\nContent-Length: 5", 400),
        ("DELETE /jobs/k1\nTransfer-Encoding: chunked", 411),
        ("POST /jobs\nContent-Type: text/plain\nContent-Length: 2", 400),
    ],
)
def test_a_body_needs_one_length_that_is_not_large(served: Serving, head: str, status: int) -> None:
    first, *others = head.split("\n")
    lines = [f"{first} HTTP/1.1", "Host: localhost", f"Authorization: Bearer {TOKEN}", "Content-Type: application/json"]
    raw = "\r\n".join([*lines, *others, "Connection: close", "\r\n"]).encode()
    assert f" {status} ".encode() in send_raw(served, raw).partition(b"\r\n")[0]
    assert STUDIO.asked == []


def test_a_password_that_is_a_book_is_not_read(served: Serving) -> None:
    assert ask(served, "POST", "/enter", {"password": "x" * 2000}, token="").status == 413


# Headers of the answers


@pytest.mark.parametrize(
    ("method", "path", "token"),
    [("GET", "/state", TOKEN), ("GET", "/", ""), ("GET", "/no", ""), ("POST", "/no", TOKEN), ("PUT", "/", "")],
)
def test_every_answer_says_what_a_browser_may_do_with_it(served: Serving, method: str, path: str, token: str) -> None:
    headers = ask(served, method, path, token=token).headers
    assert headers["content-security-policy"].startswith("default-src 'none';")
    assert headers["content-security-policy"].endswith("; frame-ancestors 'none'")
    expected = {
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cache-control": "no-store",
        "cross-origin-resource-policy": "same-origin",
        "cross-origin-opener-policy": "same-origin",
        "x-frame-options": "DENY",
    }
    assert {name: headers[name] for name in expected} == expected
    assert "server" not in headers


# Rates


def test_a_bucket_fills_again() -> None:
    now = 0.0
    bucket = Bucket(rate=2, burst=3, clock=lambda: now)
    assert [bucket.take() for _ in range(4)] == [0, 0, 0, None]
    now = 0.5
    assert [bucket.take(), bucket.take()] == [0, None]
    assert [bucket.take(1.0), bucket.take(1.0), bucket.take(1.0)] == [0.5, 1.0, None]  # each waits for its turn
    now = 100.0
    bucket.give_back()
    assert [bucket.take() for _ in range(4)] == [0, 0, 0, None]


def test_each_address_has_its_bucket_and_few_are_remembered() -> None:
    each = BucketEach(rate=1, burst=1, clock=lambda: 0.0)
    assert [each.take("a"), each.take("a"), each.take("b")] == [True, False, True]
    for number in range(MOST_ADDRESSES):
        each.take(str(number))
    assert each.take("a")  # forgotten


def test_many_strangers_do_not_keep_a_reader_out() -> None:
    with serving(rules=replace(RULES, strangers_burst=20, strangers_rate=0.001)) as served:
        statuses = [ask(served, "GET", "/state", token="wrong").status for _ in range(40)]
        assert statuses == [401] * 20 + [429] * 20
        assert ask(served, "GET", "/", token="").status == 429
        assert ask(served, "GET", "/state").status == 200


def test_too_many_requests_with_the_token_wait_and_then_are_refused() -> None:
    with serving(rules=replace(RULES, burst=5, rate=1000)) as served:
        assert [ask(served, "GET", "/state").status for _ in range(20)] == [200] * 20
    with serving(rules=replace(RULES, burst=2, rate=0.001)) as served:
        answers = [ask(served, "GET", "/state") for _ in range(3)]
        assert [one.status for one in answers] == [200, 200, 429]
        assert answers[-1].headers["retry-after"] == "5"


# What goes wrong


def test_a_bug_is_told_in_the_terminal_without_the_token_and_not_to_the_browser(
    served: Serving, capfd: pytest.CaptureFixture[str]
) -> None:
    answer = ask(served, "POST", "/jobs", {"kind": "bug"})
    said = ""
    for _ in range(500):  # the answer comes first
        said += capfd.readouterr().err
        if "RuntimeError" in said:
            break
        time.sleep(0.01)
    assert (answer.status, "terminal" in answer.json["error"]) == (500, True)
    assert "RuntimeError: token=***" in said
    assert "Traceback" in said
    for secret in (TOKEN, "hunter2000"):
        assert secret not in said + answer.body.decode()


def test_nothing_is_logged(
    served: Serving, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)  # as in a notebook
    ask(served, "GET", f"/?token={TOKEN}")
    ask(served, "GET", "/?token=wrong", token="")
    send_raw(served, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    assert (*capfd.readouterr(), caplog.text) == ("", "", "")
