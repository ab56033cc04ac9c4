"""The entry point: what the system refuses is one line, and every terminal and locale will do."""

# pyright: standard

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from promptlight.cli.views import output
from tests.conftest import Command

COMMAND = (sys.executable, "-m", "promptlight.cli")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="only Linux has a device that is always full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("arguments", [["show"], ["export", "-o", "-", "--format", "csv"], ["--help"]])
def test_a_full_disk_behind_stdout_is_one_line(demo_results: Path, arguments: list[str], unbuffered: str) -> None:
    command = [*COMMAND, *arguments, *([str(demo_results)] if arguments[0] != "--help" else [])]
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            command,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
            check=False,
        )
    expected = "promptlight: the output could not be written (No space left on device); check where it goes\n"
    assert (done.returncode, done.stderr) == (5, expected)


@pytest.mark.parametrize(
    ("closed", "arguments", "expected"),
    [
        (">&-", ["list"], (0, "", "")),
        (
            ">&-",
            ["export", "-o", "-", "--format", "csv"],
            (5, "", "promptlight: expected a pipe or a file for the table, found stdout closed\n"),
        ),
        ("2>&-", ["show", "--id", "nowhere"], (5, "", "")),  # not its error on stdout
    ],
)
def test_a_closed_stream_is_no_bug(
    demo_results: Path, closed: str, arguments: list[str], expected: tuple[int, str, str]
) -> None:
    command = ["sh", "-c", f'exec "$@" {closed}', "sh", *COMMAND, *arguments, str(demo_results)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == expected


def test_no_file_gets_the_number_of_a_closed_stream(tmp_path: Path) -> None:
    """A library's warning, written to the number of stderr, would be in the middle of that file."""
    script = "import os; from promptlight.cli.__main__ import _open_closed_streams as open_them; open_them()"
    script += "; file = os.open('x', os.O_CREAT | os.O_WRONLY); os.write(2, b'warning'); os.read(0, 1)"
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", sys.executable, "-c", script], cwd=tmp_path, check=False
    )
    assert (done.returncode, (tmp_path / "x").read_bytes()) == (0, b"")


def test_the_locale_c_gets_escapes_for_what_it_lacks(demo_results: Path) -> None:
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run(
        [*COMMAND, "show", str(demo_results)], capture_output=True, check=False, env=os.environ | plain
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"\\u201c" in done.stdout
    assert done.stdout.isascii()


@pytest.mark.parametrize("columns", ["0", "00", "-5", "\u00b2", "1" * 30, ""])
def test_a_width_that_is_none_is_not_taken(
    promptlight: Command, demo_results: Path, monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    expected = promptlight("show", demo_results).stdout
    monkeypatch.setenv("COLUMNS", columns)
    assert promptlight("show", demo_results).stdout == expected
    assert "probability" in expected


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.ENOSPC, errno.EMFILE])
def test_what_the_system_refuses_is_one_line_with_the_file(
    promptlight: Command, demo_results: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number), "/mnt/far\x1b/x")

    monkeypatch.setattr(output, "draw_on_terminal", refuse)
    done = promptlight("show", demo_results)
    assert done.exit_code == 5
    assert done.stderr == (
        f"promptlight: /mnt/far\u241b/x: not allowed or not possible ({os.strerror(number)}); check its permissions\n"
    )


def test_other_errors_of_the_system_are_bugs(
    promptlight: Command, demo_results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose(*_: object, **__: object) -> None:
        raise FileNotFoundError(errno.ENOENT, "gone", "/mnt/x")

    monkeypatch.setattr(output, "draw_on_terminal", lose)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    with pytest.raises(FileNotFoundError):
        promptlight("show", demo_results)
