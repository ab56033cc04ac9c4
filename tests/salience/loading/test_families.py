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
from promptlight.salience.loading.families import FAMILIES, find_family, find_sizes, list_families
from promptlight.salience.loading.keras.backbone import find_presets
from promptlight.salience.loading.load import load_model
from promptlight.salience.loading.other_kinds import explain_name
from promptlight.salience.loading.presets import check_preset
from promptlight.salience.loading.vocabulary import load_tokenizer
from promptlight.salience.text.chat import GEMMA_4_CHAT
from tests.conftest import Offline, save_tiny_preset
from tests.oracles.tiny import NEWER_FAMILIES, build_backbone
from tests.support.presets import edit_json, save_newer_preset
from tests.support.transformers_models import build_transformers_model, save_folder

COVERED = (
    "Gemma 1 and 1.1 (with CodeGemma and VaultGemma), Gemma 2 (with ShieldGemma and C2S-Scale), Gemma 3 text (with"
    " FunctionGemma, MedGemma and TranslateGemma), Gemma 3n text and Gemma 4 text"
)


def of_keras(name: str, **sizes: Any) -> dict[str, Any]:
    module = "keras_hub.src.models"
    return {"module": module, "class_name": name, "config": sizes, "registered_name": f"keras_hub>{name}"}


NOT_COVERED = [  # what is called a Gemma, and is another kind of model; and what is none
    *({"model_type": name} for name in ("gemma5", "gemma3_vision", "gemma4_vision", "gemma3n_audio")),
    *({"model_type": name} for name in ("llama", "gpt2", "Gemma2")),
    *(of_keras(f"{name}Backbone") for name in ("Gemma5", "GPT2")),
    of_keras("Gemma5Backbone") | {"model_type": "gemma2"},  # keras-nlp goes by the class then
]
EMBEDS, DRAFTS = (
    "it is an embedding model, which makes a vector of a text and predicts no next token",
    "it drafts tokens",
)
SEES_ALL, ENCODES = "it reads each token together with those after it", "an encoder reads the prompt in both directions"
OTHER_KINDS = {  # by name, in each format; and the reason
    "EmbeddingGemma2Backbone": EMBEDS,
    "embedding_gemma2": EMBEDS,
    "embedding_gemma2_text": EMBEDS,
    "colpali": EMBEDS,
    "Gemma4AssistantBackbone": DRAFTS,
    "gemma4_assistant": DRAFTS,
    "gemma4_unified_assistant": DRAFTS,
    "DiffusionGemmaBackbone": "it writes many tokens at once by removing noise",
    "diffusion_gemma": "it writes many tokens at once by removing noise",
    "T5GemmaBackbone": ENCODES,
    "T5Gemma2Backbone": ENCODES,
    "t5gemma": ENCODES,
    "t5gemma2": ENCODES,
    "PaliGemmaBackbone": "it answers about an image",
    "paligemma": "it answers about an image",
    "recurrent_gemma": "most of its layers are recurrent",
    "shieldgemma2": "it classifies images and writes no text",
    "vaultgemma": "VaultGemma is read from a preset of Keras only; use vault_gemma_1b_en",
}
OTHER_OPTIONS: list[tuple[dict[str, Any], str, str]] = [
    ({"model_type": "gemma3_text", "use_bidirectional_attention": True}, "use_bidirectional_attention", SEES_ALL),
    ({"model_type": "gemma3_text", "use_bidirectional_attention": "vision"}, "use_bidirectional_attention", SEES_ALL),
    ({"model_type": "gemma3", "use_bidirectional_attention": 1}, "use_bidirectional_attention", SEES_ALL),
    (
        {"model_type": "gemma3", "text_config": {"use_bidirectional_attention": True}},
        "use_bidirectional_attention",
        SEES_ALL,
    ),
    (
        {"model_type": "gemma4", "text_config": {"use_bidirectional_attention": "all"}},
        "use_bidirectional_attention",
        SEES_ALL,
    ),
    ({"model_type": "gemma2", "is_encoder_decoder": True}, "is_encoder_decoder", ENCODES),
    ({"model_type": "gemma2", "add_cross_attention": True}, "add_cross_attention", ENCODES),
    (
        of_keras("Gemma3Backbone", use_bidirectional_attention=True, is_embedding_model=True),
        "is_embedding_model",
        EMBEDS,
    ),
    (of_keras("Gemma3Backbone", use_bidirectional_attention=True), "use_bidirectional_attention", SEES_ALL),
    (of_keras("Gemma4Backbone", use_bidirectional_attention="vision"), "use_bidirectional_attention", SEES_ALL),
    (of_keras("Gemma4Backbone", num_layers=4, num_kv_shared_layers=4), "all layers in num_kv_shared_layers", DRAFTS),
    (
        {"model_type": "gemma4_text", "num_hidden_layers": 4, "num_kv_shared_layers": 4},
        "all layers in num_kv_shared_layers",
        DRAFTS,
    ),
]
OF_FAMILY = {
    "gemma": "Gemma 1",
    "gemma2": "Gemma 2",
    "gemma3": "Gemma 3 ",
    "gemma3n": "Gemma 3n",
    **dict.fromkeys(("gemma4", "gemma4_e", "gemma4_moe"), "Gemma 4"),
}
NAMELESS = [{}, {"architectures": ["GemmaForCausalLM"]}, {"class_name": "GemmaBackbone", "config": {}}]


def name_of(config: dict[str, Any]) -> str:
    return str(config["class_name"] if "registered_name" in config else config["model_type"])


def name_in_both(name: str) -> dict[str, Any]:
    return of_keras(name) if name.endswith("Backbone") else {"model_type": name}


REFUSALS = [  # a config, and what the message begins with and ends with
    *((config, f"{name_of(config)} is not covered; covered are {COVERED}", "") for config in NOT_COVERED),
    *((name_in_both(name), f"{name} is not covered: {why}", COVERED) for name, why in OTHER_KINDS.items()),
    *((config, f"{name_of(config)} with {option}", f"{COVERED}") for config, option, _ in OTHER_OPTIONS),
    *((config, f"config.json does not say what the model is; covered are {COVERED}", "") for config in NAMELESS),
]


def write_config(folder: Path, config: dict[str, Any]) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


@pytest.mark.parametrize(("config", "begins", "ends"), REFUSALS, ids=lambda one: str(one)[:60])
def test_a_folder_of_another_family_is_refused_with_those_covered(
    tmp_path: Path, config: dict[str, Any], begins: str, ends: str
) -> None:
    (write_config(tmp_path, config) / "model.safetensors").touch()
    for load in (load_model, load_tokenizer):
        with pytest.raises(ModelError, match=match_refusal(str(tmp_path), begins, ends)):
            load(str(tmp_path))


def match_refusal(handle: str, begins: str, ends: str) -> str:
    return f"^{re.escape(f'{handle}: {begins}')}{f'.*{re.escape(ends)}' if ends else ''}$"


@pytest.mark.parametrize(("config", "begins", "ends"), REFUSALS, ids=lambda one: str(one)[:60])
@pytest.mark.parametrize("handle", ["hf://me/gemma", "kaggle://keras/gemma2/keras/x", "gemma3_instruct_1b"])
def test_a_hubs_model_of_another_family_is_refused_when_its_config_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, handle: str, config: dict[str, Any], begins: str, ends: str
) -> None:
    fetched: list[str] = []

    def download(_: str, file: str, revision: str | None = None) -> str:
        fetched.append(file)
        return str(tmp_path / file)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    monkeypatch.setattr(kagglehub, "model_download", download)
    write_config(tmp_path, config)
    for load in (load_model, load_tokenizer):
        with pytest.raises(ModelError, match=match_refusal(handle, begins, ends)):
            load(handle)
    assert set(fetched) == {"config.json"}


@pytest.mark.parametrize(("config", "option", "why"), OTHER_OPTIONS, ids=lambda one: str(one)[:60])
def test_an_option_that_makes_it_another_kind_is_named_with_the_reason(
    config: dict[str, Any], option: str, why: str
) -> None:
    with pytest.raises(ModelError, match=f"{name_of(config)} with {option}.* is not covered: {why}"):
        find_family(config, "it")


def test_gemma_4_may_see_images_in_both_directions() -> None:
    for config in ({"model_type": "gemma4_text"}, {"model_type": "gemma4", "text_config": {}}):
        sizes: Any = find_sizes(config)
        sizes["use_bidirectional_attention"] = "vision"
        assert find_family(config, "it").name == "Gemma 4 text"


PRESETS = {  # of keras-nlp, that are refused by their name: one of each kind
    "embedding_gemma3_300m": EMBEDS,
    "harrier_embedding_oss_270m": EMBEDS,
    "gemma4_instruct_2b_assistant": DRAFTS,
    "gemma4_instruct_26b_a4b_assistant": DRAFTS,
    "t5gemma_s_s_ul2": ENCODES,
    "t5gemma2_270m_270m": ENCODES,
    "pali_gemma_3b_224": "it answers about an image",
    "pali_gemma2_mix_3b_224": "it answers about an image",
    "gpt2_base_en": "this family is not covered",
}


@pytest.mark.parametrize(("name", "why"), PRESETS.items())
def test_a_preset_of_another_kind_is_refused_by_its_name(no_network: Offline, name: str, why: str) -> None:
    for load in (load_model, load_tokenizer):
        with pytest.raises(ModelError, match=f"^{name}: {why}.*; covered are Gemma 1 and 1.1"):
            load(name)
    assert no_network.attempts == []


def test_what_no_config_marks_is_refused_by_its_address(no_network: Offline) -> None:
    address = "kaggle://keras/harrier/keras/harrier_embedding_oss_270m/1"
    with pytest.raises(ModelError, match=f"^{address}: not covered: {EMBEDS}"):
        load_model(address)
    assert no_network.attempts == []


def test_each_preset_of_keras_is_covered_or_refused_with_a_reason() -> None:
    listed = [name for family in FAMILIES for name in family.presets]
    assert len(listed) == len(set(listed))
    for family in FAMILIES:
        theirs = find_presets(family.keras_backbone)
        ours = {name for one in FAMILIES if one.keras_backbone == family.keras_backbone for name in one.presets}
        assert {name for name in theirs if explain_name(name) is None} == ours
    for name in find_presets().keys() - set(listed):
        if "gemma" in name.replace("_", "") and not name.startswith("mobilenet"):
            assert explain_name(name), name


def make_bidirectional(config: Any) -> None:
    sizes: Any = find_sizes(config)
    sizes["use_bidirectional_attention"] = True


def test_a_gemma_3_that_reads_in_both_directions_is_refused_in_both_formats(tmp_path: Path) -> None:
    keras_folder, theirs = tmp_path / "keras", tmp_path / "transformers"
    build_backbone("gemma3", vocabulary_size=1536).save_to_preset(str(keras_folder))
    save_folder(build_transformers_model("gemma3", 1536), theirs)
    assert load_model(str(theirs)).decoder.layers
    for folder in (keras_folder, theirs):
        edit_json(folder / "config.json", make_bidirectional)
        with pytest.raises(
            ModelError, match=f"with use_bidirectional_attention in config.json is not covered: {SEES_ALL}"
        ):
            load_model(str(folder))


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
        (of_keras("Gemma3Backbone", use_post_ffw_norm=True, is_embedding_model=False), "Gemma 3 text"),
        (of_keras("Gemma3nBackbone"), "Gemma 3n"),
        (of_keras("Gemma4Backbone", num_layers=35, num_kv_shared_layers=20), "Gemma 4"),
        *(({"model_type": name}, "Gemma 3n") for name in ("gemma3n", "gemma3n_text")),
        *(({"model_type": f"gemma4{name}"}, "Gemma 4") for name in ("", "_text", "_unified", "_unified_text")),
    ],
)
def test_a_family_is_known_by_its_config(config: dict[str, Any], name: str) -> None:
    assert find_family(config, "it").name.startswith(name)


@pytest.mark.parametrize(("family", "name"), [*OF_FAMILY.items()])
def test_what_keras_writes_is_known(family: str, name: str) -> None:
    config = cast("dict[str, Any]", keras.saving.serialize_keras_object(build_backbone(family)))
    assert find_family(config, "it").name.startswith(name)


@pytest.mark.parametrize("family", OF_FAMILY)
def test_what_a_keras_preset_names_is_known(family: str) -> None:
    backbone = build_backbone(family)
    found = find_family(cast("dict[str, Any]", keras.saving.serialize_keras_object(backbone)), "it")
    prefix = type(backbone).__name__.removesuffix("Backbone")
    theirs = {name for room in (keras_nlp.models, keras_nlp.layers) for name in dir(room)}
    assert found.keras_classes <= theirs
    others = {"AssistantCausalLM", "TextEmbedder", "TextEmbedderPreprocessor"}  # other kinds' classes
    named = {name for name in theirs if re.fullmatch(rf"{prefix}[A-Z]\w*", name)}
    assert named - found.keras_classes == {prefix + other for other in others} & theirs


@pytest.mark.parametrize("family", NEWER_FAMILIES)
def test_a_preset_that_keras_saved_is_only_data(tmp_path: Path, family: str) -> None:
    save_newer_preset(family, tmp_path)
    check_preset(tmp_path, "it")


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        (of_keras("Gemma4Backbone", hidden_size_per_layer_input=256), 131_072),
        (of_keras("Gemma4Backbone", hidden_size_per_layer_input=0), 262_144),
        (of_keras("Gemma3nBackbone", hidden_size_per_layer_input=256, max_position_embeddings=1024), 1024),
        (of_keras("Gemma3nBackbone"), 32_768),
        (of_keras("GemmaBackbone"), 8192),
    ],
)
def test_a_context_length_is_stated_or_its_familys(sizes: dict[str, Any], expected: int) -> None:
    assert find_family(sizes, "it").find_context_length(sizes) == expected


def test_each_model_is_of_one_family_which_keras_has() -> None:
    types = [one for family in FAMILIES for one in family.model_types]
    assert len(types) == len(set(types))
    for family in FAMILIES:
        assert issubclass(getattr(keras_nlp.models, family.keras_backbone), keras_nlp.models.Backbone)
        config = of_keras(family.keras_backbone, **family.keras_options)
        assert [one for one in FAMILIES if one.covers(config)] == [family]
    assert list_families() == COVERED


@pytest.mark.parametrize(("name", "why"), [("Gemma3TextEmbedder", EMBEDS), ("Gemma4AssistantCausalLM", DRAFTS)])
def test_a_task_of_another_kind_is_refused_with_the_reason(tmp_path: Path, name: str, why: str) -> None:
    folder = save_tiny_preset(tmp_path / "preset")
    edit_json(folder / "task.json", lambda value: value.update(of_keras(name)))
    with pytest.raises(ModelError, match=f"task.json asks for {name}, which is not covered: {why}"):
        load_model(str(folder))


@pytest.mark.parametrize("name", ["Gemma3nAudioEncoder", "Gemma4MoEBlock", "GemmaFunction", "Gemma"])
@pytest.mark.parametrize("file", ["tokenizer.json", "task.json"])
def test_no_class_of_another_family_is_made(tmp_path: Path, file: str, name: str) -> None:
    folder = save_tiny_preset(tmp_path / "preset")
    edit_json(folder / file, lambda value: value["config"].update(more=of_keras(name)))
    with pytest.raises(ModelError, match=f"{file} asks for {name} of keras_hub.src.models, which no covered model has"):
        load_model(str(folder))


@pytest.mark.parametrize(("width", "fills"), [(None, True), (0, True), (256, False)])
def test_only_sizes_without_a_per_layer_table_read_an_empty_thought(width: int | None, fills: bool) -> None:
    family = next(one for one in FAMILIES if one.chat is GEMMA_4_CHAT)
    sizes = {} if width is None else {"hidden_size_per_layer_input": width}
    configs = [{"registered_name": "x", "config": sizes}, {"text_config": sizes}, sizes]
    assert [family.chat_of(config).fills_empty_thought for config in configs] == [fills] * 3
    assert not any(one.chat_with(width).thinks for one in FAMILIES if one is not family)
