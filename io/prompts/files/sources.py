"""The sources of prompts: files of several formats, compressed or not, standard input, addresses, bundled samples.

An address may contain a password or a signature: messages and results have a name without them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path, PurePosixPath

from promptlight.salience.text.secrets import hide_secrets

SAMPLE_PROMPTS = "sample_prompts"
STDIN = "-"
WHAT_IS_EXPECTED = "expected a file of prompts, one JSON object per line"
_NAMED = re.compile(r"([A-Za-z][\w-]*):(?!//)(.+)")
PACKED = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2", ".xz": "xz", ".zip": "zip"}
_ARROW = ("feather", "ipc", "arrows")


class Format(StrEnum):
    """The format of a file's records."""

    JSONL = "jsonl"
    TEXT = "txt"  # one prompt per line
    CSV = "csv"
    TSV = "tsv"
    PARQUET = "parquet"
    ARROW = "arrow"  # Arrow's own file or stream; Feather is the same
    INSPECT = "eval"  # an archive of samples, the log of an evaluation


@dataclass(frozen=True)
class Source:
    """One source of prompts; records without an id are named after it.

    ``path`` is its name in messages and results; for a remote source, ``address`` is the full address.
    """

    name: str
    path: str
    format: Format
    packing: str | None = None  # "gzip", "zstd", "bz2", "xz" or "zip"
    address: str | None = field(default=None, repr=False)
    encoding: str | None = None  # of text, as a user says
    partition: tuple[tuple[str, str | None], ...] = ()  # columns that the folders above the file stand for
    root: str | None = None  # the folder that it is a part of
    is_named: bool = field(default=False, compare=False)  # by the user

    @property
    def is_part(self) -> bool:
        """Whether it is one of a folder's files, which may be empty."""
        return self.root is not None

    @property
    def is_remote(self) -> bool:
        """Whether it must be fetched."""
        return self.address is not None

    @property
    def is_file(self) -> bool:
        """Whether it can be counted and then read; a pipe can only be read once."""
        return not self.is_remote and self.path != STDIN and not Path(self.path).is_fifo()


def parse_source(text: str | Path) -> Source:
    """Parse ``path``, ``name:path``, ``-``, ``https://...`` or ``sample_prompts``; the default format is JSONL."""
    path, name = str(text), None
    if path == SAMPLE_PROMPTS and not Path(path).exists():
        return Source(path, str(Path(__file__).parents[1] / f"{SAMPLE_PROMPTS}.jsonl"), Format.JSONL)
    if (named := _NAMED.fullmatch(path)) and not Path(path).exists():
        name, path = named.groups()
    if path == STDIN:
        return Source(name or "stdin", path, Format.JSONL, is_named=name is not None)
    address = path if "://" in path else None
    path = hide_secrets(address) if address else path
    file = PurePosixPath(re.sub(r"[?#].*", "", path)) if address else Path(path)
    packing = PACKED.get(file.suffix.lower())
    file = file.with_suffix("") if packing else file
    return Source(name or file.stem, path, format_of(file.name), packing, address, is_named=name is not None)


def format_of(name: str) -> Format:
    """The format that a file's name says; JSONL by default."""
    ending = PurePosixPath(name).suffix.lower().removeprefix(".")
    if ending in _ARROW:
        return Format.ARROW
    return Format(ending) if ending in set(Format) else Format.JSONL
