"""Write files so that they appear complete or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import stat
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import TextIO

from promptlight.io.places import Place, RemotePath
from promptlight.salience.errors import OutputError

_OWN_STREAM = re.compile(r"/dev/(stdout|stderr)|/(?:dev|proc/self)/fd/([0-9]{1,9})")
_NUMBERS = {"stdout": 1, "stderr": 2}


@contextlib.contextmanager
def writing(path: Place, *, durable: bool = False, mode: int | None = None, new: bool = False) -> Generator[Path]:
    """Open a hidden file to write to. It replaces the file if the block succeeds, and is removed if it fails.

    A link is followed, and a file that is replaced keeps its permissions; ``mode`` has others, before the umask. A pipe
    or a device is never replaced: it gets the bytes once all are there. With ``durable``, the file survives a power cut
    afterwards. A missing folder is created. An object store gets the file in one piece; with ``new``, an object that is
    there is not replaced. Raises OutputError for errors of the system, but BrokenPipeError where the reader of this
    process's own stream is gone.
    """
    try:
        if isinstance(path, RemotePath):
            with _sending(path, new=new) as temporary:
                yield temporary
        elif is_stream(path):
            with _writing_through(path) as temporary:
                yield temporary
        else:
            with _replacing(path, durable=durable, mode=mode) as temporary:
                yield temporary
    except OSError as error:
        if isinstance(error, BrokenPipeError) and _OWN_STREAM.fullmatch(str(path)):
            raise  # as where stdout is printed to: its reader, such as `head`, has enough
        raise not_written(path, error) from error


@contextlib.contextmanager
def _replacing(path: Path, *, durable: bool, mode: int | None) -> Generator[Path]:
    """A hidden file next to the file that it replaces."""
    path = Path(os.path.realpath(path))
    if path.is_symlink():
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.unlink(missing_ok=True)  # a killed process may have left one with other permissions
        kept = stat.S_IMODE(path.stat().st_mode) if mode is None and path.exists() else None
        at_first = mode if mode is not None else 0o666 if kept is None else 0o600
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, at_first))
        yield temporary
        if kept is not None:
            temporary.chmod(kept)
        if durable:
            _sync(temporary)
        temporary.replace(path)
        if durable:
            _sync(path.parent)  # the new name is stored in the folder
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


@contextlib.contextmanager
def _writing_through(path: Path) -> Generator[Path]:
    """A temporary file whose bytes go to a pipe or device."""
    with tempfile.TemporaryDirectory(prefix="promptlight-") as folder:
        temporary = Path(folder) / (path.name or "stream")
        temporary.touch()
        yield temporary
        own = _OWN_STREAM.fullmatch(str(path))
        number = own and (_NUMBERS[own[1]] if own[1] else int(own[2]))
        # opened by its name, a file behind our own stdout would be written from its start
        descriptor = os.open(path, os.O_WRONLY) if number is None else os.dup(number)
        with open(descriptor, "wb") as stream, temporary.open("rb") as file:
            shutil.copyfileobj(file, stream)


@contextlib.contextmanager
def _sending(path: RemotePath, *, new: bool) -> Generator[Path]:
    """A temporary file that becomes an object."""
    with tempfile.TemporaryDirectory(prefix="promptlight-") as folder:
        temporary = Path(folder) / path.name
        temporary.touch()
        yield temporary
        path.put(temporary.read_bytes(), new=new)


def is_stream(path: Path) -> bool:
    """Whether a path is written through, not replaced: a pipe, a device, or a stream of this process."""
    if _OWN_STREAM.fullmatch(str(path)):
        return True
    try:
        kind = path.stat().st_mode
    except (OSError, ValueError):
        return False
    return not (stat.S_ISREG(kind) or stat.S_ISDIR(kind))


def choose_aside(path: Path) -> TextIO:
    """Where to say that a file was written: stdout, but stderr for a stream, as stdout may be in it."""
    return sys.stderr if is_stream(path) else sys.stdout


def _sync(path: Path) -> None:
    """Wait until a file or folder is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def measure_free_space(folder: Place) -> int | None:
    """Free bytes on the disk of a folder, which need not exist yet; None for an object store, which has no such end."""
    if isinstance(folder, RemotePath):
        return None
    place = folder.absolute()
    while not os.path.exists(place):
        place = place.parent
    return shutil.disk_usage(place).free


def check_free(path: Path, *, overwrite: bool) -> None:
    """Raise OutputError if a file exists and must not be replaced, before anything is computed for it."""
    try:
        exists = path.exists() and not is_stream(path)
    except OSError as error:
        raise not_written(path, error) from error
    if exists and not overwrite:
        raise OutputError(
            f"{path}: exists already; choose another file, or allow overwriting", parameters=("overwrite",)
        )


def not_written(path: Place, error: OSError) -> OutputError:
    """The error for a file that could not be written, with the system's reason."""
    return OutputError(f"{path}: could not be written ({error.strerror or error})")
