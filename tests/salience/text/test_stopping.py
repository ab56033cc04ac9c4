"""Stop texts: a completion ends before the first one, on whole tokens, wherever token borders fall."""

# pyright: standard

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptlight.salience.loading.handles import DEMO_FOLDER
from promptlight.salience.text.completion import spell_written
from promptlight.salience.text.pieces import lay_out
from promptlight.salience.text.stopping import StopWatch, cut_at_stop
from promptlight.salience.text.tokenizer import Tokenizer

TOKENIZER = Tokenizer.from_file(DEMO_FOLDER / "assets" / "tokenizer" / "vocabulary.spm")
MARK, EOS = TOKENIZER.turn_marks[0], TOKENIZER.eos_id


def ids_of(*pieces: str) -> list[int]:
    return [TOKENIZER._processor.piece_to_id(piece) for piece in pieces]


def spell(ids: list[int]) -> str:
    return lay_out(TOKENIZER.pieces(ids), [TOKENIZER.is_special(id) for id in ids]).text


def watch(ids: list[int], *stops: str) -> int | None:
    """The number of tokens that are written until a stop text is seen."""
    seen = StopWatch(TOKENIZER, stops)
    return next((place + 1 for place, id in enumerate(ids) if seen.sees(id)), None)


BYTES = ("<0xF0>", "<0x9F>", "<0x8D>", "<0x95>")  # 🍕


@pytest.mark.parametrize(
    ("pieces", "stops", "seen", "kept"),
    [
        (("a", "b", "c"), ("b",), 2, 1),
        (("a", "b", "c"), ("bc",), 3, 1),  # over a border
        (("a", "▁", "b"), (" b",), 3, 1),  # a blank as the vocabulary writes it
        (("▁onions", "s"), ("onion",), 1, 0),  # the stop text begins within the token: its blank goes, too
        (("a", "▁onions", "s"), ("nionss",), 3, 1),
        (("a", "b", "a"), ("a",), 1, 0),
        (("a", "b", "c"), ("bc", "c", "b"), 2, 1),  # as soon as one is complete
        (("a", *BYTES, "b"), ("🍕",), 5, 1),  # no character before its last byte
        (("a", *BYTES, "b"), ("b",), 6, 5),  # a character stays whole
        (("a", *BYTES, "b"), ("🍕b",), 6, 1),
        (("<0xF0>", "<0x9F>", "b"), ("b",), 3, 2),  # bytes that make no character
        (("a", "<start_of_turn>", "b"), ("ab",), 3, 0),  # a mark has no text
        (("a", "<start_of_turn>", "b"), ("<start_of_turn>",), 2, 1),  # but a name
        (("a", "<", "e", "o", "s", ">"), ("<eos>",), 6, 1),  # the same as text
        (("a", "<eos>"), ("b", "<eos>"), 2, 1),
        (("a", "b"), ("x",), None, None),
        (("a", "b"), (), None, None),
    ],
)
def test_a_completion_ends_before_the_first_stop_text(
    pieces: tuple[str, ...], stops: tuple[str, ...], seen: int | None, kept: int | None
) -> None:
    ids = ids_of(*pieces)
    assert TOKENIZER.pieces(ids) == list(pieces)
    assert watch(ids, *stops) == seen
    found = cut_at_stop(TOKENIZER, ids[:seen], stops)
    assert (None if found is None else found[0]) == kept


def test_of_stop_texts_at_one_place_the_first_counts_else_the_one_that_begins_first() -> None:
    ids = ids_of("▁eggs", ".", "\n")
    assert cut_at_stop(TOKENIZER, ids, ["\n", ".", ".\n"]) == (1, ".")
    assert cut_at_stop(TOKENIZER, ids, ["\n", ".\n", "."]) == (1, ".\n")


TEXTS = st.text(st.sampled_from("abe .\n🍕é好▁"), max_size=12)


@given(st.lists(TEXTS | st.sampled_from([MARK, EOS, *ids_of(*BYTES)]), max_size=6), TEXTS.filter(bool))
def test_what_is_kept_is_the_text_before_the_stop_text_but_for_one_token(parts: list[str | int], stop: str) -> None:
    """Against plain search in the whole text; ``watch`` sees the text with the token that completes it."""
    ids = [id for part in parts for id in ([part] if isinstance(part, int) else TOKENIZER.encode(part))]
    text = spell(ids)
    seen = watch(ids, stop)
    assert (seen is None) == (stop not in text)
    if seen is None:
        assert cut_at_stop(TOKENIZER, ids, [stop]) is None
        return
    assert stop in spell(ids[:seen])
    assert stop not in spell(ids[: seen - 1])
    kept, _ = cut_at_stop(TOKENIZER, ids[:seen], [stop]) or (-1, "")
    before = text[: text.index(stop)]
    assert before.startswith(spell(ids[:kept]))
    assert len(spell(ids[: kept + 1])) > len(before)  # one token more would be too long


def test_what_is_written_so_far_has_whole_characters() -> None:
    ids = ids_of("a", *BYTES, "▁onions")
    assert [spell_written(TOKENIZER, ids[:n]) for n in range(7)] == ["", "a", "a", "a", "a", "a🍕", "a🍕 onions"]
    assert spell_written(TOKENIZER, [*ids_of("a"), MARK]) == "a"
