"""Edit a text in the user's own editor."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from pathlib import Path

from promptlight.salience.errors import UsageError


def edit_text(text: str) -> str:
    """Let the user edit a text in $VISUAL or $EDITOR.

    A byte order mark and line ends of Windows that the editor adds are dropped. Raises UsageError if the editor fails.
    """
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    with tempfile.TemporaryDirectory(prefix="promptlight-") as folder:
        path = Path(folder) / "prompt.txt"
        path.write_text(text, encoding="utf-8", newline="")
        try:
            done = subprocess.run([*shlex.split(editor), str(path)], check=False)
        except (OSError, ValueError) as error:  # or a quotation mark is not closed
            why = error.strerror if isinstance(error, OSError) else error
            reason = f"expected an editor in $EDITOR, found {editor!r}, which could not be started"
            raise UsageError(f"{reason} ({why}); name another one") from error
        if done.returncode:
            raise UsageError(f"the editor {editor!r} ended with code {done.returncode}; nothing was run")
        edited = _read(path, editor)
    edited = edited if text.startswith("\ufeff") else edited.removeprefix("\ufeff")
    edited = edited if "\r" in text else edited.replace("\r\n", "\n")
    if not text.endswith("\n"):  # editors add a final line feed
        edited = edited.removesuffix("\n")
    return edited


def _read(path: Path, editor: str) -> str:
    try:
        return path.read_bytes().decode("utf-8")
    except OSError as error:
        raise UsageError(f"expected a file from the editor {editor!r}, found none ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"expected UTF-8 from the editor {editor!r}, found another encoding; set it there") from error
