"""Keras presets of Gemma 4 and 3n: read as text models, with the table of per-layer embeddings left in its file."""

# pyright: standard

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import keras_nlp
import pytest
import torch

from promptlight.salience import Analysis, AnalysisOptions, Prompt, analyze
from promptlight.salience.decoder.decoder import Decoder
from promptlight.salience.decoder.tensors import convert_tensors, count_bytes, in_dtype
from promptlight.salience.errors import ModelError
from promptlight.salience.loading.configs import read_json
from promptlight.salience.loading.families import FAMILIES
from promptlight.salience.loading.handles import parse_handle
from promptlight.salience.loading.keras._model import open_keras_preset
from promptlight.salience.loading.keras._table import TABLES
from promptlight.salience.loading.keras.backbone import Preset, borrow_decoder, hash_config, read_preset
from promptlight.salience.loading.load import load_model
from promptlight.salience.loading.row_table import StoredTable
from tests.oracles.tiny import FULL, NEWER_FAMILIES, SLIDING, build_backbone, draw_ids
from tests.support.presets import edit_json, save_newer_preset

CPU = torch.device("cpu")
WITH_TABLE = ("gemma4_e", "gemma3n")
SHARD_BYTES = {"gemma4": 300_000, "gemma4_moe": 300_000, "gemma4_e": 750_000, "gemma3n": 750_000}


@pytest.fixture(scope="module", params=NEWER_FAMILIES)
def family(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def saved(family: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    folder = tmp_path_factory.mktemp(family) / "preset"
    return folder, save_newer_preset(family, folder)


@pytest.fixture(scope="module")
def e_preset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("e") / "preset"
    save_newer_preset("gemma4_e", folder)
    return folder


def read(folder: Path, dtype: torch.dtype = torch.float32) -> Preset:
    return read_preset(folder, read_json(folder / "config.json", "mine"), "mine", CPU, dtype)


def borrow(preset: Preset) -> Decoder:
    return convert_tensors(borrow_decoder(preset.backbone, table=preset.table), torch.Tensor.detach)


def draw_text(n_tokens: int) -> torch.Tensor:
    """Random ids, and the last of the vocabulary: Gemma 3n's have no row in its table."""
    return torch.tensor([*draw_ids(40, vocabulary_size=n_tokens), n_tokens - 1, n_tokens - 2, n_tokens - 8])


@torch.no_grad
def run(decoder: Decoder, ids: torch.Tensor) -> torch.Tensor:
    return decoder.logits(decoder.hidden(decoder.embed(ids)))


@torch.no_grad
def run_keras(backbone: Any, ids: torch.Tensor) -> torch.Tensor:
    """The logits of Keras's own call."""
    of_3n = type(backbone).__name__ == "Gemma3nBackbone"
    inputs = {"token_ids": ids[None], "padding_mask": torch.ones_like(ids[None], dtype=torch.bool)}
    if not of_3n:
        inputs["position_ids"] = torch.arange(len(ids))[None]
    embedding = backbone.language_model.token_embedding if of_3n else backbone.token_embedding
    return embedding(backbone(inputs), reverse=True)[0]


def test_logits_are_those_of_keras(saved: tuple[Path, Any]) -> None:
    folder, backbone = saved
    decoder = borrow(read(folder))
    ids = draw_text(len(decoder.embedding))
    ours, theirs = run(decoder, ids), run_keras(backbone, ids)
    assert (ours - theirs).abs().max() < 1e-4 * theirs.abs().max()  # in float32, each is off by up to half of that


def test_a_loaded_model_explains_a_text(saved: tuple[Path, Any]) -> None:
    model = load_model(str(saved[0]), device="cpu")
    (found,) = analyze([Prompt(id="soup", text="Onion soup")], model, AnalysisOptions(max_new_tokens=2))
    assert isinstance(found, Analysis)
    assert model.facts.n_bytes < 3 * count_bytes(model.decoder)


def test_shards_give_the_same_weights_bit_for_bit(saved: tuple[Path, Any], family: str, tmp_path: Path) -> None:
    save_newer_preset(family, tmp_path, max_shard_bytes=SHARD_BYTES[family])
    assert len(list(tmp_path.glob("*.weights.h5"))) > 1
    whole, sharded = borrow(read(saved[0])), borrow(read(tmp_path))
    ids = draw_text(len(whole.embedding))
    assert torch.equal(run(whole, ids), run(sharded, ids))


def test_a_backbone_in_memory_lends_its_own_table(saved: tuple[Path, Any]) -> None:
    folder, backbone = saved
    ids = draw_text(len(borrow(read(folder)).embedding))
    lent = convert_tensors(borrow_decoder(backbone), torch.Tensor.detach)
    assert torch.equal(run(lent, ids), run(borrow(read(folder)), ids))


def test_bfloat16_is_as_near_to_exact_as_in_keras(saved: tuple[Path, Any]) -> None:
    folder, _ = saved
    ours = borrow(read(folder, torch.bfloat16))
    assert ours.embedding.dtype == torch.bfloat16
    ids = draw_text(len(ours.embedding))
    exact = run(in_dtype(ours, torch.float64), ids)
    theirs = run_keras(keras_nlp.models.Backbone.from_preset(str(folder), dtype="bfloat16"), ids)
    errors = [(logits - exact).abs().mean() for logits in (run(ours, ids), theirs)]
    assert errors[0] < 1.3 * errors[1]


def test_a_file_in_bfloat16_is_read_bit_for_bit(saved: tuple[Path, Any], family: str, tmp_path: Path) -> None:
    backbone = save_newer_preset(family, tmp_path, dtype="bfloat16")
    preset = read(tmp_path)
    if preset.table is not None:
        assert preset.table.dtype == torch.bfloat16
        kept = TABLES[type(backbone).__name__].find_layer(backbone).embeddings.value
        assert torch.equal(preset.table.read(torch.arange(9)), kept[:9])
    assert torch.equal(borrow(preset).embedding.bfloat16(), borrow_decoder(backbone).embedding)


def test_weights_are_borrowed_not_copied(saved: tuple[Path, Any], family: str) -> None:
    decoder = borrow_decoder(backbone := saved[1])
    layer = decoder.layers[-1]
    if family == "gemma3n":
        block = backbone.language_model.transformer_layers[-1]
        pairs = [
            (layer.feed_forward.gate, block.mlp.gate_proj.kernel),
            (layer.attention.output, block.attention.o_proj.kernel),
        ]
        pairs += [(layer.streams.laurel_left, block.laurel.linear_left.kernel)] if layer.streams else []
    else:
        block = backbone.transformer_layers[-1]
        pairs = [(layer.feed_forward.gate, block.gating_ffw.kernel), (layer.scale, block.layer_scalar)]
        pairs += [(layer.experts.gate, block.moe_expert_bank.gate_proj)] if layer.experts else []
        pairs += [(layer.per_layer.up, block.per_layer_up_proj.kernel)] if layer.per_layer else []
    for ours, theirs in pairs:
        assert ours is not None
        assert ours.data_ptr() == theirs.value.data_ptr()


def test_keras_never_holds_the_table(saved: tuple[Path, Any], family: str) -> None:
    folder, backbone = saved
    preset = read(folder)
    assert isinstance(preset.table, StoredTable) == (family in WITH_TABLE)
    if preset.table is not None:
        kept = TABLES[type(backbone).__name__].find_layer
        assert kept(preset.backbone).embeddings.shape == (1, preset.table.width)
        assert torch.equal(preset.table.read(torch.arange(preset.table.n_rows)), kept(backbone).embeddings.value)
    assert hash_config(preset.backbone) == hash_config(backbone)


def test_which_class_keras_would_take_for_the_task_does_not_matter(
    saved: tuple[Path, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Gemma 4 has two, one for drafting, and Keras takes the first of a set, whose order changes with each process."""

    def never(*_: Any, **__: Any) -> None:
        raise TypeError("Gemma4AssistantCausalLM.__init__() missing 4 required positional arguments")

    monkeypatch.setattr(keras_nlp.models.CausalLM, "from_preset", never)
    borrow(read(saved[0]))


@pytest.mark.slow
def test_fifty_processes_load_the_same_weights(e_preset: Path) -> None:
    start = (
        "import sys, torch; from pathlib import Path; from promptlight.salience.loading.configs import read_json;"
        "from promptlight.salience.loading.keras.backbone import read_preset; folder = Path(sys.argv[1]);"
        "preset = read_preset(folder, read_json(folder / 'config.json', ''), '', torch.device('cpu'), None);"
        "print(sum(float(one.value.sum()) for one in preset.backbone.variables))"
    )
    sums = {
        subprocess.run([sys.executable, "-c", start, str(e_preset)], capture_output=True, text=True, check=True).stdout
        for _ in range(50)
    }
    assert len(sums) == 1


# ---- towers --------------------------------------------------------------------------------------------------------


def build_towers(family: str) -> dict[str, Any]:
    """Arguments that give a tiny model encoders of images and sounds, or of sounds alone."""
    if family == "gemma3n":
        return describe_3n_tower()
    vision: Any = keras_nlp.models.Gemma4VisionEncoder(
        image_size=16,
        patch_size=4,
        pool_size=2,
        num_layers=2,
        num_heads=2,
        head_dim=4,
        num_key_value_heads=2,
        hidden_dim=8,
        intermediate_dim=16,
        output_dim=32,
    )
    audio: Any = keras_nlp.models.Gemma4AudioEncoder(
        input_feat_size=16, hidden_size=8, num_heads=2, num_layers=1, output_proj_dims=8, output_dim=32
    )
    return {"image_size": 16, "vision_encoder": vision, "audio_encoder": audio}


def describe_3n_tower() -> dict[str, Any]:
    sizes = {"hidden_size": 8, "input_feat_size": 32, "num_hidden_layers": 1, "num_attention_heads": 1}
    convolutions = {
        "sscp_conv_channel_size": [4, 8],
        "sscp_conv_kernel_size": [(3, 3), (3, 3)],
        "sscp_conv_stride_size": [(2, 2), (2, 2)],
        "sscp_conv_group_norm_eps": 1e-5,
    }
    attention = {
        "attention_chunk_size": 4,
        "num_attention_context_right": 0,
        "num_attention_context_left": 5,
        "attention_logit_cap": 50.0,
    }
    rest = {
        "rms_norm_eps": 1e-6,
        "gradient_clipping": 1.0,
        "residual_weight": 0.5,
        "conv_kernel_size": 5,
        "reduction_factor": 1,
    }
    return {"audio_encoder_config": sizes | convolutions | attention | rest, "audio_hidden_size": 8}


@pytest.mark.parametrize("family", ["gemma4", "gemma4_e", "gemma3n"])
def test_the_text_part_loads_without_the_towers(family: str, tmp_path: Path) -> None:
    with_towers = save_newer_preset(family, tmp_path, **build_towers(family))
    decoder = load_model(str(tmp_path), device="cpu").decoder
    text = build_backbone(family, vocabulary_size=len(decoder.embedding))
    assert len(with_towers.variables) > len(text.variables)
    for layer in [text.language_model] if family == "gemma3n" else text.layers:
        twin = with_towers.language_model if family == "gemma3n" else with_towers.get_layer(layer.name)
        layer.set_weights(twin.get_weights())
    ids = draw_text(len(decoder.embedding))
    assert torch.equal(run(decoder, ids), run(borrow_decoder(text), ids))


# ---- refusals ------------------------------------------------------------------------------------------------------

REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("gemma4_e", {"never_heard_of": 1}, "the key never_heard_of "),
    ("gemma4_e", {"layer_types": [*[SLIDING] * 6, "chunked_attention"]}, "layer_types with chunked_attention;"),
    ("gemma4_e", {"layer_types": [FULL] * 6}, "layer_types with 6; expected .* each of its 7 layers"),
    ("gemma4_e", {"num_kv_shared_layers": 7}, "num_kv_shared_layers 7 of 7.* no keys and values to read"),
    ("gemma4_e", {"vocab_size_per_layer_input": 9}, "vocab_size_per_layer_input 9, fewer than its 1555 tokens"),
    ("gemma3n", {"sliding_window_size": 4}, "the key sliding_window_size "),
    ("gemma3n", {"attention_bias": True}, "attention_bias True; only False is covered"),
    ("gemma3n", {"hidden_activation": "relu"}, "hidden_activation relu; only gelu_approximate is covered"),
    ("gemma3n", {"altup_active_idx": 1}, "altup_active_idx 1; only 0 is covered"),
    ("gemma3n", {"layer_types": [*[SLIDING] * 5, FULL]}, "num_kv_shared_layers 2 of 6.* no keys and values"),
]


@pytest.mark.parametrize(
    ("family", "change", "message"), REFUSED, ids=[f"{one[0]}-{next(iter(one[1]))}" for one in REFUSED]
)
def test_what_is_not_run_is_refused_by_its_name(family: str, change: Any, message: str, tmp_path: Path) -> None:
    name = "Gemma3nBackbone" if family == "gemma3n" else "Gemma4Backbone"
    backbone = build_backbone(family, vocabulary_size=1555)
    config = json.loads(json.dumps({"class_name": name, "config": backbone.get_config() | change}))
    with pytest.raises(ModelError, match=rf"{tmp_path}: config\.json has {message}"):
        open_keras_preset(parse_handle(str(tmp_path)), config, FAMILIES[0])


def test_an_int8_preset_and_an_adapter_of_keras_are_refused(e_preset: Path) -> None:
    handle, config = parse_handle(str(e_preset)), read_json(e_preset / "config.json", "mine")
    with pytest.raises(ModelError, match=r"lora\.h5: adapters that Keras wrote are covered for Gemma 1 to 3 alone"):
        open_keras_preset(handle, config, FAMILIES[0], "some.lora.h5")
    policy = {"class_name": "QuantizedDTypePolicy", "config": {"mode": "int8"}}
    config["config"]["dtype"] = {"class_name": "DTypePolicyMap", "config": {"policy_map": {"x": policy}}}
    with pytest.raises(ModelError, match=r"quantised \(int8\), which is covered for Gemma 1 to 3 alone"):
        open_keras_preset(handle, config, FAMILIES[0])


def test_a_table_that_is_not_there_or_packed_is_refused(e_preset: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(e_preset, tmp_path / "preset"))
    dataset = TABLES["Gemma4Backbone"].dataset
    with h5py.File(folder / "model.weights.h5", "r+") as file:
        table: Any = file[dataset]
        rows = table[:]
        del file[dataset]
        file.create_dataset(dataset, data=rows, compression="gzip")
    with pytest.raises(ModelError, match=rf"mine: model\.weights\.h5 has {dataset} in pieces or packed"):
        read(folder)
    with h5py.File(folder / "model.weights.h5", "r+") as file:
        del file[dataset]
    with pytest.raises(ModelError, match=rf"expected the per-layer embeddings in its weights as {dataset}, found none"):
        read(folder)


def test_a_table_of_another_shape_is_refused(e_preset: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(e_preset, tmp_path / "preset"))
    edit_json(folder / "config.json", lambda config: config["config"].update(vocab_size_per_layer_input=1600))
    with pytest.raises(ModelError, match=r"with shape \[1555, \d+\]; expected \[1600, \d+\], as config\.json says"):
        read(folder)
