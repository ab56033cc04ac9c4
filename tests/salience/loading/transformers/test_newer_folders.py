"""Folders of Gemma 4 and 3n that transformers wrote: its log-probabilities and completions, or a refusal by name."""

# pyright: standard

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from promptlight.salience.decoder.generate import generate
from promptlight.salience.errors import ModelError
from promptlight.salience.gradients.compute import compute_salience
from promptlight.salience.loading.architecture import list_shapes
from promptlight.salience.loading.load import load_model
from promptlight.salience.loading.transformers._config import read_architecture
from promptlight.salience.loading.transformers._names import name_tensors
from promptlight.salience.text.tokenizer import Tokenizer
from promptlight.salience.types import Method, StopReason
from tests.support.presets import edit_json
from tests.support.transformers_models import (
    FULL,
    NEWER_FAMILIES,
    SLIDING,
    VOCABULARY,
    build_transformers_model,
    find_difference,
    publish_config,
    save_folder,
    save_multimodal_folder,
)

SIZE = len(Tokenizer.from_file(VOCABULARY))
GEMMAS_4 = NEWER_FAMILIES[:4]
EXPERTS = {"enable_moe_block": True, "num_experts": 5, "top_k_experts": 3, "moe_intermediate_size": 24}


def ropes(full: dict[str, Any], sliding: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        FULL: {"rope_type": "proportional", "partial_rotary_factor": 0.25, "rope_theta": 500.0} | full,
        SLIDING: sliding or {"rope_type": "default", "rope_theta": 50.0},
    }


@pytest.mark.parametrize(
    ("family", "options"),
    [
        *((family, {"final_logit_softcapping": 2.0}) for family in NEWER_FAMILIES),
        *((family, {"rms_norm_eps": 0.1}) for family in NEWER_FAMILIES),
        *((family, {"sliding_window": 5}) for family in NEWER_FAMILIES),
        *((family, {"rope_parameters": ropes({})}) for family in GEMMAS_4),
        ("gemma4", {"final_logit_softcapping": None}),
        ("gemma4", {"rope_parameters": ropes({"partial_rotary_factor": 0.6})}),
        ("gemma4", {"rope_parameters": ropes({"factor": 8.0, "partial_rotary_factor": 1.0})}),
        ("gemma4", {"rope_parameters": ropes({}, {"rope_type": "linear", "factor": 4.0, "rope_theta": 50.0})}),
        ("gemma3n", {"activation_sparsity_pattern": [0.2, 0.5, 0.9, 0.0, 0.99, 0.0]}),
        (
            "gemma3n",
            {
                "rope_parameters": {
                    FULL: {"rope_type": "linear", "factor": 4.0, "rope_theta": 500.0},
                    SLIDING: {"rope_type": "default", "rope_theta": 50.0},
                }
            },
        ),
    ],
    ids=lambda one: one if isinstance(one, str) else str(one)[:70],
)
def test_what_a_config_says_is_run_as_transformers_does(tmp_path: Path, family: str, options: dict[str, Any]) -> None:
    theirs = build_transformers_model(family, SIZE, **options)
    ours = load_model(str(save_folder(theirs, tmp_path)))
    assert find_difference(ours, theirs) < 1e-4
    plain = build_transformers_model(family, SIZE)
    plain.load_state_dict(theirs.state_dict())
    assert find_difference(ours, plain) > 1e-3  # the option matters


@pytest.mark.parametrize(
    ("family", "options"),
    [
        *((family, {}) for family in NEWER_FAMILIES),
        *((family, {"tie_word_embeddings": False}) for family in NEWER_FAMILIES),
        *((family, {"head_dim": 24}) for family in NEWER_FAMILIES),
        ("gemma4", {"attention_k_eq_v": False}),  # the number of key heads is not read then
        ("gemma4", {"num_global_key_value_heads": None}),
        ("gemma4", {"global_head_dim": 16, "num_global_key_value_heads": 2}),  # all layers alike
        ("gemma4", {"use_bidirectional_attention": "vision"}),
        ("gemma4", {"hidden_size_per_layer_input": 8, "vocab_size_per_layer_input": SIZE} | EXPERTS),
        ("gemma4_e", {"num_kv_shared_layers": 0}),
        ("gemma4_e", {"use_double_wide_mlp": False}),
        ("gemma4_e", {"attention_k_eq_v": True, "num_global_key_value_heads": 1}),
        ("gemma4_e", EXPERTS),
        ("gemma4_moe", {"top_k_experts": 6}),
        ("gemma4_unified", {"num_kv_shared_layers": 2, "use_double_wide_mlp": True}),
        ("gemma3n", {"intermediate_size": [96, 80, 64, 48, 96, 32]}),
        ("gemma3n", {"altup_num_inputs": 3, "laurel_rank": 7}),
        ("gemma3n", {"num_kv_shared_layers": 0, "activation_sparsity_pattern": [0.0] * 6}),
    ],
    ids=lambda one: one if isinstance(one, str) else str(one)[:70],
)
def test_log_probabilities_are_those_of_transformers(tmp_path: Path, family: str, options: dict[str, Any]) -> None:
    theirs = build_transformers_model(family, SIZE, **options)
    assert find_difference(load_model(str(save_folder(theirs, tmp_path))), theirs) < 1e-4


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Any, Path]]:
    """A model of each family and its folder. For reading only."""
    root = tmp_path_factory.mktemp("plain")
    models = {one: build_transformers_model(one, SIZE) for one in NEWER_FAMILIES}
    return {one: (model, save_folder(model, root / one)) for one, model in models.items()}


def copy_folder(source: Path, folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    for path in source.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def rewrite(folder: Path, change: Any) -> Path:
    """Change the tensors of a folder."""
    tensors = load_file(folder / "model.safetensors")
    save_file(change(tensors), folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def refused(folder: Path) -> str:
    with pytest.raises(ModelError) as caught:
        load_model(str(folder))
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("family", NEWER_FAMILIES)
def test_every_tensor_that_transformers_stores_has_a_name_here(plain: dict[str, tuple[Any, Path]], family: str) -> None:
    theirs, _ = plain[family]
    config = theirs.config.to_dict()
    architecture = read_architecture(config, "m")
    origins = name_tensors(architecture, "model.")
    assert origins.keys() == list_shapes(architecture).keys()
    named = {name for origin in origins.values() for name in origin.names}
    stored = set(theirs.state_dict()) - {"lm_head.weight", "model.embed_tokens_per_layer.weight"}
    assert named == stored


@pytest.mark.parametrize("family", NEWER_FAMILIES)
def test_greedy_completions_are_those_of_transformers(plain: dict[str, tuple[Any, Path]], family: str) -> None:
    theirs, folder = plain[family]
    ours = load_model(str(folder), device="cpu", dtype="float32")
    prompts = [torch.randint(4, SIZE - 12, (n,), generator=torch.Generator().manual_seed(n)).tolist() for n in (5, 23)]
    found = generate(ours.decoder, prompts, max_new_tokens=24, context_length=128, stops={1: StopReason.END_OF_TEXT})
    for prompt, completion in zip(prompts, found, strict=True):
        with torch.no_grad():
            whole = theirs.generate(
                torch.tensor([prompt]), max_new_tokens=24, do_sample=False, eos_token_id=1, pad_token_id=0
            )
        assert list(completion.ids) == whole[0, len(prompt) :].tolist()


@pytest.mark.parametrize("family", NEWER_FAMILIES)
def test_salience_is_autograd_on_the_transformers_model(tmp_path: Path, family: str) -> None:
    """By both embeddings of a token as they enter the network: the per-layer row weighs sqrt(D / P)."""
    theirs = build_transformers_model(family, SIZE).double()
    theirs.set_experts_implementation("eager")  # the others have no float64
    ours = load_model(str(save_folder(theirs, tmp_path)), device="cpu", dtype="float64")
    ids = torch.randint(4, SIZE, (30,), generator=torch.Generator().manual_seed(1))
    scores = compute_salience(ours.decoder, ids.tolist(), 20, {}).maps[Method.GRAD_L2].scores
    assert scores is not None
    embeddings, inputs = take_rows(theirs.model.embed_tokens, ids)
    arguments, rows, weight = {"inputs_embeds": inputs}, None, 1.0
    if ours.decoder.per_layer is not None:
        table, row_width = theirs.model.embed_tokens_per_layer, theirs.config.hidden_size_per_layer_input
        in_table = torch.where(ids < table.num_embeddings, ids, 0)
        rows, inputs = take_rows(table, in_table)
        arguments["per_layer_inputs"] = inputs.unflatten(-1, (-1, row_width))
        weight = theirs.config.hidden_size / row_width
    log_probs = theirs(**arguments).logits[0].log_softmax(-1)
    for target in (20, 29):
        wanted = [embeddings] if rows is None else [embeddings, rows]
        gradients = torch.autograd.grad(log_probs[target - 1, ids[target]], wanted, retain_graph=True)
        squares = [gradient.square().sum(-1) for gradient in gradients]
        expected = (squares[0] + (weight * squares[1] if rows is not None else 0)).sqrt()
        assert (torch.from_numpy(scores[target - 20]) - expected).norm() / expected.norm() < 1e-4  # its norms: float32


def take_rows(table: Any, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The raw rows of an embedding in transformers, to differentiate by, and [1, T, width] as the model takes them."""
    rows = table.weight[ids].detach().clone().requires_grad_()
    return rows, (rows * table.embed_scale.double())[None]


@pytest.mark.parametrize("family", NEWER_FAMILIES)
def test_a_config_as_published_loads_the_same_model(
    plain: dict[str, tuple[Any, Path]], tmp_path: Path, family: str
) -> None:
    theirs, folder = plain[family]
    now = load_model(str(folder))
    edit_json(copy_folder(folder, tmp_path) / "config.json", publish_config)
    published = load_model(str(tmp_path))
    assert published.facts.config_hash == now.facts.config_hash
    assert find_difference(published, theirs) < 1e-4


@pytest.mark.parametrize("family", NEWER_FAMILIES)
def test_the_text_part_of_a_model_with_towers_is_loaded(
    plain: dict[str, tuple[Any, Path]], tmp_path: Path, family: str
) -> None:
    theirs, _ = plain[family]
    folder = save_multimodal_folder(theirs, tmp_path)
    names = [*load_file(folder / "model.safetensors")]
    assert any("vision" in name for name in names)
    assert find_difference(load_model(str(folder)), theirs) < 1e-4
    edit_json(folder / "config.json", lambda config: config.pop("vision_config"))
    assert "vision" in refused(folder)


def test_12b_in_published_names_of_what_reads_images(plain: dict[str, tuple[Any, Path]], tmp_path: Path) -> None:
    theirs, _ = plain["gemma4_unified"]
    folder = save_multimodal_folder(theirs, tmp_path)
    names = (
        "vision_embedder.patch_ln1.weight",
        "vision_embedder.pos_embedding",
        "embed_vision.embedding_projection.weight",
    )
    rewrite(
        folder,
        lambda tensors: (
            {name: one for name, one in tensors.items() if "embed_vision" not in name}
            | {f"model.{name}": torch.ones(2) for name in names}
        ),
    )
    assert find_difference(load_model(str(folder)), theirs) < 1e-4


@pytest.mark.parametrize("family", NEWER_FAMILIES)
def test_shards_are_read(plain: dict[str, tuple[Any, Path]], tmp_path: Path, family: str) -> None:
    theirs, _ = plain[family]
    folder = save_folder(theirs, tmp_path, max_shard_size="60KB")
    assert len(list(folder.glob("*.safetensors"))) > 2
    assert find_difference(load_model(str(folder)), theirs) < 1e-4


@pytest.mark.parametrize("family", NEWER_FAMILIES)
def test_bfloat16_is_read_and_run(tmp_path: Path, family: str) -> None:
    import transformers

    stored = build_transformers_model(family, SIZE).to(torch.bfloat16)
    folder = save_folder(stored, tmp_path)
    theirs = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype="float32", attn_implementation="eager")
    assert find_difference(load_model(str(folder), device="cpu", dtype="float32"), theirs.eval()) < 1e-4
    narrow = load_model(str(folder), device="cpu", dtype="bfloat16").decoder
    assert torch.equal(narrow.embedding, stored.model.embed_tokens.weight)
    with torch.no_grad():
        assert narrow.logits(narrow.hidden(narrow.embed(torch.arange(4, 40)[None]))).isfinite().all()


def test_keys_and_values_of_layers_that_share_them_are_not_read(
    plain: dict[str, tuple[Any, Path]], tmp_path: Path
) -> None:
    """Published files of the E-series have them."""
    for family, shared, own in (("gemma4_e", 4, 3), ("gemma3n", 4, 3)):
        theirs, source = plain[family]
        folder = copy_folder(source, tmp_path / family)
        more = {
            f"model.layers.{shared}.self_attn.{part}.weight": torch.randn(4, 48)
            for part in ("k_proj", "v_proj", "k_norm")
        }
        rewrite(folder, lambda tensors, more=more: tensors | more)
        assert find_difference(load_model(str(folder)), theirs) < 1e-4
        extra = f"model.layers.{own}.self_attn.v_norm.weight"
        rewrite(folder, lambda tensors, extra=extra: tensors | {extra: torch.ones(16)})
        assert f"has {extra}, which config.json does not ask for" in refused(folder)


PER_LAYER, EXPERT_KEY = "model.embed_tokens_per_layer.weight", "model.layers.1.experts.gate_up_proj"


def without(tensors: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: one for key, one in tensors.items() if key != name}


@pytest.mark.parametrize(
    ("family", "change", "says"),
    [
        ("gemma4", lambda all: all | {"model.layers.1.self_attn.v_proj.weight": torch.ones(32, 48)}, "v_proj"),
        ("gemma4", lambda all: without(all, "model.layers.2.layer_scalar"), "have no model.layers.2.layer_scalar"),
        ("gemma4", lambda all: all | {"model.audio_tower.x": torch.ones(2)}, "has model.audio_tower.x"),
        ("gemma4", lambda all: all | {PER_LAYER: torch.ones(SIZE, 32)}, f"has {PER_LAYER}"),
        (
            "gemma4",
            lambda all: all | {"model.layers.1.router.scale": torch.ones(48)},
            "has model.layers.1.router.scale",
        ),
        ("gemma4_e", lambda all: without(all, PER_LAYER), f"its files have no {PER_LAYER}"),
        (
            "gemma4_e",
            lambda all: all | {PER_LAYER: all[PER_LAYER][:, 1:].clone()},
            f"{PER_LAYER} in model.safetensors has",
        ),
        ("gemma4_e", lambda all: all | {PER_LAYER: all[PER_LAYER].to(torch.int8)}, f"{PER_LAYER} in I8"),
        (
            "gemma4_moe",
            lambda all: all | {EXPERT_KEY: all[EXPERT_KEY][:, 1:].clone()},
            "has shape [6, 31, 48]; expected [6, 32, 48]",
        ),
        ("gemma4_moe", lambda all: without(all, EXPERT_KEY), f"its files have no {EXPERT_KEY}"),
        (
            "gemma3n",
            lambda all: without(all, "model.altup_projections.2.weight"),
            "no model.altup_projections.2.weight",
        ),
        ("gemma3n", lambda all: all | {"model.altup_projections.3.weight": torch.ones(48, 48)}, "altup_projections.3"),
    ],
)
def test_tensors_are_all_there_and_all_understood(
    plain: dict[str, tuple[Any, Path]], tmp_path: Path, family: str, change: Any, says: str
) -> None:
    assert says in refused(rewrite(copy_folder(plain[family][1], tmp_path), change))
