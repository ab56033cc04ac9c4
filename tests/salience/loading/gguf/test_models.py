"""GGUF files of tiny models: what is computed is what transformers computes with the same weights."""

# pyright: standard

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType

from promptlight.salience.errors import ModelError
from promptlight.salience.loading.load import load_model
from promptlight.salience.model import Model
from tests.support.gguf_files import FAMILIES, set_weights, write_gguf
from tests.support.transformers_models import build_transformers_model

N_PIECES = 1536
IDS = torch.tensor([[2, *range(300, 340)]])


def find_logits(model: Model) -> torch.Tensor:
    return model.decoder.logits(model.decoder.hidden(model.decoder.embed(IDS)))


def assert_equal_logits(theirs: Any, path: Path) -> Model:
    ours = load_model(str(path))
    with torch.no_grad():
        expected = theirs(IDS).logits
    assert expected.std() > 0.3
    assert (find_logits(ours) - expected).abs().max() < 1e-4
    return ours


@pytest.mark.parametrize("family", FAMILIES)
def test_logits_are_those_of_transformers(family: str, tmp_path: Path) -> None:
    theirs = build_transformers_model(family, N_PIECES)
    facts = assert_equal_logits(theirs, write_gguf(tmp_path / "tiny.gguf", theirs)).facts
    assert (facts.quantised, facts.context_length, facts.dtype) == (None, 128, "float32")


QUANTISED = {
    "F16": None,
    "BF16": None,
    "Q8_0": "Q8_0",
    "Q4_0": "Q4_0",
    "Q5_1": "Q5_1",
    "Q4_K": "Q4_K_M: Q4_K",
    "Q6_K": "Q6_K",
}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("kind", "shown"), QUANTISED.items())
def test_quantised_weights_are_those_that_gguf_reads(family: str, kind: str, shown: str | None, tmp_path: Path) -> None:
    sizes = {"hidden_size": 256, "intermediate_size": 256, "head_dim": 64, "num_hidden_layers": 2}
    if family != "gemma":
        sizes["query_pre_attn_scalar"] = 64
    theirs = build_transformers_model(family, N_PIECES, **sizes)
    path = write_gguf(tmp_path / "tiny.gguf", theirs, kind=GGMLQuantizationType[kind])
    set_weights(theirs, path)
    assert assert_equal_logits(theirs, path).facts.quantised == shown


def can_dequantise(kind: GGMLQuantizationType) -> bool:
    try:
        gguf.dequantize(np.zeros((1, gguf.GGML_QUANT_SIZES[kind][1]), np.uint8), kind)
    except NotImplementedError:
        return False
    return True


@pytest.mark.parametrize("kind", [*filter(can_dequantise, GGMLQuantizationType)], ids=lambda kind: kind.name)
def test_every_type_that_gguf_dequantises_gives_its_numbers(kind: GGMLQuantizationType, tmp_path: Path) -> None:
    """In a matrix that is longer than one block of dequantising."""
    model = build_transformers_model("gemma", N_PIECES, hidden_size=256, num_hidden_layers=1)
    per_block, n_bytes = gguf.GGML_QUANT_SIZES[kind]
    raw = np.random.default_rng(0).integers(0, 256, (N_PIECES, 256 // per_block * n_bytes), np.uint8)
    raw &= 0x3B  # no float16 of these bytes is infinite or no number
    path = write_gguf(tmp_path / "tiny.gguf", model, raw={"token_embd.weight": (raw, kind)})
    expected = gguf.dequantize(raw, kind)
    assert expected.size > 2**18
    assert np.array_equal(load_model(str(path)).decoder.embedding.numpy(), expected)


def test_memory_is_checked_before_a_tensor_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_gguf(tmp_path / "tiny.gguf", build_transformers_model("gemma3", N_PIECES))
    monkeypatch.setattr("promptlight.salience.loading._devices.free_bytes", lambda _: 300_000)
    monkeypatch.setattr(gguf, "dequantize", lambda *_: pytest.fail("a tensor was read"))
    monkeypatch.setattr("promptlight.salience.loading.gguf._tensors._check_places", lambda *_: None)
    with pytest.raises(ModelError, match=r"tiny\.gguf: too large for CPU: its weights take 0\.0 GiB in float32"):
        load_model(str(path), device="cpu")


# ---- what a header does not say ------------------------------------------------------------------------------------

SMALL: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 32,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "query_pre_attn_scalar": 8,
}
LOCAL = {"rope_type": "default", "rope_theta": 10_000.0}
WHOLE = {"rope_type": "default", "rope_theta": 1_000_000.0}
SCALED = {"rope_type": "linear", "factor": 8.0, "rope_theta": 1_000_000.0}


def of_gemma3(n_layers: int, whole: dict[str, Any], **changes: Any) -> Any:
    """A narrow Gemma 3 with the layers of a published size; ``whole`` is the RoPE of layers that see the whole text."""
    rope = {"full_attention": whole, "sliding_attention": LOCAL}
    return build_transformers_model(
        "gemma3", N_PIECES, num_hidden_layers=n_layers, rope_parameters=rope, **SMALL | changes
    )


def of_gemma2(n_layers: int, **changes: Any) -> Any:
    return build_transformers_model("gemma2", N_PIECES, num_hidden_layers=n_layers, **SMALL | changes)


@pytest.mark.parametrize("n_layers", [34, 48])
def test_gemma3_from_4b_on_scales_its_positions_where_it_sees_the_whole_text(n_layers: int, tmp_path: Path) -> None:
    theirs = of_gemma3(n_layers, SCALED)
    assert_equal_logits(theirs, write_gguf(tmp_path / "tiny.gguf", theirs))


def test_gemma3_27b_scales_queries_by_its_width(tmp_path: Path) -> None:
    theirs = of_gemma3(62, SCALED, hidden_size=48, query_pre_attn_scalar=12)
    assert_equal_logits(theirs, write_gguf(tmp_path / "tiny.gguf", theirs))


def test_gemma2_27b_scales_queries_by_its_width(tmp_path: Path) -> None:
    theirs = of_gemma2(46, hidden_size=48, query_pre_attn_scalar=12)
    assert_equal_logits(theirs, write_gguf(tmp_path / "tiny.gguf", theirs))


@pytest.mark.parametrize("n_layers", [26, 42])
def test_other_sizes_of_gemma2_do_not(n_layers: int, tmp_path: Path) -> None:
    theirs = of_gemma2(n_layers, hidden_size=48)
    assert_equal_logits(theirs, write_gguf(tmp_path / "tiny.gguf", theirs))


@pytest.mark.parametrize("n_layers", [18, 26])
def test_small_sizes_of_gemma3_scale_nothing(n_layers: int, tmp_path: Path) -> None:
    theirs = of_gemma3(n_layers, WHOLE, hidden_size=48)
    assert_equal_logits(theirs, write_gguf(tmp_path / "tiny.gguf", theirs))


# ---- where it does say -----------------------------------------------------------------------------------------------

HEADERS: dict[str, tuple[Any, dict[str, Any]]] = {
    "no scaling": (lambda: of_gemma3(34, WHOLE), {"rope.scaling.type": "none"}),
    "scaling": (
        lambda: of_gemma3(7, SCALED | {"factor": 4.0}),
        {"rope.scaling.type": "linear", "rope.scaling.factor": 4.0},
    ),
    "scaling, older": (lambda: of_gemma3(7, SCALED | {"factor": 4.0}), {"rope.scale_linear": 4.0}),
    "attention scale": (lambda: of_gemma3(62, SCALED, query_pre_attn_scalar=4), {"attention.scale": 0.5}),
    "local base": (
        lambda: build_transformers_model(
            "gemma3",
            N_PIECES,
            rope_parameters={"full_attention": WHOLE, "sliding_attention": LOCAL | {"rope_theta": 5000.0}},
        ),
        {"rope.freq_base_swa": 5000.0},
    ),
    "pattern": (
        lambda: build_transformers_model(
            "gemma3",
            N_PIECES,
            num_hidden_layers=3,
            layer_types=["full_attention", "sliding_attention", "full_attention"],
            rope_parameters={"full_attention": WHOLE, "sliding_attention": LOCAL},
        ),
        {"attention.sliding_window_pattern": [False, True, False]},
    ),
    "period": (
        lambda: build_transformers_model(
            "gemma3",
            N_PIECES,
            num_hidden_layers=4,
            layer_types=["sliding_attention", "full_attention"] * 2,
            rope_parameters={"full_attention": WHOLE, "sliding_attention": LOCAL},
        ),
        {"attention.sliding_window_pattern": 2},
    ),
    "soft-caps": (
        lambda: of_gemma2(3, attn_logit_softcapping=5.0, final_logit_softcapping=3.0),
        {"attn_logit_softcapping": 5.0, "final_logit_softcapping": 3.0},
    ),
    "final soft-cap of Gemma 3": (
        lambda: of_gemma3(2, WHOLE, final_logit_softcapping=3.0),
        {"final_logit_softcapping": 3.0},
    ),
    "epsilon": (lambda: of_gemma2(3, rms_norm_eps=0.01), {}),
    "Ollama's names": (
        lambda: of_gemma3(7, WHOLE),
        {
            "attention.layer_norm_rms_epsilon": None,
            "attention.key_length": None,
            "attention.value_length": None,
            "rope.freq_base": None,
            "rope.global.freq_base": 1e6,
            "rope.local.freq_base": 1e4,
            "mm.tokens_per_image": 256,
            "vision.block_count": 27,
        },
    ),
}


@pytest.mark.parametrize("case", HEADERS)
def test_the_header_comes_first(case: str, tmp_path: Path) -> None:
    build, fields = HEADERS[case]
    theirs = build()
    assert_equal_logits(theirs, write_gguf(tmp_path / "tiny.gguf", theirs, fields=fields))


def test_the_part_that_reads_images_is_not_read(tmp_path: Path) -> None:
    theirs = of_gemma3(2, WHOLE)
    images: dict[str, np.ndarray | None] = dict.fromkeys(
        ("v.blk.0.attn_q.weight", "mm.input_projection.weight"), np.ones((4, 4), np.float32)
    )
    assert_equal_logits(theirs, write_gguf(tmp_path / "tiny.gguf", theirs, tensors=images))


def test_a_head_of_its_own_is_used(tmp_path: Path) -> None:
    theirs = build_transformers_model("gemma", N_PIECES, tie_word_embeddings=False)
    path = write_gguf(tmp_path / "tiny.gguf", theirs)
    assert not theirs.lm_head.weight.equal(theirs.model.embed_tokens.weight)
    assert_equal_logits(theirs, path)


def test_dtype_is_as_asked(tmp_path: Path) -> None:
    theirs = build_transformers_model("gemma3", N_PIECES)
    path = write_gguf(tmp_path / "tiny.gguf", theirs)
    half, double = (load_model(str(path), dtype=dtype) for dtype in ("bfloat16", "float64"))
    assert (half.decoder.embedding.dtype, double.decoder.embedding.dtype) == (torch.bfloat16, torch.float64)
    assert half.decoder.embedding.equal(theirs.model.embed_tokens.weight.bfloat16())
    assert (find_logits(double) - theirs.double()(IDS).logits).abs().max() < 1e-5
