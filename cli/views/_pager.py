"""Show a long text in the user's pager, as git does: ``$PAGER``, or ``less``."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess

from rich.console import Console

NO_PAGERS = ("", "cat")  # of $PAGER
FOR_LESS = {"LESS": "FRX"}  # quit if it fits, keep colours, leave the text on the screen; the user's own comes first


def find_pager(console: Console) -> list[str] | None:
    """The command of the pager; None if nobody looks on, if the user wants none or if there is none."""
    if not console.file.isatty() or console.is_dumb_terminal:  # FORCE_COLOR makes Rich take a pipe for a terminal
        return None
    wanted = os.environ.get("PAGER", "less").strip()
    command = [] if wanted in NO_PAGERS else shlex.split(wanted)
    return command if command and shutil.which(command[0]) else None


def page_through(text: str, command: list[str]) -> None:
    """Show the text in the pager until the user quits; Ctrl-C is for the pager."""
    pager = subprocess.Popen(command, stdin=subprocess.PIPE, env=FOR_LESS | os.environ)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        pager.communicate(text.encode())  # quitting early is no error
    finally:
        signal.signal(signal.SIGINT, before)
