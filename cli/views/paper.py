"""Whether the terminal's ground is dark: ask the terminal, else its environment.

    1. Ask with OSC 11, "which colour is your ground?", and right behind it with DA1, "what are you?".
    2. Terminals answer in order, and nearly all answer DA1. So once that answer is there, an answer to the first
       question is there too, or will never come: no waiting for terminals and multiplexers that don't know OSC 11.
    3. If there was none, read COLORFGBG, which rxvt and Konsole set. Else the paper is light, which reads well on any
       ground because every piece is painted.

The sequences are those of xterm, https://invisible-island.net/xterm/ctlseqs/ctlseqs.html.
"""

# pyright: standard

from __future__ import annotations

import os
import re
import select
import sys
import time
from collections.abc import Mapping

from promptlight.cli.views.look import Paper
from promptlight.cli.views.palette import EQUAL_CONTRAST
from promptlight.io.page.colours import luminance

QUESTION = b"\x1b]11;?\x1b\\\x1b[c"
GROUND = re.compile(rb"\x1b\]11;rgba?:([0-9a-f]{1,4})/([0-9a-f]{1,4})/([0-9a-f]{1,4})", re.IGNORECASE)
LAST = re.compile(rb"\x1b\[\?[0-9;]*c")  # the answer to DA1
PATIENCE = 0.5  # seconds, for terminals that answer neither question
DARK_CODES = ("0", "1", "2", "3", "4", "5", "6", "8")  # of the 16 colours


def find_paper(environment: Mapping[str, str] = os.environ, *, unknown: Paper = Paper.LIGHT) -> Paper:
    """The paper for the terminal on stdin and stdout; ``unknown`` if it does not say."""
    answer = _ask_terminal() if environment.get("TERM") not in (None, "", "dumb") else b""
    return read_ground(answer) or read_environment(environment) or unknown


def read_ground(answer: bytes) -> Paper | None:
    """The paper by a terminal's answer to OSC 11; None if it has none."""
    found = GROUND.search(answer)
    if found is None:
        return None
    parts = (int(part, 16) / (16 ** len(part) - 1) * 255 for part in found.groups())
    return Paper.DARK if luminance(*parts) < EQUAL_CONTRAST else Paper.LIGHT


def read_environment(environment: Mapping[str, str]) -> Paper | None:
    """The paper by COLORFGBG, such as ``15;0``: ink, then ground; None if it does not say."""
    ground = environment.get("COLORFGBG", "").rpartition(";")[2]
    if not ground.isdecimal():
        return None
    return Paper.DARK if ground in DARK_CODES else Paper.LIGHT


def _ask_terminal() -> bytes:
    """What the terminal answers; empty if it can't be asked without a risk for what is typed."""
    try:
        import termios
        import tty
    except ImportError:  # Windows
        return b""
    try:
        keyboard, screen = sys.stdin.fileno(), sys.stdout.fileno()
        # in the background, a change of the terminal's settings would stop the process
        if not (os.isatty(keyboard) and os.isatty(screen)) or os.tcgetpgrp(keyboard) != os.getpgrp():
            return b""
        before = termios.tcgetattr(keyboard)
    except (OSError, ValueError, AttributeError, termios.error):
        return b""
    try:
        tty.setcbreak(keyboard, termios.TCSANOW)
        if _can_read(keyboard, 0):  # typed ahead: leave it to the shell
            return b""
        return _exchange(keyboard, screen)
    finally:
        termios.tcsetattr(keyboard, termios.TCSANOW, before)


def _exchange(keyboard: int, screen: int) -> bytes:
    """Ask, and read until the last answer is there or patience ends."""
    os.write(screen, QUESTION)
    answer, end = b"", time.monotonic() + PATIENCE
    while not LAST.search(answer) and _can_read(keyboard, max(0.0, end - time.monotonic())):
        answer += os.read(keyboard, 1024)
    return answer


def _can_read(keyboard: int, seconds: float) -> bool:
    return bool(select.select([keyboard], [], [], seconds)[0])
