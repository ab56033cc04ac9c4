"""Edit a text in the user's own editor."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from pathlib import Path

from promptlight.salience.errors import UsageError


def edit_text(text: str) -> str:
    """Let the user edit a text in $VISUAL or $EDITOR. Raises UsageError if the editor fails."""
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    with tempfile.TemporaryDirectory(prefix="promptlight-") as folder:
        path = Path(folder) / "prompt.txt"
        path.write_text(text, encoding="utf-8", newline="")
        try:
            done = subprocess.run([*shlex.split(editor), str(path)], check=False)
        except OSError as error:
            reason = f"expected an editor in $EDITOR, found {editor!r}, which could not be started"
            raise UsageError(f"{reason} ({error.strerror}); name another one") from error
        if done.returncode:
            raise UsageError(f"the editor {editor!r} ended with code {done.returncode}; nothing was run")
        edited = path.read_bytes().decode("utf-8", errors="strict")
    if not text.endswith("\n"):  # editors add a final line feed
        edited = edited.removesuffix("\n")
    return edited
