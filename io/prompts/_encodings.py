"""Read UTF-16, as spreadsheets save it, as UTF-8 while it is read; its byte order mark tells."""

# pyright: standard

from __future__ import annotations

import codecs
import io
from typing import BinaryIO, cast

from promptlight.io.prompts._unpacking import UnpackingError


def open_as_utf_8(file: BinaryIO) -> BinaryIO:
    """The file itself, or UTF-8 of one that begins with the mark of UTF-16. Reading it may raise UnpackingError."""
    if cast("io.BufferedReader", file).peek(2)[:2] not in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return file
    return cast("BinaryIO", io.BufferedReader(_FromUtf16(file)))


class _FromUtf16(io.RawIOBase):
    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._decoder = codecs.getincrementaldecoder("utf-16")()
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while not self._rest:
            data = self._file.read(io.DEFAULT_BUFFER_SIZE)
            try:
                self._rest = self._decoder.decode(data, final=not data).encode("utf-8")
            except UnicodeError as error:
                reason = f"found the mark of UTF-16, but other bytes after it ({error}); save the file as UTF-8"
                raise UnpackingError(reason) from error
            if not data:
                break
        n = min(len(buffer), len(self._rest))
        buffer[:n], self._rest = self._rest[:n], self._rest[n:]
        return n
