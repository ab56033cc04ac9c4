"""Encodings: text comes back from the one that is named, UTF-8 is never taken for another, all else has a reason."""

# pyright: standard

from __future__ import annotations

import codecs
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from hypothesis import strategies as st

from promptlight.io.prompts.files._other_files import name_other_file
from promptlight.io.prompts.files.rows import read_rows
from promptlight.io.prompts.files.sources import parse_source
from promptlight.salience.errors import InputError
from tests.fuzz.surface import WHOLE_TEXTS, Surface, assert_says

FOLDER = tempfile.TemporaryDirectory(prefix="promptlight-fuzz-")
ENCODINGS = (
    *("utf-8", "cp1252", "cp1251", "koi8_r", "cp932", "gb18030", "big5", "cp949", "euc_jp"),
    *("utf-16", "utf-16-le", "utf-16-be", "utf-32", "ascii", "iso2022_jp", "utf-7"),
)
MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)


@dataclass(frozen=True)
class Case:
    """A file's bytes, and the encoding that is named, if any."""

    content: bytes
    encoding: str | None = None


def check(case: Case) -> None:
    path = Path(FOLDER.name) / "p.txt"
    path.write_bytes(case.content)
    notes: list[str] = []
    try:
        rows = read_rows(replace(parse_source(path), encoding=case.encoding), path, notes.append)
        found = [row for _, row in rows if row]
    except InputError as error:
        assert_says(error, "expected")
        found = None
    if name_other_file(case.content):
        assert found is None
        return
    text = decode(case)
    if case.encoding not in (None, "utf-8"):
        assert notes == []
        assert found == (None if text is None else lines_of(text))
    elif text is not None and b"\0" not in case.content and not case.content.startswith(MARKS):
        assert notes == []
        assert found == lines_of(text)


def decode(case: Case) -> str | None:
    """What Python's own decoder makes of the whole; nothing if it refuses."""
    try:
        text = case.content.decode(case.encoding or "utf-8")
        text.encode("utf-8")
    except UnicodeError:
        return None
    return text


def lines_of(text: str) -> list[bytes]:
    """Lines end in carriage returns alone if there are no line feeds."""
    text = text.removeprefix("\ufeff")
    lines = (text if "\n" in text else text.replace("\r", "\n")).encode("utf-8").split(b"\n")
    return [line.removesuffix(b"\r") for line in lines if line.strip()]


def from_bytes(data: bytes) -> Case:
    how, rest = (data[0], data[1:]) if data else (0, b"")
    return Case(rest, ENCODINGS[how % len(ENCODINGS)] if how < 128 else None)


def encode(text: str, encoding: str, *, is_named: bool) -> Case:
    return Case(text.encode(encoding, "ignore"), encoding if is_named else None)


SURFACE = Surface(
    cases=st.builds(encode, WHOLE_TEXTS, st.sampled_from(ENCODINGS), is_named=st.booleans())
    | st.builds(Case, st.binary(max_size=60), st.sampled_from(ENCODINGS) | st.none()),
    from_bytes=from_bytes,
    check=check,
    seeds=(
        b"\1caf\xe9\nna\xefve",
        b"\x80caf\xe9\nna\xefve",
        b"\x80" + "Сладкий ли суп?".encode("koi8_r"),
        b"\x80" + "汤是甜的吗？请解释你的理由。".encode("gb18030"),
        b"\x80" + "soup\n".encode("utf-16-le") * 3,
        b"\x09" + "soup".encode("utf-16"),
        b"\x80soup\rnaan\r",
    ),
    found=(Case(b"]\0\0\0\n", "cp1252"), Case(b"\r\x08\x04p"), Case(b"soup\r"), Case(b"soup\r\n")),
)
