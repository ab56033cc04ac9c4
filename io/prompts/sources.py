"""The sources of prompts: files of several formats, compressed or not, standard input, addresses, bundled samples.

An address may contain a password or a signature: messages and results have a name without them.
"""

from __future__ import annotations

import glob
import re
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path, PurePosixPath

from promptlight.salience.text.secrets import hide_secrets

SAMPLE_PROMPTS = "sample_prompts"
STDIN = "-"
WHAT_IS_EXPECTED = "expected a file of prompts, one JSON object per line"
_NAMED = re.compile(r"([A-Za-z][\w-]*):(?!//)(.+)")
_PACKED = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2", ".xz": "xz", ".zip": "zip"}
_ARROW = ("feather", "ipc")


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
        return Source(path, str(Path(__file__).with_name(f"{SAMPLE_PROMPTS}.jsonl")), Format.JSONL)
    if (named := _NAMED.fullmatch(path)) and not Path(path).exists():
        name, path = named.groups()
    if path == STDIN:
        return Source(name or "stdin", path, Format.JSONL)
    address = path if "://" in path else None
    path = hide_secrets(address) if address else path
    file = PurePosixPath(re.sub(r"[?#].*", "", path)) if address else Path(path)
    packing = _PACKED.get(file.suffix.lower())
    file = file.with_suffix("") if packing else file
    return Source(name or file.stem, path, format_of(file.name), packing, address)


def find_sources(text: str | Path) -> list[Source]:
    """The source, or those that a pattern such as ``data/*.parquet`` stands for, in the order of their names."""
    source = parse_source(text)
    if source.is_remote or source.path == STDIN or Path(source.path).exists():
        return [source]
    given = re.fullmatch(_NAMED, str(text))
    prefix = f"{given[1]}-" if given and given[2] == source.path else ""
    paths = sorted(path for path in glob.glob(source.path, recursive=True) if not Path(path).is_dir())
    found = [replace(one, name=f"{prefix}{one.name}") for one in (parse_source(Path(path)) for path in paths)]
    return found or [source]


def format_of(name: str) -> Format:
    """The format that a file's name says; JSONL by default."""
    ending = PurePosixPath(name).suffix.lower().removeprefix(".")
    if ending in _ARROW:
        return Format.ARROW
    return Format(ending) if ending in set(Format) else Format.JSONL
