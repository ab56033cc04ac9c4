"""LoRA adapters are merged as PEFT and Keras merge them; what can't be merged is refused by name."""

# pyright: standard

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from safetensors.torch import load_file, save_file

from promptlight.io.results.reader import read_settings
from promptlight.salience.errors import ModelError
from promptlight.salience.loading.load import load_model
from promptlight.salience.text.tokenizer import Tokenizer
from tests.conftest import Command
from tests.oracles.presets import load_backbone
from tests.support.presets import edit_json
from tests.support.transformers_models import (
    NEWER_FAMILIES,
    VOCABULARY,
    build_transformers_model,
    find_difference,
    save_folder,
)

SIZE = len(Tokenizer.from_file(VOCABULARY))
ALL = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def save_adapter(base: Any, folder: Path, **options: Any) -> Any:
    """Save a random adapter for a model of transformers; returns PEFT's model."""
    config = peft.LoraConfig(task_type="CAUSAL_LM", **{"r": 4, "target_modules": ALL} | options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names in transformers that peft still uses
        adapted = peft.get_peft_model(base, config)
    torch.manual_seed(3)
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_" in name:
                parameter.copy_(0.1 * torch.randn_like(parameter))
    adapted.save_pretrained(str(folder))
    return adapted


@pytest.mark.parametrize(
    ("family", "options"),
    [
        *((family, {}) for family in ("gemma", "gemma2", "gemma3")),
        ("gemma2", {"lora_alpha": 20, "use_rslora": True, "lora_dropout": 0.5}),
        ("gemma2", {"target_modules": ["q_proj", "v_proj"], "layers_to_transform": [1]}),
        ("gemma3", {"rank_pattern": {"k_proj": 2, "layers.0.mlp.*": 3}, "alpha_pattern": {"o_proj": 30}}),
        *((family, {}) for family in NEWER_FAMILIES),
        ("gemma4_e", {"target_modules": ["per_layer_input_gate", "per_layer_projection"]}),
        ("gemma4_moe", {"target_modules": ["router.proj"]}),
        ("gemma3n", {"target_modules": ["linear_left", "linear_right"]}),
        ("gemma3n", {"target_modules": ["modality_router", "prediction_coefs", "correction_coefs"], "r": 2}),
    ],
)
def test_a_merged_adapter_is_pefts(tmp_path: Path, family: str, options: dict[str, Any]) -> None:
    base = build_transformers_model(family, SIZE)
    folder = save_folder(base, tmp_path / "base")
    adapted = save_adapter(base, tmp_path / "adapter", **options).eval()
    plain, ours = load_model(str(folder)), load_model(str(folder), adapter=str(tmp_path / "adapter"))
    assert find_difference(ours, adapted) < 1e-4 < find_difference(plain, adapted)
    assert find_difference(ours, adapted.merge_and_unload()) < 1e-4
    assert ours.facts.adapter == str(tmp_path / "adapter")
    assert ours.facts.adapter_sha256
    assert plain.facts.adapter_sha256 is None


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The folders of a model and of an adapter for it. For reading only."""
    root = tmp_path_factory.mktemp("pair")
    base = build_transformers_model("gemma2", SIZE)
    save_folder(base, root / "base")
    save_adapter(base, root / "adapter")
    return root / "base", root / "adapter"


def refused(base: Path, adapter: Path) -> str:
    with pytest.raises(ModelError) as caught:
        load_model(str(base), adapter=str(adapter))
    assert "\n" not in str(caught.value)
    assert "adapter" in caught.value.parameters
    return str(caught.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *[("use_dora", True), ("modules_to_save", ["lm_head"]), ("fan_in_fan_out", True), ("bias", "all")],
        *[("peft_type", "IA3"), ("task_type", "SEQ_CLS"), ("init_lora_weights", "pissa"), ("lora_bias", True)],
        *[("layer_replication", [[0, 1]]), ("trainable_token_indices", [3]), ("never_heard_of", 1)],
        *[("target_parameters", ["x"]), ("r", 5), ("lora_alpha", "8"), ("rank_pattern", {"k_proj": 3})],
        *[("alpha_pattern", [1]), ("rank_pattern", {"(": 1}), ("alora_invocation_tokens", [1])],
    ],
)
def test_what_the_config_asks_for_and_is_not_run_is_refused_by_its_key(
    pair: tuple[Path, Path], tmp_path: Path, key: str, value: Any
) -> None:
    adapter = Path(shutil.copytree(pair[1], tmp_path / "adapter"))
    edit_json(adapter / "adapter_config.json", lambda config: config.update({key: value}))
    said = refused(pair[0], adapter)
    assert (key in said) or (key in ("r", "rank_pattern") and "rank" in said)


KEY = "base_model.model.model.layers.1.self_attn.k_proj.lora_A.weight"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda all: {name: one for name, one in all.items() if name != KEY}, "lacks one of lora_A and lora_B"),
        (lambda all: all | {KEY: all[KEY][:2].clone()}, "or their ranks differ"),
        (lambda all: all | {KEY.replace("lora_A.weight", "lora_magnitude_vector"): torch.ones(4)}, "lora_magnitude"),
        (lambda all: all | {"base_model.model.lm_head.lora_A.weight": torch.ones(4, 48)}, "lm_head"),
        (lambda all: all | {"base_model.model.model.embed_tokens.lora_embedding_A": torch.ones(4, 9)}, "embed_tokens"),
        (lambda all: {}, "has no lora_A and lora_B"),
        (lambda all: {name.replace("layers.2", "layers.9"): one for name, one in all.items()}, "has 3 layers"),
    ],
)
def test_tensors_of_an_adapter_are_all_understood(
    pair: tuple[Path, Path], tmp_path: Path, change: Any, says: str
) -> None:
    adapter = Path(shutil.copytree(pair[1], tmp_path / "adapter"))
    save_file(change(load_file(adapter / "adapter_model.safetensors")), adapter / "adapter_model.safetensors")
    assert says in refused(pair[0], adapter)


@pytest.mark.parametrize(
    ("family", "module", "shape", "says"),
    [
        ("gemma4_e", "layers.4.self_attn.k_proj", (32, 48), "that layer reads the keys and values of layer 2"),
        ("gemma3n", "layers.5.self_attn.v_proj", (32, 48), "that layer reads the keys and values of layer 3"),
        ("gemma4", "layers.1.self_attn.v_proj", (32, 48), "that layer's keys are its values, too"),
        ("gemma4", "layers.1.per_layer_input_gate", (8, 48), "has no such matrix there"),
        ("gemma4", "layers.1.laurel.linear_left", (4, 48), "has no such matrix there"),
        ("gemma4", "layers.1.router.proj", (6, 48), "has no such matrix there"),
        ("gemma4_moe", "layers.1.experts.gate_up_proj", (32, 48), "layers.1.experts.gate_up_proj.lora_A.weight, which"),
        ("gemma4_e", "per_layer_model_projection", (56, 48), "per_layer_model_projection.lora_A.weight, which"),
    ],
)
def test_a_change_to_what_a_layer_does_not_have_is_refused(
    tmp_path: Path, family: str, module: str, shape: tuple[int, int], says: str
) -> None:
    base = build_transformers_model(family, SIZE)
    folder = save_folder(base, tmp_path / "base")
    save_adapter(base, tmp_path / "adapter", target_modules=["q_proj"])
    weights = tmp_path / "adapter" / "adapter_model.safetensors"
    name = f"base_model.model.model.{module}.lora_"
    more = {f"{name}A.weight": torch.ones(4, shape[1]), f"{name}B.weight": torch.ones(shape[0], 4)}
    save_file(load_file(weights) | more, weights)
    assert says in refused(folder, tmp_path / "adapter")


def test_an_adapter_of_another_base_names_both(pair: tuple[Path, Path], tmp_path: Path) -> None:
    adapter = Path(shutil.copytree(pair[1], tmp_path / "adapter"))
    edit_json(adapter / "adapter_config.json", lambda config: config.update(base_model_name_or_path="google/gemma-x"))
    wide = save_folder(build_transformers_model("gemma2", SIZE, hidden_size=64), tmp_path / "wide")
    said = refused(wide, adapter)
    assert said.startswith(f"{adapter} was made for google/gemma-x: model.layers.0.")
    assert f" there is [32, 48], and in {wide} it is [32, 64]" in said or " and in " in said


def test_what_is_no_adapter_is_refused(pair: tuple[Path, Path], tmp_path: Path) -> None:
    assert "found no adapter_config.json" in refused(pair[0], tmp_path)
    (tmp_path / "adapter_config.json").write_text("[", encoding="utf-8")
    assert "found no adapter_model.safetensors" in refused(pair[0], tmp_path)
    (tmp_path / "adapter_model.safetensors").write_bytes(b"x")
    assert "adapter_config.json" in refused(pair[0], tmp_path)
    shutil.copy(pair[1] / "adapter_config.json", tmp_path)
    assert "adapter_model.safetensors" in refused(pair[0], tmp_path)


def test_results_know_their_adapter_and_are_not_gone_on_with_by_another(
    promptlight: Command, pair: tuple[Path, Path], tmp_path: Path
) -> None:
    base, adapter = pair
    prompts, out = tmp_path / "prompts.jsonl", tmp_path / "out"
    prompts.write_text(json.dumps({"id": "a", "prompt": "Suggestion: Onion soup"}), encoding="utf-8")
    arguments = ("run", prompts, "-o", out, "--max-new-tokens", 3, "--device", "cpu", "--model", base)
    assert promptlight(*arguments, "--adapter", adapter).exit_code == 0
    settings = read_settings(out)
    assert settings["adapter"] == str(adapter)
    assert len(settings["adapter_sha256"]) == 64
    assert promptlight(*arguments).exit_code == 5
    changed = promptlight("try", out, "--replace", "Onion=>Leek", "--device", "cpu")
    assert changed.exit_code == 0, changed.stderr
    missing = promptlight(*arguments, "--adapter", tmp_path)
    assert missing.exit_code == 4
    assert missing.stderr.endswith("(--adapter)\n")


# ---- of Keras --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def keras_adapter(tiny_preset: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """A Keras backbone with LoRA, and the file of its adapter."""
    backbone = load_backbone(tiny_preset)
    backbone.enable_lora(3)
    generator = torch.Generator().manual_seed(4)
    for layer in backbone._flatten_layers(include_self=False):
        if getattr(layer, "lora_enabled", False):
            for kernel in (layer.lora_kernel_a, layer.lora_kernel_b):
                kernel.assign(0.3 * torch.randn(kernel.shape, generator=generator))
    file = tmp_path_factory.mktemp("keras") / "tuned.lora.h5"
    backbone.save_lora_weights(str(file))
    return backbone, file


def test_an_adapter_of_keras_gives_kerass_logits(tiny_preset: Path, keras_adapter: tuple[Any, Path]) -> None:
    backbone, file = keras_adapter
    ids = torch.randint(4, SIZE, (1, 30), generator=torch.Generator().manual_seed(1))

    def logits(model: Any) -> torch.Tensor:
        return model.decoder.logits(model.decoder.hidden(model.decoder.embed(ids)))

    with torch.no_grad():
        hidden = backbone({"token_ids": ids, "padding_mask": torch.ones_like(ids)})
        expected = backbone.token_embedding(hidden, reverse=True)
        ours = load_model(str(tiny_preset), adapter=str(file), device="cpu")
        assert (logits(ours) - expected).abs().max() < 1e-4
        assert (logits(load_model(str(tiny_preset), device="cpu")) - expected).abs().max() > 1e-2
    assert not ours.decoder.layers[0].attention.heads.query_key_value.requires_grad
    assert ours.facts.adapter_sha256


def test_an_adapter_of_keras_needs_its_preset(
    tiny_preset: Path, keras_adapter: tuple[Any, Path], pair: tuple[Path, Path], tmp_path: Path
) -> None:
    assert "is an adapter of Keras, and " in refused(pair[0], keras_adapter[1])
    assert "no such file" in refused(tiny_preset, tmp_path / "x.lora.h5")
    (tmp_path / "x.lora.h5").write_bytes(b"x")
    with pytest.raises(ModelError, match="could not be loaded"):
        load_model(str(tiny_preset), adapter=str(tmp_path / "x.lora.h5"))
    assert "is no adapter for GemmaBackbone of this shape" in refused(
        Path("demo"), keras_adapter[1]
    ) or "changes layers" in refused(Path("demo"), keras_adapter[1])


def test_an_adapter_of_peft_is_merged_into_a_keras_preset_too(
    tiny_preset: Path, pair: tuple[Path, Path], tmp_path: Path
) -> None:
    assert " was made for " in refused(tiny_preset, pair[1])
