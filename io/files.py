"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Generator
from pathlib import Path

from promptlight.salience.errors import OutputError


@contextlib.contextmanager
def writing(path: Path) -> Generator[Path]:
    """A hidden file to write to, which becomes the file itself if the block ends well, and is removed if not.

    The folder is made where it is missing. Raises OutputError for whatever the system has against it.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise not_written(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


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
        raise OutputError(f"{path}: exists already; choose another file, or say --overwrite")


def not_written(path: Path, error: OSError) -> OutputError:
    """The system's reason, behind the file's name."""
    return OutputError(f"{path}: could not be written ({error.strerror or error})")
