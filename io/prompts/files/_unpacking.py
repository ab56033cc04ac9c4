"""Recognise a file by its first bytes, and unpack a compressed one while it is read, in flat memory."""

# pyright: standard

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
import zlib
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, cast

from promptlight.io.prompts.files._logs import is_log_archive
from promptlight.io.prompts.files._other_files import name_archive
from promptlight.io.prompts.files._zips import open_member, open_zip
from promptlight.io.prompts.files.sources import Format, Source, format_of

PACKINGS = {
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\xfd7zXZ\0": "xz",
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",  # an empty one
}
_BZ2 = b"BZh", b"1AY&SY"  # with a digit between them
TABLES = {b"PAR1": Format.PARQUET, b"ARROW1\0\0": Format.ARROW, b"\xff\xff\xff\xff": Format.ARROW}  # a file, a stream
_N_FIRST = 10
MOST_MEMORY = 2**28  # bytes that unpacking xz may take; `xz -9` needs 65 MiB, a made-up header asks for gigabytes
BROKEN = (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError)


class UnpackingError(OSError):
    """A compressed file that can't be unpacked; the message says what was found and what to do."""


def recognise_file(source: Source, path: Path) -> Source:
    """The source with the packing and the format that its first bytes say.

    A table is recognised under a name that says no format, too; so is the one file in a zip by its own name.
    """
    packing, format, first = source.packing, source.format, b""
    with suppress(OSError, *BROKEN):  # reading it says why
        with path.open("rb") as file:
            first = file.read(_N_FIRST)
        packing = _recognise_packing(first) or packing
        if packing == "zip" and format is Format.JSONL:
            with path.open("rb") as file, open_zip(file) as archive:
                is_log = is_log_archive(archive.namelist())
                format = Format.INSPECT if is_log else format_of(_find_member(archive).filename)
    if format is Format.JSONL:
        format = next((table for mark, table in TABLES.items() if first.startswith(mark)), format)
    return replace(source, packing=packing, format=format)


def _recognise_packing(first: bytes) -> str | None:
    if first.startswith(_BZ2[0]) and first.endswith(_BZ2[1]):
        return "bz2"
    return next((packing for mark, packing in PACKINGS.items() if first.startswith(mark)), None)


def unpack_file(file: BinaryIO, packing: str) -> BinaryIO:
    """The unpacked content of an open file. Raises UnpackingError; reading it may raise the errors in ``BROKEN``."""
    match packing:
        case "gzip":
            return cast("BinaryIO", io.BufferedReader(gzip.GzipFile(fileobj=file)))  # pads of zeros are skipped
        case "bz2":
            return cast("BinaryIO", bz2.open(file))
        case "xz":
            return cast("BinaryIO", io.BufferedReader(_Xz(file)))
        case "zip":
            return _open_member(file)
        case _:
            import pyarrow as pa

            return cast("BinaryIO", io.BufferedReader(pa.CompressedInputStream(file, packing)))


def _open_member(file: BinaryIO) -> BinaryIO:
    archive = open_zip(file)
    member = _find_member(archive)
    if member.flag_bits & 1:
        raise UnpackingError("found an encrypted zip; unpack it")
    content = cast("io.RawIOBase", open_member(archive, member))
    return cast("BinaryIO", io.BufferedReader(content))  # its own readline cuts lines anywhere


def _find_member(archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    """The one file in a zip, but for folders and what macOS adds. Raises UnpackingError."""
    if other := name_archive(archive.namelist()):
        raise UnpackingError(other)
    members = [one for one in archive.infolist() if not one.filename.startswith("__MACOSX/")]
    members = [one for one in members if not one.filename.endswith(("/", ".DS_Store")) and one.filename]
    if len(members) != 1:
        names = ", ".join(one.filename[:60] for one in members[:5]) + ", ..." * (len(members) > 5)
        raise UnpackingError(f"found a zip with {len(members)} files ({names}), not one; unpack it and name the files")
    return members[0]


class _Xz(io.RawIOBase):
    """The content of an xz file. Python's own reader has no limit on memory."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._stream = file, self._begin()
        self._rest = b""

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self._file.close()
        super().close()

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while True:
            if self._stream.eof and not self._go_on():
                return 0
            if self._stream.needs_input and not self._rest:
                self._rest = self._file.read(io.DEFAULT_BUFFER_SIZE)
                if not self._rest:
                    raise EOFError
            content = self._stream.decompress(self._rest, len(buffer))
            self._rest = b""
            if content:
                buffer[: len(content)] = content
                return len(content)

    def _go_on(self) -> bool:
        """Whether another stream follows the one that has ended; zeros between them are padding."""
        self._rest = self._stream.unused_data.lstrip(b"\0")
        while not self._rest:
            if not (more := self._file.read(io.DEFAULT_BUFFER_SIZE)):
                return False
            self._rest = more.lstrip(b"\0")
        self._stream = self._begin()
        return True

    def _begin(self) -> lzma.LZMADecompressor:
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MOST_MEMORY)
