"""What is made whole before it is sent, the page and the downloads: once for each version of the results.

A file without a name holds it: it costs no memory, a slow reader keeps no one from writing, and it is gone with its
last reader.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import weakref
from collections.abc import AsyncIterator, Callable
from typing import BinaryIO

from starlette.concurrency import run_in_threadpool

SIZE = 64 * 1024  # bytes that are sent at a time


class Snapshot:
    """A file that several readers read at once."""

    def __init__(self, number: int) -> None:
        self._number = number
        self.size = os.fstat(number).st_size
        weakref.finalize(self, os.close, number)

    async def read(self) -> AsyncIterator[bytes]:
        """The bytes, piece by piece."""
        for start in range(0, self.size, SIZE):
            yield await run_in_threadpool(os.pread, self._number, SIZE, start)


class Snapshots:
    """The latest file of each kind."""

    def __init__(self) -> None:
        self._latest: dict[str, tuple[object, Snapshot]] = {}
        self._making: dict[str, asyncio.Lock] = {}

    async def take(self, kind: str, version: Callable[[], object], make: Callable[[BinaryIO], None]) -> Snapshot:
        """The file of this version; ``make`` writes it if it is not there yet, in another thread, one at a time."""
        async with self._making.setdefault(kind, asyncio.Lock()):
            now = await run_in_threadpool(version)
            if kind not in self._latest or self._latest[kind][0] != now:
                self._latest[kind] = (now, await run_in_threadpool(_write, make))
            return self._latest[kind][1]


def _write(make: Callable[[BinaryIO], None]) -> Snapshot:
    with tempfile.TemporaryFile() as file:
        make(file)  # type: ignore[arg-type]
        file.flush()
        return Snapshot(os.dup(file.fileno()))
