"""Open a zip and what is in it; a damaged one raises ``zipfile.BadZipFile``, whatever Python makes of it."""

from __future__ import annotations

import zipfile
from typing import IO, BinaryIO


def open_zip(file: BinaryIO) -> zipfile.ZipFile:
    """The zip in an open file."""
    try:
        return zipfile.ZipFile(file)
    except (ValueError, OverflowError) as error:  # such as a name that is not in the encoding it claims
        raise zipfile.BadZipFile(str(error)) from error


def open_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> IO[bytes]:
    """The unpacked content of a member, whose name stands there a second time."""
    try:
        return archive.open(member)
    except UnicodeDecodeError as error:
        raise zipfile.BadZipFile(str(error)) from error
