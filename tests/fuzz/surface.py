"""The type of a surface, and the texts to attack all of them with."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from hypothesis import strategies as st

READERS = ("jsonl", "arrays", "columnar", "unpacking", "tables", "encodings", "folders")
NAMES = (*READERS, "keys", "logs", "segmentation", "template", "patterns", "report")
Case = TypeVar("Case")


@dataclass(frozen=True, kw_only=True)
class Surface(Generic[Case]):
    """One way into promptlight: cases to try, and what must hold for each of them."""

    cases: st.SearchStrategy[Case]
    from_bytes: Callable[[bytes], Case]  # any bytes make a case: Atheris changes these
    check: Callable[[Case], None]  # raises AssertionError, or an exception that should never escape
    seeds: Sequence[bytes]  # where Atheris starts
    found: Sequence[Case] = ()  # cases that broke it once


# Characters that markup, JSON, terminals, tokenizers or regular expressions may mishandle.
SNIPPETS = [
    *"ab A1.,!?\"'()&<>{}[]\\/*+^$|:;=-#%\t\n\r\0\x1b\x7f\x85\xa0",
    *"\u0301\u200b\u200d\u2028\u2029\u202e\u2066\u2581\u3000\ufeff\ufffd\uffff“。—好カのعก🍕👩🏽‍🍳🇹🇼é",
    "\r\n",
    "\n\n",
    "Mr. ",
    "e.g. ",
    "1. ",
    "</script>",
    "<!--",
    "]]>",
    "&amp;",
    "<bos>",
    "<0xF0>",
    "{x}",
    "{{",
    "{x.__class__}",
    "\x1b[31m",
]
HALVES = re.compile(r"[\ud800-\udfff]")  # surrogates
WHOLE_TEXTS = st.lists(st.sampled_from(SNIPPETS) | st.text(max_size=5), max_size=20).map("".join)
TEXTS = st.lists(st.sampled_from([*SNIPPETS, "\ud800", "\udc80", "\udfff"]) | st.text(max_size=5), max_size=20).map(
    "".join
)


def split_texts(data: bytes, n_texts: int) -> list[str]:
    """Split bytes at 0xFF into this many texts; bytes that are not UTF-8 become surrogates."""
    parts = data.split(b"\xff", n_texts - 1)
    return [part.decode("utf-8", "surrogateescape") for part in parts] + [""] * (n_texts - len(parts))


def split_whole_texts(data: bytes, n_texts: int) -> list[str]:
    """The same without surrogates."""
    parts = data.split(b"\xff", n_texts - 1)
    return [part.decode("utf-8", "replace") for part in parts] + [""] * (n_texts - len(parts))


def assert_storable(*texts: str | None) -> None:
    """UTF-8 can encode these texts, so Parquet and JSON can."""
    for text in texts:
        (text or "").encode("utf-8")


def assert_says(error: Exception, part: str) -> None:
    """The error is one for users: it contains this part and can be stored."""
    assert part in str(error)
    assert_storable(str(error))
