"""Whether the ground is dark, asked of terminals of all kinds, played at the other end of a pseudo-terminal."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from dataclasses import dataclass

import pytest

from promptlight.cli.views.look import Paper
from promptlight.cli.views.paper import QUESTION, find_paper, read_environment, read_ground

if sys.platform == "win32":
    pytest.skip("no pseudo-terminals", allow_module_level=True)

# the first terminal that the leader of a session opens is its own
ASK = """
import os, select, sys, termios
terminal = os.open(sys.argv[1], os.O_RDWR)
os.dup2(terminal, 0), os.dup2(terminal, 1)
from promptlight.cli.views.paper import find_paper
sys.stdin.readline() if sys.argv[2] else None
before = termios.tcgetattr(0)
paper = find_paper()
settings = "restored" if termios.tcgetattr(0) == before else "changed"
before[3] &= ~termios.ICANON
termios.tcsetattr(0, termios.TCSANOW, before)
left = os.read(0, 100) if select.select([0], [], [], 0)[0] else b""
print(paper, settings, left, file=sys.stderr)
"""
DARK, LIGHT = b"\x1b]11;rgb:1e1e/1e1e/2e2e\x1b\\", b"\x1b]11;rgb:ff/fb/f0\x07"
ATTRIBUTES = b"\x1b[?62;22c"


@dataclass(frozen=True)
class Played:
    """A terminal: what it answers, and whether a shell set COLORFGBG."""

    answers: tuple[bytes, ...]
    colorfgbg: str = ""
    typed: bytes = b""  # before it is asked


def ask(terminal: Played) -> tuple[str, bytes]:
    """What was found, said by the child on stderr, and what the child wrote to the terminal."""
    master, slave = os.openpty()
    environment = os.environ | {"TERM": "xterm-256color", "COLORFGBG": terminal.colorfgbg}
    command = [sys.executable, "-c", ASK, os.ttyname(slave), "typed" if terminal.typed else ""]
    with subprocess.Popen(command, start_new_session=True, stderr=subprocess.PIPE, env=environment) as child:
        assert child.stderr
        if terminal.typed:
            os.write(master, b"go\n" + terminal.typed)
        written = b""
        while not terminal.typed and QUESTION not in written:
            written += os.read(master, 1024)
        for answer in terminal.answers:
            os.write(master, answer)
        found = child.stderr.read().decode()
    if select.select([master], [], [], 0)[0]:
        written += os.read(master, 1024)
    os.close(slave)
    os.close(master)
    return found.strip(), written


@pytest.mark.parametrize(
    ("terminal", "paper"),
    [
        (Played((DARK + ATTRIBUTES,)), Paper.DARK),
        (Played((LIGHT + ATTRIBUTES,)), Paper.LIGHT),
        (Played((DARK[:9], DARK[9:], ATTRIBUTES[:3], ATTRIBUTES[3:])), Paper.DARK),
        (Played((DARK + ATTRIBUTES,), "0;15"), Paper.DARK),  # the terminal knows better
        (Played((ATTRIBUTES,), "15;0"), Paper.DARK),  # a multiplexer that does not know its ground
        (Played((ATTRIBUTES,)), Paper.LIGHT),
        (Played(()), Paper.LIGHT),  # says nothing at all
    ],
)
def test_the_terminal_is_asked_and_nothing_of_its_answer_is_left(terminal: Played, paper: Paper) -> None:
    assert ask(terminal)[0] == f"{paper} restored b''"


def test_what_was_typed_ahead_is_left_alone_and_nothing_is_asked() -> None:
    found, written = ask(Played((), "15;0", typed=b"ls"))
    assert found == "dark restored b'ls'"
    assert b"ls" in written  # the echo of what was typed
    assert QUESTION not in written


def test_no_terminal_is_not_asked(capfd: pytest.CaptureFixture[str]) -> None:
    assert find_paper({"TERM": "xterm"}) is Paper.LIGHT
    assert find_paper({"TERM": "xterm"}, unknown=Paper.DARK) is Paper.DARK
    assert find_paper({"TERM": "xterm", "COLORFGBG": "15;default;0"}) is Paper.DARK
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize(
    ("colorfgbg", "paper"),
    [("15;0", "dark"), ("12;8", "dark"), ("0;15", "light"), ("0;7", "light"), ("15;default", None), ("", None)],
)
def test_colorfgbg_names_the_ground_last(colorfgbg: str, paper: str | None) -> None:
    assert read_environment({"COLORFGBG": colorfgbg}) == paper


@pytest.mark.parametrize(
    ("ground", "paper"),
    [(b"0/0/0", "dark"), (b"00/2b/36", "dark"), (b"fdfd/f6f6/e3e3", "light"), (b"FFF/FFF/FFF", "light"), (b"?", None)],
)
def test_a_ground_is_dark_if_white_contrasts_more(ground: bytes, paper: str | None) -> None:
    assert read_ground(b"\x1b]11;rgb:" + ground + b"\x1b\\") == paper
