"""The key of a page outlives a server that was killed: its next start lets in who had the link before.

A server that is stopped in order takes its key along, and the next start has a new one. The key is in a file of the
user's own, ``~/.local/state/promptlight/``, and never beside the results, which others may read.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import stat
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

N_BYTES = 32
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")


@contextmanager
def keeping_token(folder: Path) -> Generator[str]:
    """The token for a folder's page: the one of a server that was killed, or a new one.

    It is forgotten when the block ends in any way. Where it can't be kept, it is new each time.
    """
    path = find_key(folder)
    token = _read(path) or secrets.token_urlsafe(N_BYTES)
    with contextlib.suppress(OSError):
        _write(path, token)
    try:
        yield token
    finally:
        with contextlib.suppress(OSError):
            path.unlink()


def find_key(folder: Path) -> Path:
    """Where the key of a folder's page is kept."""
    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    name = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:32]
    return state / "promptlight" / f"serve-{name}.key"


def _read(path: Path) -> str | None:
    """The key, if it is there and nobody else can have read or written it."""
    try:
        number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    with open(number, encoding="ascii", errors="replace") as file:
        about = os.fstat(number)
        is_own = stat.S_ISREG(about.st_mode) and about.st_uid == os.getuid() and not about.st_mode & 0o077
        text = file.read(100) if is_own else ""
    return text if _TOKEN.fullmatch(text) else None


def _write(path: Path, token: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.unlink(missing_ok=True)
    number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with open(number, "w", encoding="ascii") as file:
        file.write(token)
