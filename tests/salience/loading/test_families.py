"""A model is known by its config.json alone: what is covered loads, and what is not is refused before it is fetched."""

# pyright: standard

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, cast

import huggingface_hub
import kagglehub
import keras
import keras_nlp
import pytest

from promptlight.salience.errors import ModelError
from promptlight.salience.loading.families import FAMILIES, find_family, list_families
from promptlight.salience.loading.load import load_model
from promptlight.salience.loading.vocabulary import load_tokenizer
from tests.conftest import Offline, save_tiny_preset
from tests.oracles.tiny import build_backbone
from tests.support.presets import edit_json

COVERED = "Gemma 1 and 1.1 (with CodeGemma), Gemma 2 (with ShieldGemma) and Gemma 3 text"


def of_keras(name: str, **sizes: Any) -> dict[str, Any]:
    module = "keras_hub.src.models"
    return {"module": module, "class_name": name, "config": sizes, "registered_name": f"keras_hub>{name}"}


NOT_COVERED = [  # what is called a Gemma, and is another kind of model; and what is none
    *({"model_type": name} for name in ("gemma3n", "gemma3n_text", "gemma4", "gemma4_text", "recurrent_gemma")),
    *({"model_type": name} for name in ("paligemma", "t5gemma", "t5gemma2", "shieldgemma2", "vaultgemma", "gemma5")),
    *({"model_type": name} for name in ("embedding_gemma2", "llama", "gpt2", "Gemma2")),
    *(of_keras(f"{name}Backbone") for name in ("Gemma3n", "Gemma4", "PaliGemma", "T5Gemma", "T5Gemma2", "GPT2")),
    of_keras("Gemma4Backbone") | {"model_type": "gemma2"},  # keras-nlp goes by the class then
]
EMBEDDINGS = [
    {"model_type": "gemma3_text", "use_bidirectional_attention": True},
    {"model_type": "gemma3", "text_config": {"use_bidirectional_attention": True}},
    of_keras("Gemma3Backbone", use_bidirectional_attention=True),
    of_keras("Gemma3Backbone", is_embedding_model=True),
]
NAMELESS = [{}, {"architectures": ["GemmaForCausalLM"]}, {"class_name": "GemmaBackbone", "config": {}}]


def name_of(config: dict[str, Any]) -> str:
    return str(config["class_name"] if "registered_name" in config else config["model_type"])


REFUSALS = [
    *((config, f"{name_of(config)} is not covered; covered are {COVERED}") for config in NOT_COVERED),
    *((config, f"{name_of(config)} for embeddings is not covered; covered are {COVERED}") for config in EMBEDDINGS),
    *((config, f"config.json does not say what the model is; covered are {COVERED}") for config in NAMELESS),
]


def write_config(folder: Path, config: dict[str, Any]) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


@pytest.mark.parametrize(("config", "says"), REFUSALS, ids=lambda one: str(one)[:60])
def test_a_folder_of_another_family_is_refused_with_those_covered(
    tmp_path: Path, config: dict[str, Any], says: str
) -> None:
    (write_config(tmp_path, config) / "model.safetensors").touch()
    for load in (load_model, load_tokenizer):
        with pytest.raises(ModelError, match=f"^{re.escape(f'{tmp_path}: {says}')}$"):
            load(str(tmp_path))


@pytest.mark.parametrize(("config", "says"), REFUSALS, ids=lambda one: str(one)[:60])
@pytest.mark.parametrize("handle", ["hf://me/gemma", "kaggle://keras/gemma2/keras/x", "gemma3_instruct_1b"])
def test_a_hubs_model_of_another_family_is_refused_when_its_config_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, handle: str, config: dict[str, Any], says: str
) -> None:
    fetched: list[str] = []

    def download(_: str, file: str) -> str:
        fetched.append(file)
        return str(tmp_path / file)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    monkeypatch.setattr(kagglehub, "model_download", download)
    write_config(tmp_path, config)
    for load in (load_model, load_tokenizer):
        with pytest.raises(ModelError, match=f"^{re.escape(f'{handle}: {says}')}$"):
            load(handle)
    assert set(fetched) == {"config.json"}


@pytest.mark.parametrize("name", ["gemma3n_e2b", "gemma4_2b", "pali_gemma_3b_224", "t5gemma_s_s_ul2", "gpt2_base_en"])
def test_a_preset_of_another_family_is_refused_by_its_name(no_network: Offline, name: str) -> None:
    with pytest.raises(ModelError, match=f"^{name}: this family is not covered; covered are Gemma 1 and 1.1"):
        load_model(name)
    assert no_network.attempts == []


@pytest.mark.parametrize(
    ("config", "name"),
    [
        ({"model_type": "gemma"}, "Gemma 1"),
        ({"model_type": "gemma2"}, "Gemma 2"),
        ({"model_type": "gemma3_text", "use_bidirectional_attention": False}, "Gemma 3"),
        ({"model_type": "gemma3", "text_config": {}, "vision_config": {}}, "Gemma 3"),
        (of_keras("GemmaBackbone"), "Gemma 1"),  # as older presets say it
        (of_keras("GemmaBackbone", use_post_ffw_norm=False), "Gemma 1"),
        (of_keras("GemmaBackbone", use_post_ffw_norm=True), "Gemma 2"),
        (of_keras("Gemma3Backbone", use_post_ffw_norm=True, is_embedding_model=False), "Gemma 3"),
    ],
)
def test_a_family_is_known_by_its_config(config: dict[str, Any], name: str) -> None:
    assert find_family(config, "it").name.startswith(name)


@pytest.mark.parametrize(("family", "name"), [("gemma", "Gemma 1"), ("gemma2", "Gemma 2"), ("gemma3", "Gemma 3")])
def test_what_keras_writes_is_known(family: str, name: str) -> None:
    config = cast("dict[str, Any]", keras.saving.serialize_keras_object(build_backbone(family)))
    assert find_family(config, "it").name.startswith(name)


def test_each_model_is_of_one_family_which_keras_has() -> None:
    types = [one for family in FAMILIES for one in family.model_types]
    assert len(types) == len(set(types))
    for family in FAMILIES:
        assert issubclass(getattr(keras_nlp.models, family.keras_backbone), keras_nlp.models.Backbone)
        config = of_keras(family.keras_backbone, **family.keras_options)
        assert [one for one in FAMILIES if one.covers(config)] == [family]
    assert list_families() == COVERED


@pytest.mark.parametrize("name", ["Gemma3nBackbone", "Gemma4CausalLM", "PaliGemmaBackbone", "Gemma"])
@pytest.mark.parametrize("file", ["tokenizer.json", "task.json"])
def test_no_class_of_another_family_is_made(tmp_path: Path, file: str, name: str) -> None:
    folder = save_tiny_preset(tmp_path / "preset")
    edit_json(folder / file, lambda value: value["config"].update(more=of_keras(name)))
    with pytest.raises(ModelError, match=f"{file} asks for {name} of keras_hub.src.models, which no covered model has"):
        load_model(str(folder))
