"""Compressed files: what was packed comes back, and any other bytes give records or a reason."""

# pyright: standard

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from hypothesis import strategies as st

from promptlight.io.prompts.reader import PromptReader
from promptlight.salience.types import Prompt
from tests.fuzz.reading import read_all
from tests.fuzz.surface import Surface

FOLDER = tempfile.TemporaryDirectory(prefix="promptlight-fuzz-")
LINES = b'{"id": "a", "prompt": "p"}\n{"id": "b", "prompt": "q"}\n'


def zip_file(content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("p.jsonl"), content)
    return file.getvalue()


PACK: dict[str, Callable[[bytes], bytes]] = {
    "gz": lambda content: gzip.compress(content, mtime=0),
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": lambda content: pa.compress(content, codec="zstd", asbytes=True),
    "zip": zip_file,
}
ENDINGS = tuple(PACK)


@dataclass(frozen=True)
class Case:
    """Bytes of a packed file; or, with ``cut``, where a good file is cut in two that are packed one by one."""

    ending: str
    content: bytes = b""
    cut: int | None = None


def check(case: Case) -> None:
    path = Path(FOLDER.name) / f"p.jsonl.{case.ending}"
    if case.cut is not None:
        pack, cut = PACK[case.ending], case.cut % len(LINES)
        parts = [LINES] if case.ending == "zip" else [LINES[:cut], LINES[cut:]]
        path.write_bytes(b"".join(map(pack, parts)))
        assert [one.text for one in PromptReader(path) if isinstance(one, Prompt)] == ["p", "q"]
        return
    path.write_bytes(case.content)
    reader = PromptReader(path)
    records = read_all(reader)
    if records is None:
        return
    assert list(reader) == records


def from_bytes(data: bytes) -> Case:
    """Make a case; the first byte says how it is packed, and whether the others are changes to a good file."""
    how, rest = (data[0], data[1:]) if data else (0, b"")
    ending = ENDINGS[how % len(ENDINGS)]
    if how & 128:
        return Case(ending, cut=int.from_bytes(rest[:2], "big"))
    return Case(ending, rest)


def change(ending: str, place: int, bytes_there: bytes) -> Case:
    """A good file with other bytes at a place; with none, it ends there."""
    packed = PACK[ending](LINES)
    place %= len(packed)
    rest = packed[place + len(bytes_there) :] if bytes_there else b""
    return Case(ending, packed[:place] + bytes_there + rest)


PICKED = st.sampled_from(ENDINGS)
SURFACE = Surface(
    cases=st.builds(Case, PICKED, cut=st.integers(0, 99))
    | st.builds(change, PICKED, st.integers(0, 999), st.binary(max_size=8)),
    from_bytes=from_bytes,
    check=check,
    seeds=tuple(bytes([number]) + PACK[ending](LINES) for number, ending in enumerate(ENDINGS))
    + tuple(bytes([number]) + 2 * PACK[ending](LINES) + bytes(8) for number, ending in enumerate(ENDINGS)),
)
