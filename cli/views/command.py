"""How to call promptlight from the shell that called it."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path

NAME = "promptlight"


def name_command() -> str:
    """``promptlight``, or the path that was typed where the shell finds no such command, or another one."""
    typed = sys.argv[0]
    if Path(typed).name != NAME or not os.path.exists(typed):  # python -m, or a test
        return NAME
    found = shutil.which(NAME)
    return NAME if found and os.path.samefile(found, typed) else shlex.quote(typed)
