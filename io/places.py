"""Places of results: a path on this disk, or an address of an object store such as ``s3://bucket/run``.

fsspec's file systems speak to the stores: s3fs, gcsfs, adlfs and others, with the credentials that each of them takes
from its environment and files. An address with a login or a query is refused, so none is ever printed or stored.

Objects are put whole or not at all, and what is listed is up to date. Every error is an OSError with a reason, but a
missing package, which is an OutputError.
"""

from __future__ import annotations

import contextlib
import errno
import io
import re
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote

from promptlight.salience.errors import OutputError
from promptlight.salience.text.secrets import hide_secrets

_ADDRESS = re.compile(r"([A-Za-z][\w+.-]*)://(.*)", re.DOTALL)
_LOCAL = ("file", "local")
_SECRET = re.compile(r":.*@|[?#]", re.DOTALL)  # a login, whose password may hold a slash, or a query
_EXTRAS = {
    "s3fs": "promptlight[s3]",
    "gcsfs": "promptlight[cloud]",
    "adlfs": "promptlight[cloud]",
}
_KINDS: dict[type[OSError], int] = {
    FileNotFoundError: errno.ENOENT,
    FileExistsError: errno.EEXIST,
    PermissionError: errno.EACCES,
    IsADirectoryError: errno.EISDIR,
    NotADirectoryError: errno.ENOTDIR,
}


@dataclass(frozen=True)
class RemotePath:
    """A path on an object store, with the part of ``Path``'s interface that results need."""

    address: str

    def __str__(self) -> str:
        return self.address

    def __truediv__(self, name: str | Path) -> RemotePath:
        return RemotePath(f"{self.address.rstrip('/')}/{PurePosixPath(name)}")

    @property
    def name(self) -> str:
        """The last part of the path."""
        return PurePosixPath(self.address).name

    @property
    def stem(self) -> str:
        """The name without its ending."""
        return PurePosixPath(self.address).stem

    def exists(self) -> bool:
        """Whether there is an object of this name, or one below it."""
        try:
            return bool(self._list())
        except FileNotFoundError:
            return False

    def iterdir(self) -> Iterator[RemotePath]:
        """What lies here, as the store has it now. Raises FileNotFoundError if there is nothing."""
        names = self._list()
        if names == [""]:
            raise NotADirectoryError(errno.ENOTDIR, "an object, not a folder")
        return (self / name for name in names)

    def read_bytes(self) -> bytes:
        """The whole object."""
        with self._asking() as (system, path):
            return bytes(system.cat_file(path))

    def read_text(self, encoding: str) -> str:
        """The whole object as text."""
        return self.read_bytes().decode(encoding)

    def read_modified(self) -> datetime:
        """When the object was last written, by the store's clock."""
        with self._asking() as (system, path):
            system.invalidate_cache()
            return system.modified(path)

    def open_ranges(self) -> RangeReader:
        """Open the object to read parts of it."""
        with self._asking() as (system, path):
            size = int(system.size(path))
        return RangeReader(size, self._read_range)

    def put(self, content: bytes, *, new: bool = False) -> None:
        """Write the object in one piece; with ``new``, raise FileExistsError if there is another one.

        A new one may have been put although the answer was lost: then it is there, with these very bytes.
        """
        try:
            with self._asking() as (system, path):
                system.pipe_file(path, content, **({"mode": "create"} if new else {}))
        except OSError as error:
            with contextlib.suppress(OSError):
                if new and self.read_bytes() == content:
                    return
            if isinstance(error, FileExistsError):
                raise FileExistsError(errno.EEXIST, "another run has put one of that name") from error
            raise

    def unlink(self, *, missing_ok: bool = False) -> None:
        """Delete the object."""
        try:
            with self._asking() as (system, path):
                system.rm_file(path)
        except FileNotFoundError:
            if not missing_ok:
                raise

    def _list(self) -> list[str]:
        """The names of what lies here; "" is the path itself, if it is an object."""
        with self._asking() as (system, path):
            system.invalidate_cache()
            path = path.rstrip("/")
            found = [str(name) for name in system.ls(path, detail=False)]
        names = (name.removeprefix("/") for name in found if name != f"{path}/")  # an empty object marks a folder
        return ["" if name == path.removeprefix("/") else PurePosixPath(name).name for name in names]

    def _read_range(self, start: int, stop: int) -> bytes:
        with self._asking() as (system, path):
            return bytes(system.cat_file(path, start=start, end=stop))

    @contextlib.contextmanager
    def _asking(self) -> Generator[tuple[Any, str]]:
        """The file system, and this path there. Each file system has its own errors; they become OSErrors here."""
        try:
            from fsspec.core import url_to_fs  # pyright: ignore[reportUnknownVariableType]

            yield url_to_fs(self.address)
        except ImportError as error:
            raise OutputError(_name_package(self.address, error)) from error
        except Exception as error:
            kind = next((kind for kind in _KINDS if isinstance(error, kind)), OSError)
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise kind(_KINDS.get(kind, errno.EIO), hide_secrets(str(reason).splitlines()[0])) from error


class RangeReader:
    """An object of ``size`` bytes, whose bytes from start to before stop ``read_range`` fetches."""

    def __init__(self, size: int, read_range: Callable[[int, int], bytes]) -> None:
        self.closed = False
        self._size, self._place, self._read_range = size, 0, read_range

    def read(self, n_bytes: int = -1) -> bytes:
        """The next bytes; negative: all that are left."""
        start = self._place
        stop = self._size if n_bytes < 0 else min(self._size, start + n_bytes)
        content = self._read_range(start, stop) if stop > start else b""
        self._place = start + len(content)
        return content

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place, counted from the start, from here, or from the end."""
        self._place = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[whence]
        return self._place

    def tell(self) -> int:
        """The place, in bytes."""
        return self._place

    def close(self) -> None:
        """Nothing is held open."""
        self.closed = True


Place = Path | RemotePath


def parse_place(text: str | Place) -> Place:
    """The place that a text means; ``file://`` is this disk. Raises OutputError for an address that can't be used."""
    if isinstance(text, RemotePath) or (found := _ADDRESS.match(str(text))) is None:
        return text if isinstance(text, RemotePath) else Path(text)
    scheme, rest = found.groups()
    shown = hide_secrets(found.string)
    if _SECRET.search(rest):
        raise OutputError(
            f"{shown}: expected an address without login and query, such as s3://bucket/run: credentials belong into"
            " the environment, or into the files that the store's own tools read",
            parameters=("folder",),
        )
    if scheme.lower() in _LOCAL:
        return Path(unquote(rest))
    _check_scheme(scheme.lower(), shown, rest)
    return RemotePath(f"{scheme.lower()}://{rest.rstrip('/')}")


def _check_scheme(scheme: str, shown: str, rest: str) -> None:
    from fsspec.registry import known_implementations, registry

    if "::" in rest or not rest.strip("/") or scheme not in {*known_implementations, *registry}:
        expected = "expected a path, or an address such as s3://bucket/run, gs://bucket/run or az://container/run"
        raise OutputError(f"{shown}: {expected}", parameters=("folder",))


def is_address(text: str) -> bool:
    """Whether a text is an address, not a path."""
    return _ADDRESS.fullmatch(text) is not None


def _name_package(address: str, error: ImportError) -> str:
    """Say which package is missing, and how to install it."""
    name = (error.name or "").partition(".")[0]
    package = next((package for package in _EXTRAS if package in (name, *re.findall(r"\w+", str(error)))), name)
    wanted = _EXTRAS.get(package, package)
    return f"{address}: expected the package {package}, found none; pip install '{wanted}'"
