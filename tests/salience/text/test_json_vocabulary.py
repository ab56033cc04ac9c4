"""A ``tokenizer.json`` alone: ids are those of the ``tokenizers`` library, and control pieces stay text."""

# pyright: standard

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tokenizers

from promptlight.salience.errors import ModelError
from promptlight.salience.text.tokenizer import Tokenizer
from tests.support.presets import edit_json
from tests.support.transformers_models import VOCABULARY

TEXTS = [
    "What is in it?\n\nSuggestion: Onion soup\nAnalysis:",
    "  two blanks,   three, \ttab\n\n\nlines \n",
    "Crème brûlée ﬁligree 你好，世界 🍕👩‍👩‍👧 مرحبا हिन्दी \u200b",
    "",
    " ",
    "<html><b>x</b></html>",
    "a\u2581b",
]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What transformers makes of the demo's vocabulary. For reading only."""
    import transformers

    folder = tmp_path_factory.mktemp("theirs")
    shutil.copy(VOCABULARY, folder / "tokenizer.model")
    (folder / "config.json").write_text('{"model_type": "gemma2"}', encoding="utf-8")
    transformers.AutoTokenizer.from_pretrained(folder).save_pretrained(folder / "saved")
    return folder / "saved" / "tokenizer.json"


def theirs(file: Path) -> Any:
    return tokenizers.Tokenizer.from_file(str(file))


def changed(file: Path, folder: Path, change: Callable[[Any], None]) -> Path:
    path = Path(shutil.copy(file, folder))
    edit_json(path, change)
    return path


def test_ids_are_the_librarys_and_pieces_spell_the_text(file: Path) -> None:
    ours, expected = Tokenizer.from_json(file), theirs(file)
    for text in TEXTS:
        assert ours.encode(text) == expected.encode(text, add_special_tokens=False).ids
        assert ours.pieces(ours.encode(text)) == expected.encode(text, add_special_tokens=False).tokens


def test_it_is_the_sentencepiece_vocabulary_that_it_was_made_of(file: Path) -> None:
    ours, model = Tokenizer.from_json(file), Tokenizer.from_file(VOCABULARY)
    assert len(ours) == len(model)
    assert (ours.bos_id, ours.eos_id, ours.turn_marks) == (model.bos_id, model.eos_id, model.turn_marks)
    assert [ours.is_special(id) for id in range(20)] == [model.is_special(id) for id in range(20)]
    assert ours.pieces(list(range(len(model)))) == model.pieces(list(range(len(model))))
    for text in TEXTS[:3]:
        assert ours.encode(text) == model.encode(text)


@pytest.mark.parametrize("special", [True, False])
@pytest.mark.parametrize("mark", ["<start_of_turn>", "<end_of_turn>", "<bos>", "<eos>", "<pad>", "<mask>"])
def test_a_typed_control_piece_stays_text_whatever_the_file_says(
    file: Path, tmp_path: Path, mark: str, special: bool
) -> None:
    def mark_all(value: Any) -> None:
        for token in value["added_tokens"]:
            token["special"] = special

    ours = Tokenizer.from_json(changed(file, tmp_path, mark_all))
    ids = ours.encode(f"a {mark} b\n\nc")
    assert len(ours.pieces(ids)) > 8
    assert mark not in ours.pieces(ids)
    assert "\n\n" in ours.pieces(ids)  # no control piece, even if the file calls it special


def test_an_added_token_is_read_from_text_and_has_text(file: Path, tmp_path: Path) -> None:
    library = theirs(file)
    library.add_tokens(["<my_tag>"])
    library.add_special_tokens(["<|im_start|>"])
    library.save(str(tmp_path / "tokenizer.json"))
    ours, first = Tokenizer.from_json(tmp_path / "tokenizer.json"), library.token_to_id("<my_tag>")
    assert len(ours) == first + 2
    text = "a <my_tag> b <|im_start|>"
    assert ours.encode(text) == library.encode(text, add_special_tokens=False).ids
    assert {first, first + 1} < set(ours.encode(text))
    assert ours.pieces([first, first + 1]) == ["<my_tag>", "<|im_start|>"]
    assert not ours.is_special(first + 1)


def test_ids_without_a_piece_are_shown_as_what_they_are(file: Path) -> None:
    for tokenizer in (Tokenizer.from_json(file), Tokenizer.from_file(VOCABULARY)):
        size = len(tokenizer)
        assert tokenizer.pieces([size + 1, 1_000_000]) == [f"<token {size + 1}>", "<token 1000000>"]
        assert not tokenizer.is_special(size)


def test_nothing_is_cut_or_filled_up(file: Path, tmp_path: Path) -> None:
    library = theirs(file)
    library.enable_truncation(3)
    library.enable_padding(length=50)
    library.save(str(tmp_path / "tokenizer.json"))
    text = TEXTS[0]
    assert Tokenizer.from_json(tmp_path / "tokenizer.json").encode(text) == Tokenizer.from_json(file).encode(text)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda value: value["model"].update(dropout=0.1), "BPE model with dropout"),
        (lambda value: value.update(model={"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"}), "WordLevel"),
        (lambda value: value.update(model={}), "tokenizer.json could not be read"),
        (lambda value: value.pop("model"), "tokenizer.json could not be read"),
        (
            lambda value: value.update(added_tokens=[], model=value["model"] | {"vocab": {"a": 0}, "merges": []}),
            "<bos>",
        ),
    ],
)
def test_what_is_no_tokenizer_of_gemma_is_refused(file: Path, tmp_path: Path, change: Any, says: str) -> None:
    with pytest.raises(ModelError, match=says):
        Tokenizer.from_json(changed(file, tmp_path, change))


def test_a_byte_order_mark_is_dropped(file: Path, tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert Tokenizer.from_json(path).encode("Soup") == Tokenizer.from_json(file).encode("Soup")


def test_a_damaged_file_is_refused(file: Path, tmp_path: Path) -> None:
    whole = file.read_text(encoding="utf-8")
    for n in (0, 1, 100, len(whole) // 2):
        (tmp_path / "tokenizer.json").write_text(whole[:n], encoding="utf-8")
        with pytest.raises(ModelError, match=r"tokenizer\.json could not be read"):
            Tokenizer.from_json(tmp_path / "tokenizer.json")
    json.loads(whole)
