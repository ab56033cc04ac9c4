"""Compressed files are read whatever they are called; what can't be unpacked says why."""

# pyright: standard

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import pickle
import tarfile
import tracemalloc
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pytest

from promptlight.io.prompts.files._unpacking import MOST_MEMORY
from promptlight.io.prompts.jsonline import LONGEST_LINE
from promptlight.io.prompts.reader import PromptReader, read_prompts
from promptlight.salience.errors import InputError
from promptlight.salience.types import Prompt, SetAside
from tests.support.prompt_files import GOOD, RECORDS, prompts_of, save, summary, write

LINES = b'{"id": "a", "prompt": "p"}\n{"id": "b", "prompt": "q"}\n'


def zipped(path: Path, members: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize("name", ["p.jsonl", "p.jsonl.gz", "p.gz", "p.bin"])
@pytest.mark.parametrize(
    "packed",
    [
        gzip.compress(LINES),
        gzip.compress(LINES) + bytes(512),  # tape drives and some uploads pad
        bz2.compress(LINES),
        lzma.compress(LINES),
        lzma.compress(LINES[:27]) + bytes(8) + lzma.compress(LINES[27:]),
    ],
    ids=["gzip", "padded gzip", "bz2", "xz", "two parts of xz"],
)
def test_the_first_bytes_say_how_a_file_is_compressed(tmp_path: Path, name: str, packed: bytes) -> None:
    reader = PromptReader(write(tmp_path, packed, name))
    for _ in range(2):
        assert [(one.id, one.line) for one in reader] == [("a", 1), ("b", 2)]


@pytest.mark.parametrize("ending", ["csv", "tsv", "txt", "jsonl"])
def test_the_one_file_in_a_zip_is_read_in_its_format(tmp_path: Path, ending: str) -> None:
    inside = save(tmp_path / f"inside.{ending}").read_bytes()
    path = zipped(tmp_path / "p.zip", {f"folder/inside.{ending}": inside, "__MACOSX/folder/._inside": b"x"})
    assert [one.text for one in prompts_of(path)] == [one.text for one in prompts_of(tmp_path / f"inside.{ending}")]
    if ending != "txt":
        assert summary(prompts_of(path)) == RECORDS


def test_a_zip_of_several_files_names_them(tmp_path: Path) -> None:
    path = zipped(tmp_path / "p.zip", {"a.jsonl": LINES, "b.jsonl": LINES})
    with pytest.raises(InputError, match=r"found a zip with 2 files \(a.jsonl, b.jsonl\), not one; unpack it"):
        list(read_prompts(path))
    with pytest.raises(InputError, match="found a zip with 0 files"):
        list(read_prompts(zipped(tmp_path / "none.zip", {})))


def tar_of_prompts() -> bytes:
    with tarfile.open(fileobj=(file := io.BytesIO()), mode="w") as archive:
        (member := tarfile.TarInfo("p.jsonl")).size = len(LINES)
        archive.addfile(member, io.BytesIO(LINES))
    return file.getvalue()


OTHERS = {
    "a pointer of Git LFS, not the file; run `git lfs": b"version https://git-lfs.github.com/spec/v1\noid sha256:4\n",
    "an SQLite database; save": b"SQLite format 3\0" + bytes(99),
    "a DuckDB database": bytes(8) + b"DUCK" + bytes(99),
    "an old Office document": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(99),
    "a pickle": pickle.dumps({"prompt": "x"}),
    "a tar archive; unpack it": tar_of_prompts(),
    "LZMA": lzma.compress(LINES, lzma.FORMAT_ALONE),
    "LZ4": pa.compress(LINES, "lz4", asbytes=True),
    "Feather in version 1": b"FEA1" + bytes(99),
}


@pytest.mark.parametrize("name", ["p.jsonl", "p.csv.gz", "p.txt", "p.parquet"])
@pytest.mark.parametrize("found", OTHERS)
def test_a_file_of_another_kind_is_named(tmp_path: Path, name: str, found: str) -> None:
    content = OTHERS[found]
    path = write(tmp_path, gzip.compress(content) if name.endswith(".gz") else content, name)
    with pytest.raises(InputError, match=f"found {found}"):
        list(read_prompts(path))


def test_what_is_compressed_twice_says_so(tmp_path: Path) -> None:
    path = zipped(tmp_path / "p.zip", {"p.jsonl.gz": gzip.compress(LINES)})
    with pytest.raises(InputError, match="found gzip, compressed a second time; unpack it"):
        list(read_prompts(path))


@pytest.mark.parametrize("name", ["p.xlsx", "p.csv", "p.zip"])
def test_a_workbook_says_so(tmp_path: Path, name: str) -> None:
    path = zipped(tmp_path / name, {"[Content_Types].xml": b"x", "xl/workbook.xml": b"x"})
    with pytest.raises(InputError, match="found an Office document; save it as CSV or text"):
        list(read_prompts(path))


def test_a_name_that_is_no_text_where_the_file_begins_is_one_line(tmp_path: Path) -> None:
    """The directory at the end of the zip has it right."""
    path = zipped(tmp_path / "p.zip", {"p\xe4.jsonl": LINES})
    path.write_bytes(path.read_bytes().replace(b"p\xc3\xa4", b"p\xff\xff", 1))
    with pytest.raises(InputError, match="zip"):
        list(read_prompts(path))


def test_an_encrypted_zip_says_so(tmp_path: Path) -> None:
    path = zipped(tmp_path / "p.zip", {"a.jsonl": LINES})
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1  # the flag in the list of files
    path.write_bytes(content)
    with pytest.raises(InputError, match="found an encrypted zip; unpack it"):
        list(read_prompts(path))


@pytest.mark.parametrize(
    ("ending", "packed"),
    [("bz2", bz2.compress(LINES * 999)), ("xz", lzma.compress(LINES * 999)), ("gz", gzip.compress(LINES * 999))],
)
def test_a_file_that_is_cut_off_is_refused(tmp_path: Path, ending: str, packed: bytes) -> None:
    with pytest.raises(InputError, match="can't be read: Truncated compressed stream"):
        list(read_prompts(write(tmp_path, packed[:-20], f"p.jsonl.{ending}")))


@pytest.mark.parametrize("ending", ["gz", "zst", "bz2", "xz", "zip"])
def test_a_file_that_only_claims_to_be_compressed_is_refused(tmp_path: Path, ending: str) -> None:
    with pytest.raises(InputError, match="can't be read"):
        list(read_prompts(write(tmp_path, GOOD, f"p.jsonl.{ending}")))


def test_broken_bytes_in_a_compressed_file_are_refused(tmp_path: Path) -> None:
    packed = bytearray(zipped(tmp_path / "p.zip", {"a.jsonl": LINES * 99}).read_bytes())
    packed[60] ^= 255
    for name, content in {
        "p.zip": packed,
        "p.xz": b"\xfd7zXZ\0" + b"x" * 99,
        "p.gz": b"\x1f\x8b\x08" + b"x" * 99,
    }.items():
        with pytest.raises(InputError, match="can't be read"):
            list(read_prompts(write(tmp_path, bytes(content), name)))


@pytest.mark.parametrize("ending", ["bz2", "xz", "zip"])
def test_a_small_file_that_unpacks_to_much_takes_no_more_memory_than_a_few_lines(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"p.jsonl.{ending}"
    line = b'{"prompt": "a"}\n'
    if ending == "zip":
        zipped(path, {"p.jsonl": line + b"x" * (100 * 2**20) + b"\n" + line})
    else:
        compress = bz2.compress if ending == "bz2" else lzma.compress
        path.write_bytes(compress(line) + compress(b"x" * 2**20) * 100 + compress(b"\n" + line))
    tracemalloc.start()
    records = list(PromptReader(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [type(record) for record in records] == [Prompt, SetAside, Prompt]
    assert peak < 5 * LONGEST_LINE < 100 * 2**20


def test_xz_that_asks_for_gigabytes_is_refused(tmp_path: Path) -> None:
    packed = bytearray(lzma.compress(LINES))
    assert packed[12:20] == bytes.fromhex("0200210116000000")  # the first block's header: LZMA2 with 8 MiB
    packed[16] = 36  # 2 << (36 / 2 + 11)
    packed[20:24] = zlib.crc32(packed[12:20]).to_bytes(4, "little")
    assert MOST_MEMORY < 2 << 29
    with pytest.raises(InputError, match="can't be read: Memory usage limit exceeded"):
        list(read_prompts(write(tmp_path, bytes(packed), "p.xz")))


def test_a_small_file_that_unpacks_to_many_blank_lines_is_read_line_by_line(tmp_path: Path) -> None:
    n_blank = 200_000  # a time that grows with their square would be hours
    reader = PromptReader(write(tmp_path, bz2.compress(b"\n" * n_blank + LINES), "p.jsonl.bz2"))
    assert [one.line for one in reader] == [n_blank + 1, n_blank + 2]
    assert reader.n_blank == n_blank


def test_a_zip_whose_names_are_not_in_their_encoding_is_refused(tmp_path: Path) -> None:
    packed = zipped(tmp_path / "p.zip", {"é.jsonl": LINES}).read_bytes()
    path = write(tmp_path, packed.replace("é".encode(), b"\xe9\xff"), "p.zip")
    with pytest.raises(InputError, match="can't be read"):
        list(read_prompts(path))


def test_a_zip_with_a_name_of_nothing_is_refused(tmp_path: Path) -> None:
    packed = zipped(tmp_path / "p.zip", {"p.jsonl": LINES}).read_bytes()
    path = write(tmp_path, packed.replace(b"p.jsonl", b"\0.jsonl"), "p.zip")  # a name ends at NUL
    with pytest.raises(InputError, match="found a zip with 0 files"):
        list(read_prompts(path))
