"""GGUF files of tiny Gemma 4 and 3n: what is computed is what transformers computes with the same weights.

The files are made as the public code of llama.cpp's converter makes them, with ggml-org's writer and names.
"""

# pyright: standard

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType

from promptlight.salience.errors import ModelError
from promptlight.salience.loading.gguf._model import open_gguf
from promptlight.salience.loading.gguf._rows import QuantisedTable
from promptlight.salience.loading.load import load_model
from promptlight.salience.model import Model
from tests.support.gguf_files import NO_TURN, describe_config, list_tensors, set_weights, write_gguf
from tests.support.transformers_models import FULL, NEWER_FAMILIES, SLIDING, build_transformers_model

N_PIECES = 1536
IDS = torch.tensor([[2, *range(300, 340)]])
TABLE = "per_layer_token_embd.weight"


def find_difference(theirs: Any, ours: Model) -> float:
    """How far log-probabilities are apart, at most."""
    with torch.no_grad():
        expected = theirs(IDS).logits
        found = ours.decoder.logits(ours.decoder.hidden(ours.decoder.embed(IDS)))
    assert expected.std() > 0.3
    return float((found.log_softmax(-1) - expected.log_softmax(-1)).abs().max())


@pytest.mark.parametrize("family", NEWER_FAMILIES)
def test_log_probabilities_are_those_of_transformers(family: str, tmp_path: Path) -> None:
    theirs = build_transformers_model(family, N_PIECES)
    ours = load_model(str(write_gguf(tmp_path / "tiny.gguf", theirs)))
    assert find_difference(theirs, ours) < 1e-4
    assert (ours.facts.quantised, ours.facts.context_length, ours.facts.dtype) == (None, 128, "float32")


WIDE = {  # so that the rows of most matrices are whole blocks
    "hidden_size": 64,
    "intermediate_size": 128,
    "head_dim": 32,
    "global_head_dim": 64,
    "hidden_size_per_layer_input": 32,
    "moe_intermediate_size": 32,
    "laurel_rank": 32,
}


def build_wide(family: str) -> Any:
    """A model whose matrices can be quantised."""
    keys = build_transformers_model(family, N_PIECES).config.to_dict().keys()
    options = {key: value for key, value in WIDE.items() if key in keys or key == "global_head_dim"}
    if family in ("gemma4", "gemma4_moe"):
        del options["hidden_size_per_layer_input"]
    if family == "gemma3n":
        del options["global_head_dim"]
    return build_transformers_model(family, N_PIECES, **options)


@pytest.mark.parametrize("family", NEWER_FAMILIES)
@pytest.mark.parametrize("kind", ["Q8_0", "Q4_0", "BF16"])
def test_quantised_weights_are_those_that_gguf_reads(family: str, kind: str, tmp_path: Path) -> None:
    theirs = build_wide(family)
    path = write_gguf(tmp_path / "tiny.gguf", theirs, kind=GGMLQuantizationType[kind])
    quantised = {tensor.name for tensor in gguf.GGUFReader(path).tensors if tensor.tensor_type.name == kind}
    assert {"token_embd.weight", "blk.1.attn_q.weight", "blk.1.ffn_down.weight"} <= quantised
    assert TABLE in quantised or family not in ("gemma4_e", "gemma3n")
    assert "blk.0.ffn_gate_up_exps.weight" in quantised or family != "gemma4_moe"
    set_weights(theirs, path)
    ours = load_model(str(path))
    assert find_difference(theirs, ours) < 1e-4
    assert ours.facts.quantised == (None if kind == "BF16" else kind)


# ---- the per-layer embedding -----------------------------------------------------------------------------------------


def test_the_table_of_per_layer_embeddings_stays_in_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = build_wide("gemma4_e")
    path = write_gguf(tmp_path / "tiny.gguf", theirs, kind=GGMLQuantizationType.Q8_0)
    ours = load_model(str(path))
    assert ours.decoder.per_layer is not None
    table = ours.decoder.per_layer.table
    assert isinstance(table, QuantisedTable)
    assert (table.n_rows, table.width) == (N_PIECES, 7 * 32)
    stored = next(tensor for tensor in gguf.GGUFReader(path).tensors if tensor.name == TABLE)
    rows = torch.from_numpy(gguf.dequantize(stored.data, stored.tensor_type).copy())
    assert torch.equal(table.read(IDS), rows[IDS])
    assert torch.equal(table.mean(), rows.double().mean(0).float())


def test_a_file_that_is_replaced_after_loading_is_noticed(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "tiny.gguf", build_transformers_model("gemma4_e", N_PIECES))
    ours = load_model(str(path))
    write_gguf(path, build_transformers_model("gemma4", N_PIECES))
    with pytest.raises(ModelError, match=r"tiny\.gguf has changed since the model was loaded; load it again"):
        ours.decoder.embed(IDS)


# ---- what else files have, or have otherwise -------------------------------------------------------------------------


def with_unused_keys(model: Any) -> dict[str, Any]:
    """Keys and values of layers that read another's, as published files have them."""
    n_shared = model.config.num_kv_shared_layers
    layers = range(model.config.num_hidden_layers - n_shared, model.config.num_hidden_layers)
    parts = ("attn_k.weight", "attn_v.weight", "attn_k_norm.weight")
    return {f"blk.{n}.{part}": np.ones((8, 48), np.float32) for n in layers for part in parts}


def with_images_and_sound(_: Any) -> dict[str, Any]:
    """The other parts of a model, which Ollama keeps in the same file."""
    names = ("v.blk.0.attn_q.weight", "a.blk.0.ffn_up.weight", "mm.a.input_projection.weight")
    return dict.fromkeys(names, np.ones((4, 4), np.float32))


def with_experts_apart(model: Any) -> dict[str, Any]:
    """The first two matrices of experts as two tensors."""
    tensors: dict[str, Any] = {}
    for name, both in list_tensors(model).items():
        if name.endswith("ffn_gate_up_exps.weight"):
            gate, up = np.split(both, 2, axis=1)
            tensors |= {name: None, name.replace("gate_up", "gate"): gate, name.replace("gate_up", "up"): up}
    return tensors


def with_padded_table(model: Any) -> dict[str, Any]:
    """A row of zeros for each piece without one, as llama.cpp's converter of Gemma 3n fills the table."""
    table = list_tensors(model)[TABLE]
    return {TABLE: np.pad(table, ((0, N_PIECES - len(table)), (0, 0)))}


TENSORS: dict[str, tuple[str, Callable[[Any], dict[str, Any]]]] = {
    "unused keys": ("gemma4_e", with_unused_keys),
    "unused keys of 3n": ("gemma3n", with_unused_keys),
    "images and sound": ("gemma4", with_images_and_sound),
    "experts apart": ("gemma4_moe", with_experts_apart),
    "a padded table": ("gemma3n", with_padded_table),
}


@pytest.mark.parametrize("case", TENSORS)
def test_files_may_have_tensors_otherwise(case: str, tmp_path: Path) -> None:
    family, change = TENSORS[case]
    theirs = build_transformers_model(family, N_PIECES)
    path = write_gguf(tmp_path / "tiny.gguf", theirs, tensors=change(theirs))
    assert find_difference(theirs, load_model(str(path))) < 1e-4


FIELDS: dict[str, tuple[str, dict[str, Any]]] = {
    "a whole number of shared layers": ("gemma3n", {"attention.shared_kv_layers": 2}),
    "one width for all": ("gemma3n", {"feed_forward_length": 96}),
    "no soft-cap in the header": ("gemma4", {"final_logit_softcapping": None}),
    "no local base in the header": ("gemma4", {"rope.freq_base_swa": None}),
    "parts for images and sound": ("gemma4", {"vision.block_count": 2, "audio.block_count": 2}),
    "Ollama's names": (
        "gemma3n",
        {
            "attention.key_length": None,
            "attention.value_length": None,
            "head_dim": 16,
            "rope.freq_base_swa": None,
            "rope.freq_base_local": 1e4,
            "altup.correct_scale": True,
            "altup.lr_multiplier": 1.0,
        },
    ),
}


@pytest.mark.parametrize("case", FIELDS)
def test_headers_may_say_it_otherwise(case: str, tmp_path: Path) -> None:
    family, fields = FIELDS[case]
    theirs = build_transformers_model(family, N_PIECES)
    path = write_gguf(tmp_path / "tiny.gguf", theirs, fields=fields)
    assert find_difference(theirs, load_model(str(path))) < 1e-4


OPTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "another share of turning pairs": (
        "gemma4",
        {
            "rope_parameters": {
                SLIDING: {"rope_type": "default", "rope_theta": 5000.0},
                FULL: {"rope_type": "proportional", "partial_rotary_factor": 0.5, "rope_theta": 2e5},
            }
        },
    ),
    "values of their own": ("gemma4", {"attention_k_eq_v": False, "num_global_key_value_heads": None}),
    "another soft-cap": ("gemma4", {"final_logit_softcapping": 5.0}),
    "one chosen expert": ("gemma4_moe", {"top_k_experts": 1}),
    "no layer that shares": ("gemma4_e", {"num_kv_shared_layers": 0}),
    "two streams more": ("gemma3n", {"altup_num_inputs": 6}),
    "every layer sparse": ("gemma3n", {"activation_sparsity_pattern": [0.9] * 6}),
}


@pytest.mark.parametrize("case", OPTIONS)
def test_what_the_header_says_is_computed(case: str, tmp_path: Path) -> None:
    family, options = OPTIONS[case]
    theirs = build_transformers_model(family, N_PIECES, **options)
    assert find_difference(theirs, load_model(str(write_gguf(tmp_path / "tiny.gguf", theirs)))) < 1e-4


# ---- what is refused -------------------------------------------------------------------------------------------------

WRONG_FIELDS: list[tuple[str, dict[str, Any], str]] = [
    ("gemma4", {"attention.key_length_swa": None}, "its header has no gemma4.attention.key_length_swa"),
    ("gemma4", {"rope.dimension_count_swa": 8}, "dimension_count_swa is 8; expected the width of a head, 16"),
    ("gemma4", {"rope.dimension_count": 8}, "gemma4.rope.dimension_count is 8; expected the width of a head, 32"),
    ("gemma4", {"attention.sliding_window_pattern": None}, "has no gemma4.attention.sliding_window_pattern"),
    ("gemma4", {"attention.sliding_window_pattern": 2}, "sliding_window_pattern is 2; expected a list"),
    ("gemma4", {"attention.head_count_kv": [2, 1]}, "head_count_kv is .*; expected one .* for each of 4 layers"),
    ("gemma4", {"altup.num_inputs": 4}, "gemma4.altup.num_inputs is 4; which promptlight does not know"),
    ("gemma4", {"expert_shared_count": 1}, "gemma4.expert_shared_count is 1; which promptlight does not know"),
    ("gemma4_e", {"attention.shared_kv_layers": 6}, "some have no layer of their kind whose keys they read"),
    ("gemma4_e", {"attention.shared_kv_layers": 1.5}, "shared_kv_layers is 1.5; expected a whole number"),
    ("gemma4_e", {"embedding_length_per_layer_input": 4}, r"has the shape \[\d+, 48\]; its header says \[28, 48\]"),
    ("gemma4_e", {"embedding_length_per_layer_input": 0}, "has the tensor blk.0.inp_gate.weight, which promptlight"),
    ("gemma4_moe", {"expert_used_count": None}, "its header has no gemma4.expert_used_count"),
    ("gemma4_moe", {"expert_used_count": 7}, "expert_used_count is 7; expected at most the number of experts, 6"),
    ("gemma4_moe", {"expert_count": 0}, "has the tensor blk.0.ffn_down_exps.scale, which promptlight does not know"),
    ("gemma3n", {"altup.active_idx": 1}, "gemma3n.altup.active_idx is 1; which no published Gemma 3n has"),
    ("gemma3n", {"altup.correct_scale": False}, "gemma3n.altup.correct_scale is False; which no published"),
    ("gemma3n", {"altup.num_inputs": None}, "its header has no gemma3n.altup.num_inputs"),
    ("gemma3n", {"activation_sparsity_scale": [1.0]}, "scale is .*; expected a number for each of 6 layers"),
    ("gemma3n", {"embedding_length_per_layer_input": None}, "has no gemma3n.embedding_length_per_layer_input"),
    ("gemma3n", {"expert_count": 4}, "gemma3n.expert_count is 4; a mixture of experts is not covered"),
]


@pytest.mark.parametrize(("family", "fields", "message"), WRONG_FIELDS)
def test_a_field_that_is_not_understood_is_refused_by_name(
    family: str, fields: dict[str, Any], message: str, tmp_path: Path
) -> None:
    path = write_gguf(tmp_path / "tiny.gguf", build_transformers_model(family, N_PIECES), fields=fields)
    with pytest.raises(ModelError, match=message):
        load_model(str(path))


TURNS = [1.0] * 4 + [NO_TURN] * 12
WRONG_TENSORS: list[tuple[str, dict[str, Any], str]] = [
    ("gemma4", {"rope_freqs.weight": None}, "not whole: it has no rope_freqs.weight"),
    ("gemma4", {"rope_freqs.weight": np.ones(8, np.float32)}, r"has the shape \[8\]; its header says \[16\]"),
    ("gemma4", {"rope_freqs.weight": np.array(TURNS[::-1], np.float32)}, "RoPE with other factors is not covered"),
    ("gemma4", {"rope_freqs.weight": np.array([2.0, *TURNS[1:]], np.float32)}, "RoPE with other factors"),
    ("gemma4", {"rope_freqs.weight": np.array([*TURNS[:-1], 1e3], np.float32)}, "RoPE with other factors"),
    ("gemma4", {"blk.0.attn_v.weight": None}, "not whole: it has no blk.0.attn_v.weight"),
    ("gemma4", {"blk.1.attn_v.weight": np.ones((32, 48), np.float32)}, "not whole: it has no blk.3.attn_v.weight"),
    ("gemma4", {"blk.2.layer_output_scale.weight": None}, "not whole: it has no blk.2.layer_output_scale.weight"),
    ("gemma4", {"blk.0.inp_gate.weight": np.ones((8, 48), np.float32)}, "has the tensor blk.0.inp_gate.weight"),
    ("gemma4_e", {TABLE: None}, f"not whole: it has no {TABLE}"),
    ("gemma4_e", {"blk.3.attn_k.weight": None}, "not whole: it has no blk.3.attn_k.weight"),
    ("gemma4_e", {"blk.4.post_norm.weight": None}, "not whole: it has no blk.4.post_norm.weight"),
    ("gemma4_moe", {"blk.1.ffn_gate_up_exps.weight": None}, "no blk.1.ffn_gate_up_exps.weight and 1 more"),
    ("gemma4_moe", {"blk.1.ffn_down_exps.scale": None}, "not whole: it has no blk.1.ffn_down_exps.scale"),
    (
        "gemma4_moe",
        {"blk.1.ffn_gate_up_exps.weight": np.ones((6, 31, 48), np.float32)},
        r"ffn_gate_up_exps.weight has the shape \[6, 31, 48\]; its header says \[6, 16, 48\]",
    ),
    ("gemma3n", {"altup_proj.weight": None}, "not whole: it has no altup_proj.weight"),
    ("gemma3n", {"blk.0.laurel_l.weight": None}, "not whole: it has no blk.0.laurel_l.weight"),
    ("gemma3n", {"rope_freqs.weight": np.ones(8, np.float32)}, "has the tensor rope_freqs.weight, which promptlight"),
    ("gemma3n", {"blk.0.layer_output_scale.weight": np.ones(1, np.float32)}, "has the tensor blk.0.layer_output_scale"),
]


@pytest.mark.parametrize(("family", "tensors", "message"), WRONG_TENSORS)
def test_tensors_must_be_those_of_the_header(
    family: str, tensors: dict[str, Any], message: str, tmp_path: Path
) -> None:
    path = write_gguf(tmp_path / "tiny.gguf", build_transformers_model(family, N_PIECES), tensors=tensors)
    with pytest.raises(ModelError, match=message):
        load_model(str(path))


def test_fields_of_later_families_are_not_understood_in_earlier_ones(tmp_path: Path) -> None:
    fields = describe_config(build_transformers_model("gemma4_e", N_PIECES).config.to_dict())
    theirs = build_transformers_model("gemma3", N_PIECES, num_hidden_layers=2)
    for key in ("attention.shared_kv_layers", "embedding_length_per_layer_input", "attention.key_length_swa"):
        path = write_gguf(tmp_path / "tiny.gguf", theirs, fields={key: fields[key]})
        with pytest.raises(ModelError, match=f"gemma3.{key} is {fields[key]}; which promptlight does not know"):
            load_model(str(path))
    scale = {f"blk.{n}.layer_output_scale.weight": np.ones(1, np.float32) for n in range(2)}
    with pytest.raises(ModelError, match=r"has the tensor blk\.0\.layer_output_scale\.weight, which promptlight"):
        load_model(str(write_gguf(tmp_path / "tiny.gguf", theirs, tensors=scale)))


@pytest.mark.parametrize("family", ["gemma4_e", "gemma4_moe", "gemma3n"])
def test_a_header_with_flipped_bytes_is_read_or_refused_in_one_line(family: str, tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "tiny.gguf", build_transformers_model(family, N_PIECES))
    whole, generator = path.read_bytes(), random.Random(0)
    places = [*range(4, 1400, 17), *range(whole.index(b"token_embd.weight"), whole.index(b"output_norm.weight"), 23)]
    for place in places:
        damaged = bytearray(whole)
        damaged[place] ^= generator.choice((0x01, 0x10, 0x80, 0xFF))
        path.write_bytes(damaged)
        assert "\n" not in try_to_open(path), place


def try_to_open(path: Path) -> str:
    """The message of a refusal, or nothing; any other exception fails the test."""
    try:
        open_gguf(path)
    except ModelError as error:
        return str(error)
    return ""
