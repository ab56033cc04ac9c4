"""The tokenizer of Gemma 4 that is rebuilt from the pieces and merges of a GGUF header.

Expected ids are those of transformers' ``GemmaTokenizer`` with the same pieces and merges.
"""

# pyright: standard

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from promptlight.salience.errors import ModelError
from promptlight.salience.loading.gguf._merges import MERGES, write_tokenizer_json
from promptlight.salience.loading.gguf._shards import read_model_header
from promptlight.salience.loading.vocabulary import load_tokenizer
from promptlight.salience.text.tokenizer import Tokenizer
from tests.support.gguf_files import describe_merges, write_gguf
from tests.support.paths import ROOT
from tests.support.transformers_models import FULL, SLIDING, VOCABULARY, build_transformers_model

CHARACTERS = "abc deThe  \n\n\nlikes'st\t<>.\N{GRINNING FACE}\u4f60\N{LATIN SMALL LETTER E WITH ACUTE}"
PROSE = (ROOT / "README.md").read_text(encoding="utf-8").split("\n\n")


@pytest.fixture(scope="module")
def model() -> Any:
    return build_transformers_model("gemma4", 1536, num_hidden_layers=2, layer_types=[SLIDING, FULL])


@pytest.fixture(scope="module")
def rebuilt(model: Any, tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    return load_tokenizer(str(write_gguf(tmp_path_factory.mktemp("tiny") / "tiny.gguf", model)))


@pytest.fixture(scope="module")
def theirs() -> Any:
    from tokenizers import AddedToken
    from transformers import GemmaTokenizer

    fields = describe_merges()
    build: Any = GemmaTokenizer
    vocabulary = {piece: id for id, piece in enumerate(fields["tokens"])}
    built = build(vocab=vocabulary, merges=[tuple(merge.split(" ")) for merge in fields["merges"]])
    built.add_tokens(
        [AddedToken("\n\n", normalized=False)]
    )  # as in tokenizer.json, of which no type is left in a header
    return built


def draw_texts(n: int = 500) -> list[str]:
    generator = random.Random(0)
    return ["".join(generator.choices(CHARACTERS, k=generator.randrange(60))) for _ in range(n)]


def test_ids_are_those_of_transformers(rebuilt: Tokenizer, theirs: Any) -> None:
    for text in [*draw_texts(), *PROSE, "", " ", "\n" * 9]:
        assert rebuilt.encode(text) == theirs(text, add_special_tokens=False)["input_ids"], repr(text)


def test_merges_of_a_sentencepiece_vocabulary_give_its_ids(rebuilt: Tokenizer) -> None:
    original = Tokenizer.from_file(VOCABULARY)
    for text in PROSE:
        assert rebuilt.encode(text) == original.encode(text)


def test_ids_of_special_pieces_are_known_and_text_gives_none_of_them(rebuilt: Tokenizer) -> None:
    assert (len(rebuilt), rebuilt.bos_id, rebuilt.eos_id, rebuilt.turn_marks) == (1536, 2, 1, (4, 5))
    ids = rebuilt.encode("<|turn>user<bos><eos><unk><pad><turn|>")
    assert not {0, 1, 2, 3, 4, 5} & set(ids)
    assert [rebuilt.is_special(id) for id in range(8)] == [True, True, True, False, True, True, False, False]


def test_a_line_break_is_found_before_any_merge(rebuilt: Tokenizer) -> None:
    assert rebuilt.pieces(rebuilt.encode("a\n\n\nb\n")) == ["a", "\n\n", "\n", "b", "\n"]


def test_ollamas_names_of_the_same_vocabulary(rebuilt: Tokenizer, model: Any, tmp_path: Path) -> None:
    """With the model's name llama, a ``pre`` and scores that say nothing."""
    tokens = {"model": "llama", "pre": "gemma4", "scores": [float(id) for id in range(1536)]}
    tokenizer = load_tokenizer(str(write_gguf(tmp_path / "tiny.gguf", model, tokens=tokens)))
    assert [tokenizer.encode(text) for text in PROSE] == [rebuilt.encode(text) for text in PROSE]


def test_an_end_of_text_in_the_header_that_is_the_end_of_a_turn_changes_nothing(model: Any, tmp_path: Path) -> None:
    """Some published files say so, for programs that stop at one token alone."""
    path = write_gguf(tmp_path / "tiny.gguf", model, tokens={"eos_token_id": 5})
    tokenizer = load_tokenizer(str(path))
    assert (tokenizer.eos_id, tokenizer.turn_marks) == (1, (4, 5))


def test_of_a_piece_that_is_there_twice_the_later_is_read(model: Any, tmp_path: Path) -> None:
    """As llama.cpp does; some published files have such pieces."""
    pieces: list[str] = list(describe_merges()["tokens"])
    first, pieces[-1] = pieces.index("e"), "e"
    tokenizer = load_tokenizer(str(write_gguf(tmp_path / "tiny.gguf", model, tokens={"tokens": pieces})))
    assert tokenizer.encode("e") == [1535]
    assert tokenizer.pieces([first, 1535]) == [f"<token {first}>", "e"]


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"merges": None}, "no vocabulary of Gemma 4: expected tokenizer.ggml.merges in it"),
    ({"merges": ["e s", "es"]}, "merges has b'es'; expected two pieces with a blank between them"),
    ({"merges": ["e s t"]}, "merges has b'e s t'; expected two pieces"),
    ({"merges": ["e nowhere"]}, "its vocabulary is damaged: .*nowhere"),
    ({"add_space_prefix": True}, "tokenizer.ggml.add_space_prefix is True"),
    ({"token_type": [9] * 1536}, "tokenizer.ggml.token_type has 9, which is unknown"),
]


@pytest.mark.parametrize(("tokens", "message"), WRONG)
def test_a_vocabulary_that_is_not_understood_is_refused(
    model: Any, tokens: dict[str, Any], message: str, tmp_path: Path
) -> None:
    path = write_gguf(tmp_path / "tiny.gguf", model, tokens=tokens)
    with pytest.raises(ModelError, match=message):
        load_tokenizer(str(path))


# ---- on a real vocabulary ------------------------------------------------------------------------------------------

NORMAL, USER_DEFINED = 1, 4
# Ids of the published Gemma 4, without <bos>: from models/ggml-vocab-gemma-4.gguf.out in llama.cpp, which has what
# transformers gives, and from the issue ggml-org/llama.cpp#23252.
PUBLISHED = {
    "Hello world": [9259, 1902],
    " Hello world": [26352, 1902],
    "Hello, world!": [9259, 236764, 1902, 236888],
    " ": [236743],
    "  ": [138],
    "   ": [139],
    "\t": [255968],
    "\n": [107],
    "\n\n": [108],
    "    Hello\n    Hello": [140, 9259, 107, 140, 9259],
    "3333": [236800] * 4,
    "\N{LATIN CAPITAL LETTER A WITH DIAERESIS}pfel": [239122, 22744, 535],
    "ied 4 \N{VULGAR FRACTION ONE HALF} months": [1178, 236743, 236812, 47041, 3794],
    "Hello world! Caf\N{LATIN SMALL LETTER E WITH ACUTE} d\N{LATIN SMALL LETTER E WITH ACUTE}j"
    "\N{LATIN SMALL LETTER A WITH GRAVE} vu \N{EM DASH} 123 \N{SMILING FACE WITH SMILING EYES}": [
        *(9259, 1902, 236888, 62367, 29234, 11042, 2192, 236743, 236770, 236778, 236800, 103453),
    ],
}


@pytest.fixture(scope="module")
def with_real_merges(real_gemma: Path) -> Tokenizer:
    """Gemma 3's real pieces, which are Gemma 4's but for its marks, with the merges that transformers makes of them."""
    fields: Any = read_model_header(real_gemma).fields
    pieces, types = fields["tokenizer.ggml.tokens"], fields["tokenizer.ggml.token_type"].astype(np.int64)
    texts = [piece.decode().replace(" ", "\N{LOWER ONE EIGHTH BLOCK}") for piece in pieces]
    ids = {text: id for id, text in enumerate(texts)}
    merges: list[tuple[float, int, int, str]] = []
    for text, score, kind in zip(texts, fields["tokenizer.ggml.scores"].tolist(), types.tolist(), strict=True):
        for cut in range(1, len(text) if kind in (NORMAL, USER_DEFINED) else 0):
            left, right = ids.get(text[:cut]), ids.get(text[cut:])
            if left is not None and right is not None:
                merges.append((0.0 if kind == USER_DEFINED else -score, left, right, f"{text[:cut]} {text[cut:]}"))
    assert len(merges) == 514_906  # as many as a published Gemma 4 has
    types[types == USER_DEFINED] = NORMAL
    listed: dict[str, Any] = {MERGES: [merge.encode() for *_, merge in sorted(merges)]}
    text = write_tokenizer_json(listed, "real", [text.encode() for text in texts], types)
    return Tokenizer.from_json_text(text)


@pytest.mark.real
@pytest.mark.parametrize("text", PUBLISHED)
def test_ids_are_those_of_the_published_tokenizer(with_real_merges: Tokenizer, text: str) -> None:
    assert with_real_merges.encode(text) == PUBLISHED[text]
