"""Token ids to text: every character belongs to exactly one token, and bytes read as Python reads them."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptlight.salience.text.pieces import Layout, align, is_byte_piece, lay_out
from promptlight.salience.text.tokenizer import Tokenizer
from promptlight.salience.types import PAD_ID

PIZZA = ["<0xF0>", "<0x9F>", "<0x8D>", "<0x95>"]  # 🍕


def as_pieces(data: bytes) -> list[str]:
    return [f"<0x{byte:02X}>" for byte in data]


def shown(layout: Layout) -> list[str]:
    return [layout.text[start:stop] for start, stop in layout.ranges]


@cache
def demo_tokenizer() -> Tokenizer:
    return Tokenizer(files("promptlight.salience.demo").joinpath("assets/tokenizer/vocabulary.spm").read_bytes())


def test_pad_is_where_every_gemma_vocabulary_has_it() -> None:
    assert demo_tokenizer().pieces([PAD_ID]) == ["<pad>"]


def test_the_example_in_the_docs() -> None:
    layout = lay_out(["▁eat", "▁", *PIZZA, "!"], [False] * 7)
    assert layout.text == " eat 🍕!"
    assert layout.ranges == ((0, 4), (4, 5), (5, 6), (6, 6), (6, 6), (6, 6), (6, 7))


@pytest.mark.parametrize(
    ("pieces", "texts"),
    [
        ([], []),
        (["▁▁▁", "\n\n", "a▁b"], ["   ", "\n\n", "a b"]),
        (["<0x0A>", "<0x20>", "<0x41>"], ["\n", " ", "A"]),
        (as_pieces("é好".encode()), ["é", "", "好", "", ""]),
        (as_pieces("👩‍👧".encode()), ["👩", "", "", "", "\u200d", "", "", "👧", "", "", ""]),
        (as_pieces("▁".encode()), ["▁", "", ""]),  # spelt in bytes, it is no space
        (as_pieces("\ufffd".encode()), ["\ufffd", "", ""]),  # a real U+FFFD takes its three bytes
        (PIZZA[:3], ["\ufffd", "", ""]),  # broken off
        ([*PIZZA[:3], "x", PIZZA[3]], ["\ufffd", "", "", "x", "\ufffd"]),
        (as_pieces(b"\xff\xc3\xa9\x80"), ["\ufffd", "é", "", "\ufffd"]),
        (as_pieces(b"\xed\xa0\x80"), ["\ufffd", "\ufffd", "\ufffd"]),  # a surrogate
    ],
)
def test_what_each_piece_shows(pieces: list[str], texts: list[str]) -> None:
    assert shown(lay_out(pieces, [False] * len(pieces))) == texts


def test_special_tokens_show_nothing_and_part_the_bytes_around_them() -> None:
    pieces = ["<bos>", "Hi", "<eos>", *PIZZA[:2], "<eos>", *PIZZA[2:]]
    layout = lay_out(pieces, [piece in ("<bos>", "<eos>") for piece in pieces])
    assert layout.text == "Hi\ufffd\ufffd\ufffd"
    assert layout.ranges == ((0, 0), (0, 2), (2, 2), (2, 3), (3, 3), (3, 3), (3, 4), (4, 5))


def test_a_special_byte_piece_is_hidden() -> None:
    assert lay_out(["<0x41>", "<0x42>"], [True, False]) == Layout("B", ((0, 0), (0, 1)))


def test_one_flag_per_piece() -> None:
    with pytest.raises(ValueError, match="shorter"):
        lay_out(["a", "b"], [False])


@pytest.mark.parametrize(
    ("piece", "expected"),
    [("<0x00>", True), ("<0xFF>", True), ("<0xFG>", False), ("<0xF>", False), ("▁<0x41>", False), ("<0x41>\n", False)],
)
def test_byte_pieces(piece: str, expected: bool) -> None:
    assert is_byte_piece(piece) is expected


PIECES = st.one_of(
    st.integers(0, 255).map(lambda byte: f"<0x{byte:02X}>"),
    st.text(alphabet="ab▁\n好🍕\u0301", min_size=1, max_size=4),
)


@given(st.lists(st.tuples(PIECES, st.booleans())))
def test_ranges_tile_the_text(tokens: list[tuple[str, bool]]) -> None:
    layout = lay_out([piece for piece, _ in tokens], [special for _, special in tokens])
    edges = [0, *(stop for _, stop in layout.ranges)]
    assert [start for start, _ in layout.ranges] == edges[:-1]
    assert all(start <= stop for start, stop in pairwise(edges))
    assert edges[-1] == len(layout.text)
    for (piece, special), text in zip(tokens, shown(layout), strict=True):
        if special:
            assert text == ""
        elif not is_byte_piece(piece):
            assert text == piece.replace("▁", " ")
        else:
            assert len(text) <= 1


@given(st.one_of(st.binary(), st.text().map(str.encode)))
def test_bytes_read_as_python_reads_them(data: bytes) -> None:
    layout = lay_out(as_pieces(data), [False] * len(data))
    assert layout.text == data.decode("utf-8", errors="replace")
    assert all(stop - start <= 1 for start, stop in layout.ranges)


@given(st.text(alphabet=st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from("▁ \n\r\tetaoin好🍕"))))
def test_text_survives_a_real_vocabulary(text: str) -> None:
    tokenizer = demo_tokenizer()
    pieces = tokenizer.pieces(tokenizer.encode(text))
    layout = align(lay_out(pieces, [False] * len(pieces)), text)
    assert "".join(shown(layout)) == text


def test_align_restores_literal_space_marks() -> None:
    layout = lay_out(["a", "▁", "▁b"], [False] * 3)
    assert align(layout, "a▁ b") == Layout("a▁ b", ((0, 1), (1, 2), (2, 4)))
    assert align(layout, "a  b") is not layout  # no mark in it, and still the text that was asked for
    assert align(layout, "a  b") == layout


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Abc", r"at character 0 they spell 'abc d' where the text has 'Abc' \(5 and 3 characters"),
        ("abc", r"at character 3 they spell ' d' where the text has nothing"),
        ("abc d e", r"at character 5 they spell nothing where the text has ' e'"),
        ("abc\td", r"at character 3 they spell ' d' where the text has '\\td'"),
    ],
)
def test_align_says_what_differs(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        align(lay_out(["abc", "▁d"], [False] * 2), text)


def test_align_takes_a_mark_for_nothing_but_a_space() -> None:
    with pytest.raises(ValueError, match="at character 1"):
        align(lay_out(["ab"], [False]), "a▁")


def test_align_takes_no_space_for_a_spelt_out_mark() -> None:
    with pytest.raises(ValueError, match="at character 0"):
        align(lay_out(as_pieces("▁".encode()), [False] * 3), " ")
