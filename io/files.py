"""Write files so that they appear complete or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Generator
from pathlib import Path

from promptlight.salience.errors import OutputError


@contextlib.contextmanager
def writing(path: Path, *, durable: bool = False, mode: int = 0o666) -> Generator[Path]:
    """Open a hidden file to write to. It replaces the file if the block succeeds, and is removed if it fails.

    With ``durable``, the file survives a power cut afterwards. ``mode`` has the permissions before the umask. A missing
    folder is created. Raises OutputError for errors of the system.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.unlink(missing_ok=True)  # a killed process may have left one with other permissions
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode))
        yield temporary
        if durable:
            _sync(temporary)
        temporary.replace(path)
        if durable:
            _sync(path.parent)  # the new name is stored in the folder
    except OSError as error:
        raise not_written(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def _sync(path: Path) -> None:
    """Wait until a file or folder is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def measure_free_space(folder: Path) -> int:
    """Free bytes on the disk of a folder, which need not exist yet."""
    place = folder.absolute()
    while not os.path.exists(place):
        place = place.parent
    return shutil.disk_usage(place).free


def check_free(path: Path, *, overwrite: bool) -> None:
    """Raise OutputError if a file exists and must not be replaced, before anything is computed for it."""
    try:
        exists = path.exists()
    except OSError as error:
        raise not_written(path, error) from error
    if exists and not overwrite:
        raise OutputError(
            f"{path}: exists already; choose another file, or allow overwriting", parameters=("overwrite",)
        )


def not_written(path: Path, error: OSError) -> OutputError:
    """The error for a file that could not be written, with the system's reason."""
    return OutputError(f"{path}: could not be written ({error.strerror or error})")
