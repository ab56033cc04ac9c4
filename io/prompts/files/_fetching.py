"""Bring a source to this disk, so that it can be counted and read again: from an address, standard input or a pipe."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import IO, cast
from urllib.parse import unquote

from promptlight.io.prompts.files._hub import explain_hub
from promptlight.io.prompts.files._unpacking import recognise_file
from promptlight.io.prompts.files.sources import SAMPLE_PROMPTS, STDIN, WHAT_IS_EXPECTED, Source
from promptlight.salience.errors import InputError
from promptlight.salience.text.secrets import hide_secrets
from promptlight.salience.text.spelling import suggest

_WEB = ("http", "https")
_SCHEMES = (*_WEB, "hf", "s3", "gs", "file")


def open_source(source: Source, folder: Path) -> tuple[Source, Path]:
    """The source, as its first bytes say what it is, with its file; one that is no file here is copied to the folder.

    Raises InputError if it can't be reached.
    """
    path = Path(source.path) if source.is_file else _copy_source(source, folder)
    return recognise_file(source, path), path


def _copy_source(source: Source, folder: Path) -> Path:
    """Copy a source that is no file on this disk into the folder. Raises InputError if it can't be reached."""
    copied = folder / f"{len(list(folder.iterdir()))}"
    try:
        if source.address is not None:
            _fetch(source.address, source.path, copied)
        else:
            is_stdin = source.path == STDIN
            with open(0 if is_stdin else source.path, "rb", closefd=not is_stdin) as pipe, copied.open("wb") as file:
                shutil.copyfileobj(pipe, file)
    except OSError as error:
        raise InputError(source.path, None, f"{WHAT_IS_EXPECTED}, {explain(error, source.path)}") from error
    return copied


def _fetch(address: str, shown: str, copied: Path) -> None:
    """Copy a remote file. Each of fsspec's file systems has its own errors; some name a missing package."""
    scheme = address.partition("://")[0].lower()
    if scheme not in _SCHEMES or (scheme not in _WEB and "::" in address):  # to fsspec, :: chains addresses
        known = ", ".join(f"{one}://" for one in _SCHEMES)
        raise InputError(shown, None, f"{WHAT_IS_EXPECTED}, at an address that begins with one of {known}")
    try:
        if scheme in _WEB:
            from promptlight.io.prompts.files.web import fetch_web

            fetch_web(address, copied)
            return
        import fsspec

        open_file = cast("Callable[[str, str], IO[bytes]]", fsspec.open)  # pyright: ignore[reportUnknownMemberType]
        place = unquote(address) if scheme == "file" else address  # the others' file systems do it themselves
        with open_file(place, "rb") as remote, copied.open("wb") as file:
            shutil.copyfileobj(remote, file)
    except Exception as error:
        if scheme == "hf":
            raise InputError(shown, None, f"{WHAT_IS_EXPECTED}, {explain_hub(error)}") from error
        if isinstance(error, FileNotFoundError):
            reason = "found nothing at that address; check it and the network"
            raise InputError(shown, None, f"{WHAT_IS_EXPECTED}, {reason}") from error
        reason = hide_secrets((str(error) or type(error).__name__).replace(address, shown))
        hint = "install that package" if isinstance(error, ImportError) else "check the address and the network"
        raise InputError(shown, None, f"{WHAT_IS_EXPECTED}, but it can't be fetched: {reason}; {hint}") from error


def explain(error: OSError, name: str) -> str:
    """Say what was found instead of a file of this name, and what to do."""
    match error:
        case FileNotFoundError():
            return f"found no such file; check its name{suggest(name, _list_beside(Path(name)))}"
        case IsADirectoryError():
            return "found a folder; name a file in it"
        case PermissionError():
            return "found one that you have no permission to read; change that or copy it"
        case _:
            return f"but it can't be read: {error.strerror or error}"


def _list_beside(path: Path) -> list[str]:
    """What could have been meant instead of a file: one in its folder, or the sample prompts."""
    beside: list[str] = []
    with contextlib.suppress(OSError):
        beside = sorted(str(path.with_name(one.name)) for one in path.parent.iterdir())
    return [*beside, SAMPLE_PROMPTS]
