"""What the page asks its server, over HTTP: answers, errors, downloads, events."""

from __future__ import annotations

import json
import time
from collections.abc import Generator
from http.client import HTTPConnection
from typing import Any

import pytest

from promptlight.cli.server.running import Serving
from promptlight.io.page.write import describe_policy
from tests.support.served import PAGE, FakeStudio, ask, place_of, serving

STUDIO = FakeStudio()


@pytest.fixture(scope="module")
def served() -> Generator[Serving]:
    with serving(STUDIO, password="open sesame") as one:
        yield one


@pytest.fixture(autouse=True)
def _forget() -> None:
    STUDIO.asked.clear()


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/state", {"model": {"name": "demo"}, "n_records": 1, "version": 1, "jobs": []}),
        ("/summary", {"n": 1}),
        ("/records/0", {"head": {"id": "a"}, "data": {"texts": ["b"]}}),
    ],
)
def test_what_is_there_is_told(served: Serving, path: str, expected: object) -> None:
    answer = ask(served, "GET", path)
    assert (answer.status, answer.headers["content-type"], answer.json) == (200, "application/json", expected)


def test_the_page_opens_by_its_link_with_the_policy_that_it_has_itself(served: Serving) -> None:
    answer = ask(served, "GET", f"/?token={served.token}", token="")
    assert (answer.status, answer.body.decode()) == (200, PAGE)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-length"] == str(len(PAGE))
    assert answer.headers["content-security-policy"] == f"{describe_policy(served=True)}; frame-ancestors 'none'"


def test_the_page_is_made_once_for_each_version() -> None:
    studio = FakeStudio()
    with serving(studio) as served:
        address = f"/?token={served.token}"
        assert [ask(served, "GET", address).status for _ in range(3)] == [200, 200, 200]
        assert studio.n_rendered == 1
        studio.version += 1
        ask(served, "GET", address)
        assert studio.n_rendered == 2


def test_a_job_is_taken_and_dropped(served: Serving) -> None:
    asked = {"kind": "write", "parent": "a", "turn": 0, "text": "起司 🧀"}
    answer = ask(served, "POST", "/jobs", asked)
    assert (answer.status, answer.json) == (202, {"jobs": [{"id": "k1"}]})
    assert ask(served, "DELETE", "/jobs/k1").status == 204
    assert ask(served, "POST", "/notes", {"id": "a~1", "note": "better", "author": "Ann"}).status == 204
    assert STUDIO.asked == [asked, "k1", ("a~1", "better", "Ann")]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "says"),
    [
        ("GET", "/records/1", None, 404, "there is no such prompt"),
        ("GET", f"/records/{'9' * 5000}", None, 404, "there is no such prompt"),
        ("GET", "/records/-1", None, 404, "there is no such prompt"),
        ("GET", "/records/%D9%A1", None, 404, "there is no such prompt"),
        ("GET", "/other", None, 404, "there is nothing at this address"),
        ("GET", "/state/", None, 404, "there is nothing at this address"),
        ("DELETE", "/state", None, 405, "this address does not take that method"),
        ("GET", "/jobs", None, 405, "this address does not take that method"),
        ("DELETE", "/jobs/none", None, 404, "there is no such job"),
        ("POST", "/jobs", b"[1]", 400, "expected one JSON object in UTF-8"),
        ("POST", "/jobs", b"{", 400, "expected one JSON object in UTF-8"),
        ("POST", "/jobs", b'{"a":"\xff"}', 400, "expected one JSON object in UTF-8"),
        ("POST", "/jobs", b'{"a":"\\ud800"}', 400, "expected one JSON object in UTF-8"),
        ("POST", "/jobs", b"[" * 100_000, 400, "expected one JSON object in UTF-8"),
        ("POST", "/jobs", b'{"a":' + b"9" * 5000 + b"}", 400, "expected one JSON object in UTF-8"),
        ("POST", "/jobs", b'{"a":NaN}', 400, "expected JSON, found NaN"),
        ("POST", "/jobs", b'{"a":1,"a":2}', 400, "expected each name once in a JSON object, found one twice"),
        ("POST", "/jobs", {"kind": "busy"}, 503, "100 jobs wait already"),
        ("POST", "/jobs", {"kind": "wrong"}, 400, "found https://***@there/x"),
        ("POST", "/jobs", {"kind": "full"}, 500, "the disk is full"),
        ("POST", "/jobs", {"kind": "gone"}, 500, "the server could not read or write (No space left on device)"),
        ("POST", "/notes", {"id": "a", "path": "/etc"}, 400, 'expected author, id, note, found "path"'),
        ("POST", "/notes", {"id": 1, "note": ""}, 400, "expected the id of a prompt that was tried"),
        ("POST", "/notes", {"id": "a", "note": 1}, 400, "expected text as note and author"),
    ],
)
def test_what_can_not_be_answered_is_one_sentence(
    served: Serving, method: str, path: str, body: object, status: int, says: str
) -> None:
    answer = ask(served, method, path, body)
    assert (answer.status, answer.json) == (status, {"error": says})
    assert STUDIO.asked == []


@pytest.mark.parametrize(
    ("path", "kind", "name", "body"),
    [
        ("/files/report.html", "text/html; charset=utf-8", "report.html", b"the report"),
        ("/files/results.csv", "text/csv; charset=utf-8", "results.csv", b"the table"),
    ],
)
def test_downloads_are_attachments(served: Serving, path: str, kind: str, name: str, body: bytes) -> None:
    answer = ask(served, "GET", path)
    assert (answer.status, answer.body, answer.headers["content-type"]) == (200, body, kind)
    assert answer.headers["content-disposition"] == f'attachment; filename="{name}"'
    assert "script" not in answer.headers["content-security-policy"]


# Events


class Reader:
    """Reads the stream of events as they come."""

    def __init__(self, served: Serving) -> None:
        self._connection = HTTPConnection(*place_of(served), timeout=30)
        self._connection.request("GET", "/events", headers={"Authorization": f"Bearer {served.token}"})
        self.answer = self._connection.getresponse()

    def read(self) -> tuple[str, Any]:
        """The next event's name and payload; "" at the end."""
        lines = [self.answer.readline().decode() for _ in range(3)]
        assert lines[2] in ("\n", "")
        return lines[0].removeprefix("event: ").strip(), json.loads(lines[1].removeprefix("data: ") or "null")

    def close(self) -> None:
        self._connection.close()


def test_events_begin_with_the_state_and_follow_what_changes() -> None:
    studio = FakeStudio()
    with serving(studio) as served:
        reader = Reader(served)
        assert reader.answer.getheader("content-type") == "text/event-stream; charset=utf-8"
        assert reader.read() == ("state", studio.describe())
        studio.tell("record", number=3, id="a~1", job="k1")
        assert reader.read() == ("record", {"number": 3, "id": "a~1", "job": "k1"})
        studio.tell("state", note="one\ntwo\u2028")
        assert reader.read() == ("state", {"note": "one\ntwo\u2028"})
        time.sleep(0.1)  # now the stream waits for the next event
        served.close()
        assert reader.answer.read() == b""  # the end of a whole stream; a broken one raises
        assert studio.hearing == []
        reader.close()


def test_two_readers_hear_the_same_and_one_that_goes_is_forgotten() -> None:
    studio = FakeStudio()
    with serving(studio) as served:
        first, second = Reader(served), Reader(served)
        assert [first.read()[0], second.read()[0]] == ["state", "state"]
        first.close()
        while len(studio.hearing) > 1:
            studio.tell("state", n=1)
            assert second.read() == ("state", {"n": 1})
        second.close()
