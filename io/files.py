"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Generator
from pathlib import Path

from promptlight.salience.errors import OutputError


@contextlib.contextmanager
def writing(path: Path, *, durable: bool = False, mode: int = 0o666) -> Generator[Path]:
    """An empty hidden file to write to. It becomes the file itself if the block ends well, and is removed if not.

    With ``durable``, a power cut afterwards can't take the file away. ``mode`` has the permissions, less the umask's.
    The folder is made where it is missing. Raises OutputError for whatever the system has against it.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.unlink(missing_ok=True)  # a killed process may have left one, with other permissions
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode))
        yield temporary
        if durable:
            _sync(temporary)
        temporary.replace(path)
        if durable:
            _sync(path.parent)  # the new name is part of the folder
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
    """Bytes that are free on the disk where a folder is, or will be."""
    place = folder.absolute()
    while not os.path.exists(place):
        place = place.parent
    return shutil.disk_usage(place).free


def check_free(path: Path, *, overwrite: bool) -> None:
    """Raise OutputError if a file is there already and may not be replaced, before anything is computed for it."""
    try:
        exists = path.exists()
    except OSError as error:
        raise not_written(path, error) from error
    if exists and not overwrite:
        raise OutputError(
            f"{path}: exists already; choose another file, or allow overwriting", parameters=("overwrite",)
        )


def not_written(path: Path, error: OSError) -> OutputError:
    """The system's reason, behind the file's name."""
    return OutputError(f"{path}: could not be written ({error.strerror or error})")
