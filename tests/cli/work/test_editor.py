"""What an editor leaves behind: its own marks and line ends are dropped, and what is no text is refused."""

from __future__ import annotations

import shlex
import sys

import pytest

from promptlight.cli.work.editor import edit_text
from promptlight.salience.errors import UsageError


def set_editor(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    monkeypatch.delenv("VISUAL", raising=False)
    command = [sys.executable, "-c", f"import pathlib, sys; path = pathlib.Path(sys.argv[1]); {code}"]
    monkeypatch.setenv("EDITOR", shlex.join(command))


@pytest.mark.parametrize(
    ("before", "written", "expected"),
    [
        ("a", b"b\n", "b"),
        ("a\n", b"b\n", "b\n"),
        ("a\nb", b"\xef\xbb\xbfc\r\nd\r\n", "c\nd"),
        ("a\r\nb", b"c\r\nb", "c\r\nb"),
        ("\ufeffa", b"\xef\xbb\xbfb", "\ufeffb"),
    ],
)
def test_what_the_editor_adds_is_dropped(
    monkeypatch: pytest.MonkeyPatch, before: str, written: bytes, expected: str
) -> None:
    set_editor(monkeypatch, f"path.write_bytes({written!r})")
    assert edit_text(before) == expected


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("path.write_bytes(bytes([99, 233]))", "expected UTF-8 from the editor"),
        ("path.unlink()", "expected a file from the editor"),
    ],
)
def test_what_is_no_text_is_refused(monkeypatch: pytest.MonkeyPatch, code: str, says: str) -> None:
    set_editor(monkeypatch, code)
    with pytest.raises(UsageError, match=says):
        edit_text("a")
    monkeypatch.setenv("EDITOR", "vi 'a")
    with pytest.raises(UsageError, match="which could not be started"):
        edit_text("a")
