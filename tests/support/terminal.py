"""Escape sequences of terminals, the example prompts that contain some, and a terminal to run commands on."""

from __future__ import annotations

import contextlib
import os
import pty
import re
from collections.abc import Sequence
from pathlib import Path

from tests.support.warm import WarmProcess

ESCAPE = re.compile(r"\x1b\[[0-9;]*m")  # a colour
MARKS = re.compile(r"‹-?\d+%›|[»«]")  # a number behind a piece, or around the target
ORDERS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
HOSTILE = ("chinese", "arabic", "emoji", "escapes", "markup", "long-word")


def run_on_terminal(arguments: Sequence[str], *, folder: Path, columns: int = 100) -> tuple[str, str]:
    """Run ``promptlight`` with stderr on a terminal and stdout in a pipe: all that each of them got."""
    return _run(arguments, folder, {"COLUMNS": str(columns), "LINES": "24"}, piped=True)


def show_on_terminal(arguments: Sequence[str], *, folder: Path, pager: str, rows: int = 24) -> str:
    """Run ``promptlight`` with all on a terminal of so many rows and this ``$PAGER``: what the terminal got."""
    _, drawn = _run(arguments, folder, {"COLUMNS": "100", "LINES": str(rows), "PAGER": pager}, piped=False)
    return drawn.replace("\r\n", "\n")


def _run(arguments: Sequence[str], folder: Path, extra: dict[str, str], *, piped: bool) -> tuple[str, str]:
    """What stdout got if it is ``piped``, and what the terminal got. Fails if the command does."""
    ours, its = pty.openpty()
    environment = {key: value for key, value in os.environ.items() if key != "LESS"} | {"TERM": "xterm"} | extra
    run = WarmProcess(
        arguments, folder=folder, environment=environment, stdin=its, stdout=None if piped else its, stderr=its
    )
    os.close(its)
    drawn = bytearray()
    with contextlib.suppress(OSError), open(ours, "rb", buffering=0, closefd=True) as screen:
        while part := screen.read(4096):  # an error is the end: nobody has it open any longer
            drawn += part
    printed, _ = run.communicate(timeout=60)
    assert run.returncode == 0, drawn.decode()
    return printed, drawn.decode()
