"""GGUF files that are damaged, of something else, or say what is not known: one clear line each."""

# pyright: standard

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest

from promptlight.salience.errors import ModelError
from promptlight.salience.loading.load import load_model
from promptlight.salience.loading.vocabulary import load_tokenizer
from tests.support.gguf_files import write_gguf
from tests.support.transformers_models import build_transformers_model

N_PIECES = 1536


@pytest.fixture(scope="module")
def gemma3() -> Any:
    return build_transformers_model("gemma3", N_PIECES, num_hidden_layers=2)


@pytest.fixture(scope="module")
def whole(gemma3: Any, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The bytes of a file that loads."""
    path = write_gguf(tmp_path_factory.mktemp("whole") / "tiny.gguf", gemma3)
    load_model(str(path))
    return path.read_bytes()


def refuse(path: Path) -> str:
    with pytest.raises(ModelError) as refused:
        load_model(str(path))
    assert "\n" not in str(refused.value)
    return str(refused.value)


def try_to_load(path: Path) -> str:
    """The message of a refusal, or nothing; any other exception fails the test."""
    try:
        load_model(str(path))
    except ModelError as error:
        return str(error)
    return ""


# ---- damaged -------------------------------------------------------------------------------------------------------


def test_a_file_that_is_cut_off_is_refused_wherever_it_ends(whole: bytes, tmp_path: Path) -> None:
    path = tmp_path / "cut.gguf"
    stops = [*range(0, 600, 13), *range(600, len(whole) - 1, len(whole) // 60), len(whole) - 1]
    for stop in stops:
        path.write_bytes(whole[:stop])
        assert str(path) in refuse(path)


def test_a_file_with_flipped_bytes_loads_or_is_refused_in_one_line(whole: bytes, tmp_path: Path) -> None:
    """In the header, where bytes are lengths, types and names; no traceback, no huge allocation."""
    path, generator = tmp_path / "flipped.gguf", random.Random(0)
    places = [*range(4, 700, 8), *(generator.randrange(700, 40_000) for _ in range(60))]
    for place in places:
        damaged = bytearray(whole)
        damaged[place] ^= generator.choice((0x01, 0x10, 0x80, 0xFF))
        path.write_bytes(damaged)
        message = try_to_load(path)
        assert "\n" not in message, place


def test_lengths_beyond_the_file_allocate_nothing(whole: bytes, tmp_path: Path) -> None:
    path = tmp_path / "long.gguf"
    path.write_bytes(whole[:8] + b"\xff" * 8 + whole[16:])  # the number of tensors
    assert "damaged" in refuse(path)
    path.write_bytes(whole[:24] + b"\xff" * 7 + b"\x7f" + whole[32:])  # the length of the first key
    assert "damaged or cut off: its header" in refuse(path)


def test_other_versions_and_byte_orders_are_refused(whole: bytes, tmp_path: Path) -> None:
    path = tmp_path / "other.gguf"
    path.write_bytes(whole[:4] + (1).to_bytes(4, "little") + whole[8:])
    assert "GGUF version 1; expected 2 or 3" in refuse(path)
    path.write_bytes(whole[:4] + (3).to_bytes(4, "big") + whole[8:])
    assert "big-endian" in refuse(path)
    path.write_bytes(b"GGML" + whole[4:])
    assert "no GGUF file" in refuse(path)


def test_tensors_that_lie_elsewhere_than_they_did_are_refused(whole: bytes, tmp_path: Path) -> None:
    path = tmp_path / "moved.gguf"
    name = b"blk.1.ffn_up.weight"
    place = whole.index(name) + len(name) + 4 + 16 + 4  # after two dimensions and the type
    offset = int.from_bytes(whole[place : place + 8], "little")
    for moved, message in ((offset - 32, "begins within"), (offset + 1, "does not start at a multiple of 32")):
        path.write_bytes(whole[:place] + moved.to_bytes(8, "little") + whole[place + 8 :])
        assert message in refuse(path)


def test_numbers_that_are_not_finite_are_refused(gemma3: Any, tmp_path: Path) -> None:
    values = np.full((96, 48), np.nan, np.float32)
    path = write_gguf(tmp_path / "nan.gguf", gemma3, tensors={"blk.1.ffn_up.weight": values})
    assert "blk.1.ffn_up.weight has values that are no numbers" in refuse(path)


# ---- not known, or not Gemma ---------------------------------------------------------------------------------------

FIELDS: list[tuple[dict[str, Any], str]] = [
    ({"block_count": None}, "its header has no gemma3.block_count"),
    ({"block_count": 3}, "gemma3.block_count is 3; the file has tensors of 2 layers"),
    ({"embedding_length": 64}, r"output_norm.weight has the shape \[48\]; its header says \[64\]|token_embd"),
    ({"attention.head_count": 0}, "gemma3.attention.head_count is 0; expected one whole number above 0"),
    ({"attention.head_count": "four"}, "gemma3.attention.head_count is four; expected one whole number"),
    ({"attention.sliding_window": None}, "its header has no gemma3.attention.sliding_window"),
    ({"attention.value_length": 8}, "gemma3.attention.value_length is 8; expected the width of a head, 16"),
    ({"rope.dimension_count": 8}, "gemma3.rope.dimension_count is 8; expected the width of a head, 16"),
    ({"rope.scaling.type": "longrope"}, "gemma3.rope.scaling.type is longrope; only linear"),
    ({"rope.freq_base": float("nan")}, "gemma3.rope.freq_base is nan; expected a number"),
    ({"attention.causal": False}, "gemma3.attention.causal is False; a model for embeddings"),
    ({"pooling_type": 1}, "gemma3.pooling_type is 1; a model for embeddings"),
    ({"expert_count": 8}, "gemma3.expert_count is 8; a mixture of experts"),
    ({"attention.sliding_window_pattern": [True]}, "sliding_window_pattern is .*; expected yes or no for 2 layers"),
    ({"vocab_size": 1535}, "gemma3.vocab_size is 1535; the embedding has 1536 rows"),
    ({"logit_scale": 0.5}, "gemma3.logit_scale is 0.5; which promptlight does not know"),
]


@pytest.mark.parametrize(("fields", "message"), FIELDS)
def test_a_field_that_is_not_understood_is_refused_by_name(
    gemma3: Any, fields: dict[str, Any], message: str, tmp_path: Path
) -> None:
    path = write_gguf(tmp_path / "tiny.gguf", gemma3, fields=fields)
    with pytest.raises(ModelError, match=message):
        load_model(str(path))


TENSORS: list[tuple[dict[str, Any], str]] = [
    ({"blk.1.ffn_up.weight": None}, "not whole: it has no blk.1.ffn_up.weight"),
    ({"output_norm.weight": None}, "not whole: it has no output_norm.weight"),
    ({"token_embd.weight": None}, "not whole: it has no token_embd.weight"),
    (
        {"rope_freqs.weight": np.ones(8, np.float32)},
        "has the tensor rope_freqs.weight, which promptlight does not know",
    ),
    ({"blk.0.ffn_up.weight": np.ones((95, 48), np.float32)}, r"the shape \[95, 48\]; its header says \[96, 48\]"),
    ({"blk.0.attn_q.bias": np.ones(64, np.float32)}, "blk.0.attn_"),
]


@pytest.mark.parametrize(("tensors", "message"), TENSORS)
def test_tensors_must_be_those_of_the_header(
    gemma3: Any, tensors: dict[str, Any], message: str, tmp_path: Path
) -> None:
    path = write_gguf(tmp_path / "tiny.gguf", gemma3, tensors=tensors)
    with pytest.raises(ModelError, match=message):
        load_model(str(path))


def test_a_type_that_gguf_does_not_dequantise_is_refused_by_name(whole: bytes, tmp_path: Path) -> None:
    path = tmp_path / "type.gguf"
    name = b"blk.0.ffn_up.weight"
    place = whole.index(name) + len(name) + 4 + 16  # after two dimensions
    for number, shown in ((24, "I8"), (36, "36"), (999, "999")):
        path.write_bytes(whole[:place] + number.to_bytes(4, "little") + whole[place + 4 :])
        assert f"blk.0.ffn_up.weight has the type {shown}, which the package gguf can't dequantise" in refuse(path)


def write_other(path: Path, architecture: str | None, **strings: str) -> Path:
    writer = gguf.GGUFWriter(path, architecture or "llama")
    for key, value in strings.items():
        writer.add_string(key.replace("_", "."), value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    return path


def test_other_models_are_refused_by_their_architecture(tmp_path: Path) -> None:
    kinds = {
        "gemma-embedding": ": it is an embedding model",
        "gemma4-assistant": ": it drafts",
        "t5gemma": ": an encoder",
    }
    for name in ("llama", "gemma5", "clip", *kinds):
        message = refuse(write_other(tmp_path / f"{name}.gguf", name))
        assert f"the architecture {name} is not covered{kinds.get(name, '; covered are Gemma 1')}" in message
    adapter = write_other(tmp_path / "adapter.gguf", "gemma3", general_type="adapter")
    assert "general.type is adapter; expected the GGUF file of a whole model" in refuse(adapter)


def test_a_vocabulary_that_is_not_gemmas_is_refused(gemma3: Any, tmp_path: Path) -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        ({"model": "gpt2"}, "tokenizer.ggml.model is 'gpt2', which is not covered"),
        ({"tokens": None}, "no vocabulary: expected tokenizer.ggml.tokens"),
        ({"scores": [0.0]}, "damaged: 1536 pieces and 1 scores"),
        ({"add_space_prefix": True}, "tokenizer.ggml.add_space_prefix is True"),
        ({"bos_token_id": 1_000_000}, "tokenizer.ggml.bos_token_id is 1000000, and the vocabulary has 1536 pieces"),
    ]
    for tokens, message in cases:
        path = write_gguf(tmp_path / "tiny.gguf", gemma3, tokens=tokens)
        for load in (load_model, load_tokenizer):
            with pytest.raises(ModelError, match=message.replace(".", r"\.")):
                load(str(path))


# ---- names ---------------------------------------------------------------------------------------------------------


def test_a_file_is_known_by_its_ending_or_its_first_bytes(whole: bytes, tmp_path: Path) -> None:
    blob = tmp_path / "sha256-0a1b2c"
    blob.write_bytes(whole)
    model = load_model(f"mine:{blob}")
    assert (model.facts.name, model.facts.preset) == ("mine", str(blob))
    with pytest.raises(ModelError, match=r"nowhere\.gguf: no such file"):
        load_model(str(tmp_path / "nowhere.gguf"))
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "tiny.gguf").write_bytes(whole)
    with pytest.raises(ModelError, match="has a GGUF file: give the file"):
        load_model(str(tmp_path / "folder"))


def test_any_shard_stands_for_the_whole_model(gemma3: Any, whole: bytes, tmp_path: Path) -> None:
    names = shard(gemma3, tmp_path)
    (tmp_path / "whole.gguf").write_bytes(whole)
    expected = load_model(str(tmp_path / "whole.gguf"))
    for name in names:
        model = load_model(str(tmp_path / name))
        assert model.facts.preset == str(tmp_path / names[0])
        assert model.decoder.embedding.equal(expected.decoder.embedding)
        assert model.decoder.layers[1].feed_forward.up.equal(expected.decoder.layers[1].feed_forward.up)
    (tmp_path / names[1]).unlink()
    assert "needs all 3 files" in refuse(tmp_path / names[2])


def shard(model: Any, folder: Path) -> list[str]:
    """Write a model as gguf's own writer cuts it; gives the names."""
    write_gguf(folder / "shards.gguf", model, n_tensors_a_shard=10)
    return sorted(path.name for path in folder.glob("shards-*"))


def test_the_hash_is_of_the_file(whole: bytes, tmp_path: Path) -> None:
    import hashlib

    path = tmp_path / "tiny.gguf"
    path.write_bytes(whole)
    assert load_model(str(path)).facts.file_sha256 == hashlib.sha256(whole).hexdigest()


WITHOUT = """
import sys
for name in {missing!r}: sys.modules[name] = None
from promptlight.salience.loading.{module} import {load}
from promptlight.salience.errors import ModelError
try:
    {load}({path!r})
except ModelError as error:
    print(error)
print(sorted({{'torch', 'keras', 'keras_nlp', 'transformers', 'gguf'}} & {{k for k, v in sys.modules.items() if v}}))
"""


def run_without(missing: list[str], module: str, load: str, path: Path) -> list[str]:
    code = WITHOUT.format(missing=missing, module=module, load=load, path=str(path))
    run: Callable[..., Any] = subprocess.run
    return run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.splitlines()


def test_what_is_imported(whole: bytes, tmp_path: Path) -> None:
    path = tmp_path / "tiny.gguf"
    path.write_bytes(whole)
    assert run_without([], "load", "load_model", path) == ["['gguf', 'torch']"]
    assert run_without([], "vocabulary", "load_tokenizer", path) == ["[]"]
    message, _ = run_without(["gguf"], "load", "load_model", path)
    assert message == "GGUF files need the package gguf, which is missing: pip install 'promptlight[gguf]'"
