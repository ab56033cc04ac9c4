"""Escape sequences of terminals, the example prompts that contain some, and a terminal to run commands on."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ESCAPE = re.compile(r"\x1b\[[0-9;]*m")  # a colour
MARKS = re.compile(r"‹-?\d+%›|[»«]")  # a number behind a piece, or around the target
ORDERS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
HOSTILE = ("chinese", "arabic", "emoji", "escapes", "markup", "long-word")


def run_on_terminal(arguments: Sequence[str], *, folder: Path, columns: int = 100) -> tuple[str, str]:
    """Run ``promptlight`` with stderr on a terminal and stdout in a pipe: all that each of them got."""
    ours, its = pty.openpty()
    environment = os.environ | {"TERM": "xterm", "COLUMNS": str(columns), "LINES": "24"}
    command = [sys.executable, "-m", "promptlight.cli", *arguments]
    run = subprocess.Popen(
        command, cwd=folder, env=environment, stdin=its, stdout=subprocess.PIPE, stderr=its, text=True
    )
    os.close(its)
    drawn = bytearray()
    with contextlib.suppress(OSError), open(ours, "rb", buffering=0, closefd=True) as screen:
        while part := screen.read(4096):  # an error is the end: nobody has it open any longer
            drawn += part
    printed, _ = run.communicate(timeout=60)
    assert run.returncode == 0, drawn.decode()
    return printed, drawn.decode()
