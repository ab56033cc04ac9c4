"""Folders that transformers wrote: its log-probabilities, whatever their config.json says, or a refusal by the key."""

# pyright: standard

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from promptlight.salience.errors import ModelError
from promptlight.salience.gradients.compute import compute_salience
from promptlight.salience.loading.load import load_model
from promptlight.salience.text.tokenizer import Tokenizer
from promptlight.salience.types import Method
from tests.support.presets import edit_json
from tests.support.transformers_models import VOCABULARY, build_transformers_model, find_difference, save_folder

SIZE = len(Tokenizer.from_file(VOCABULARY))
FAMILIES = ("gemma", "gemma2", "gemma3")
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32}
LINEAR = {"rope_type": "linear", "factor": 8.0}


def rope(full: dict[str, Any], sliding: dict[str, Any] | None = None) -> dict[str, Any]:
    sliding = sliding or {"rope_type": "default", "rope_theta": 500.0}
    return {"full_attention": {"rope_theta": 50_000.0} | full, "sliding_attention": {"rope_theta": 700.0} | sliding}


def bend(model: Any) -> Any:
    """Heads of their own and biases are drawn as large as what they are added to."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith(("bias", "lm_head.weight")):
                parameter.add_(0.3 * torch.randn_like(parameter))
    return model


@pytest.mark.parametrize(
    ("family", "options"),
    [
        *((family, {"tie_word_embeddings": False}) for family in FAMILIES),
        *((family, {"attention_bias": True}) for family in FAMILIES),
        *((family, {"rms_norm_eps": 0.01}) for family in FAMILIES),
        *((family, {"head_dim": 24}) for family in FAMILIES),
        *((family, {"rope_parameters": LINEAR | {"rope_theta": 300.0}}) for family in FAMILIES[:2]),
        *((family, {"rope_parameters": YARN | {"rope_theta": 10_000.0}}) for family in FAMILIES[:2]),
        ("gemma2", {"query_pre_attn_scalar": 40, "sliding_window": 5}),
        ("gemma2", {"final_logit_softcapping": None, "attn_logit_softcapping": 3.0}),
        ("gemma2", {"final_logit_softcapping": 2.0, "attn_logit_softcapping": None}),
        ("gemma2", {"layer_types": ["full_attention", "full_attention", "sliding_attention"]}),
        ("gemma3", {"query_pre_attn_scalar": 40, "final_logit_softcapping": 2.0}),
        ("gemma3", {"layer_types": ["full_attention", *["sliding_attention"] * 4, *["full_attention"] * 2]}),
        ("gemma3", {"layer_types": None, "sliding_window_pattern": 3}),
        ("gemma3", {"rope_parameters": rope({"rope_type": "default"})}),
        ("gemma3", {"rope_parameters": rope(LINEAR, LINEAR | {"factor": 2.0})}),
        ("gemma3", {"rope_parameters": rope(YARN)}),
        ("gemma3", {"rope_parameters": rope(YARN | {"attention_factor": 1.3, "beta_fast": 20, "beta_slow": 2})}),
        ("gemma3", {"rope_parameters": rope(YARN | {"mscale": 0.7, "mscale_all_dim": 1.5})}),
    ],
    ids=lambda one: one if isinstance(one, str) else str(one)[:70],
)
def test_log_probabilities_are_those_of_transformers(tmp_path: Path, family: str, options: dict[str, Any]) -> None:
    theirs = bend(build_transformers_model(family, SIZE, **options))
    ours = load_model(str(save_folder(theirs, tmp_path)))
    assert find_difference(ours, theirs) < 1e-4
    plain = build_transformers_model(family, SIZE)
    if "head_dim" not in options:
        plain.load_state_dict(theirs.state_dict(), strict=False)
        assert find_difference(ours, plain) > 1e-3  # the option matters


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    "old",
    [
        {"rope_theta": 700.0},
        {"rope_theta": 700.0, "rope_scaling": None},
        {"rope_theta": 700.0, "rope_scaling": {"rope_type": "linear", "factor": 3.0}},
        {"rope_theta": 700.0, "rope_scaling": {"type": "linear", "factor": 3.0}},
        {"rope_theta": 700.0, "rope_local_base_freq": 90.0},
    ],
)
def test_what_old_versions_wrote_of_the_rotation_is_run(tmp_path: Path, family: str, old: dict[str, Any]) -> None:
    import transformers

    folder = save_folder(build_transformers_model(family, SIZE), tmp_path)
    edit_json(folder / "config.json", lambda config: config.update(rope_parameters=None, **old))
    unclear = "rope_local_base_freq" if family != "gemma3" else "rope_scaling" if "'type'" in str(old) else None
    if unclear in old:
        assert unclear in refused(folder)
        return
    theirs = transformers.AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager").eval()
    assert find_difference(load_model(str(folder)), theirs) < 1e-4


def test_what_config_json_leaves_out_is_transformers_default(tmp_path: Path) -> None:
    import transformers

    for family in FAMILIES:
        folder = save_folder(build_transformers_model(family, SIZE, head_dim=256), tmp_path / family)
        kept = {
            *("model_type", "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers"),
            *("num_attention_heads", "num_key_value_heads"),
        }
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        short = {key: value for key, value in config.items() if key in kept}
        (folder / "config.json").write_text(json.dumps(short), encoding="utf-8")
        theirs = transformers.AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager").eval()
        ours = load_model(str(folder))
        assert find_difference(ours, theirs) < 1e-4
        assert ours.facts.context_length == theirs.config.max_position_embeddings


def refused(folder: Path) -> str:
    with pytest.raises(ModelError) as caught:
        load_model(str(folder))
    message = str(caught.value)
    assert message.startswith(f"{folder}: ")
    assert "\n" not in message
    return message


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder of each family. For reading only."""
    root = tmp_path_factory.mktemp("plain")
    return {one: save_folder(build_transformers_model(one, SIZE), root / one) for one in FAMILIES}


def change(source: Path, folder: Path, change: dict[str, Any]) -> Path:
    """A copy of a folder with other keys in its config.json."""
    folder.mkdir(exist_ok=True)
    for path in source.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    edit_json(folder / "config.json", lambda config: config.update(change))
    return folder


GEMMAS_2_AND_3 = FAMILIES[1:]


@pytest.mark.parametrize(
    ("families", "key", "value"),
    [
        (FAMILIES, "never_heard_of", 1),
        (FAMILIES, "never_heard_of", None),
        (FAMILIES, "hidden_act", "relu"),
        (FAMILIES, "hidden_activation", "silu"),
        (GEMMAS_2_AND_3, "hidden_activation", "gelu"),
        (FAMILIES, "is_encoder_decoder", True),
        (FAMILIES, "add_cross_attention", True),
        (FAMILIES, "pruned_heads", {"0": [1]}),
        (FAMILIES, "partial_rotary_factor", 0.5),
        (FAMILIES, "num_experts", 8),
        (FAMILIES, "attention_bias", "yes"),
        (FAMILIES, "rms_norm_eps", "1e-6"),
        (FAMILIES, "head_dim", 16.5),
        (FAMILIES, "num_key_value_heads", 3),
        (FAMILIES, "tie_word_embeddings", 1),
        (FAMILIES, "rope_theta", -1),
        (FAMILIES, "rope_scaling", "linear"),
        (FAMILIES, "architectures", ["GemmaForSequenceClassification"]),
        (FAMILIES, "architectures", ["Gemma2Model"]),
        (FAMILIES, "architectures", "Gemma2ForCausalLM"),
        (("gemma",), "sliding_window", 16),
        (("gemma",), "final_logit_softcapping", 30.0),
        (("gemma",), "layer_types", ["full_attention"] * 3),
        (("gemma",), "query_pre_attn_scalar", 4),
        (("gemma2",), "sliding_window_pattern", 3),
        (("gemma2",), "sliding_window_size", 17),
        (GEMMAS_2_AND_3, "sliding_window", None),
        (GEMMAS_2_AND_3, "layer_types", ["full_attention"]),
        (GEMMAS_2_AND_3, "layer_types", "full_attention"),
        (("gemma2",), "layer_types", ["chunked_attention"] * 3),
        (("gemma3",), "attn_logit_softcapping", 50.0),
        (("gemma3",), "layer_types", ["linear_attention"] * 7),
    ],
)
def test_a_key_that_is_not_run_is_refused_by_its_name(
    plain: dict[str, Path], tmp_path: Path, families: tuple[str, ...], key: str, value: Any
) -> None:
    for family in families:
        message = refused(change(plain[family], tmp_path / family, {key: value}))
        assert key in message
        assert "config.json" in message


@pytest.mark.parametrize("kind", ["dynamic", "longrope", "llama3", "proportional", None, 3])
@pytest.mark.parametrize("family", FAMILIES)
def test_other_rotations_are_refused_by_their_type(
    plain: dict[str, Path], tmp_path: Path, family: str, kind: Any
) -> None:
    one = {"rope_type": kind, "factor": 2.0}
    there = rope(one) if family == "gemma3" else one
    message = refused(change(plain[family], tmp_path, {"rope_parameters": there}))
    assert "rope_parameters" in message
    assert "rope_type" in message
    assert json.dumps(kind) in message


@pytest.mark.parametrize(
    ("family", "parameters", "says"),
    [
        ("gemma3", {"rope_type": "linear", "factor": 2.0}, "rope_parameters has factor"),
        ("gemma2", rope({}), "rope_parameters has full_attention"),
        ("gemma2", {"rope_type": "linear"}, "has no factor"),
        ("gemma2", {"rope_type": "default", "factor": 2.0}, "has factor, which is not covered"),
        ("gemma3", rope(YARN | {"truncate": False}), "has truncate"),
        ("gemma3", rope({"partial_rotary_factor": 0.5}), "has partial_rotary_factor"),
    ],
)
def test_rotations_that_make_no_sense_are_refused(
    plain: dict[str, Path], tmp_path: Path, family: str, parameters: dict[str, Any], says: str
) -> None:
    assert says in refused(change(plain[family], tmp_path, {"rope_parameters": parameters}))


# ---- tensors ---------------------------------------------------------------------------------------------------------


def rewrite(folder: Path, change: Any) -> Path:
    """Change the tensors of a folder."""
    tensors = load_file(folder / "model.safetensors")
    save_file(change(tensors), folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("tied", [True, False])
def test_a_head_that_is_there_is_used_as_transformers_uses_it(tmp_path: Path, family: str, tied: bool) -> None:
    import transformers

    folder = save_folder(build_transformers_model(family, SIZE), tmp_path)
    head = torch.randn(SIZE, 48, generator=torch.Generator().manual_seed(2))
    rewrite(folder, lambda tensors: tensors | {"lm_head.weight": head})
    edit_json(folder / "config.json", lambda config: config.update(tie_word_embeddings=tied))
    theirs = transformers.AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager").eval()
    ours = load_model(str(folder))
    assert ours.decoder.own_head is not None
    assert find_difference(ours, theirs) < 1e-4


def test_a_head_that_is_the_embedding_is_stored_once(tmp_path: Path) -> None:
    folder = save_folder(build_transformers_model("gemma2", SIZE), tmp_path)
    before = load_model(str(folder))
    rewrite(folder, lambda tensors: tensors | {"lm_head.weight": tensors["model.embed_tokens.weight"].clone()})
    after = load_model(str(folder))
    assert after.decoder.own_head is None
    assert after.facts.config_hash == before.facts.config_hash
    rewrite(folder, lambda tensors: {name: one for name, one in tensors.items() if "embed_tokens" not in name})
    assert torch.equal(load_model(str(folder)).decoder.embedding, before.decoder.embedding)


def test_a_head_that_is_asked_for_and_is_not_there_is_refused(plain: dict[str, Path], tmp_path: Path) -> None:
    folder = change(plain["gemma2"], tmp_path, {"tie_word_embeddings": False})
    assert "config.json has tie_word_embeddings false, and no file has lm_head.weight" in refused(folder)


KEY = "model.layers.1.self_attn.k_proj.weight"


@pytest.mark.parametrize(
    ("change_tensors", "says"),
    [
        (lambda all: {name: one for name, one in all.items() if name != KEY}, f"its files have no {KEY}"),
        (lambda all: all | {KEY: all[KEY][:-1].clone()}, f"{KEY} in model.safetensors has shape [31, 48]; expected ["),
        (
            lambda all: all | {"score.weight": torch.ones(2, 48)},
            "model.safetensors has score.weight, which",
        ),
        (
            lambda all: all | {"model.layers.3.mlp.up_proj.weight": torch.ones(2)},
            "has model.layers.3.mlp.up_proj.weight",
        ),
        (lambda all: all | {KEY.replace("weight", "bias"): torch.ones(32)}, "k_proj.bias, which config.json does not"),
        (lambda all: all | {KEY: all[KEY].to(torch.float8_e4m3fn)}, f"has {KEY} in F8_E4M3, which is not covered"),
        (lambda all: all | {KEY: all[KEY].to(torch.int8)}, f"has {KEY} in I8, which is not covered"),
        (lambda all: {f"_orig_mod.{name}": one for name, one in all.items()}, "expected the layers of one language"),
        (lambda all: all | {"vision_tower.x": torch.ones(1)}, "has vision_tower.x"),
    ],
)
def test_tensors_are_all_there_and_all_understood(
    plain: dict[str, Path], tmp_path: Path, change_tensors: Any, says: str
) -> None:
    assert says in refused(rewrite(change(plain["gemma2"], tmp_path, {}), change_tensors))


def test_buffers_that_follow_from_the_config_are_not_read(plain: dict[str, Path], tmp_path: Path) -> None:
    buffers = [
        "model.layers.0.self_attn.rotary_emb.inv_freq",
        "model.rotary_emb.inv_freq",
        "model.rotary_emb_local.inv_freq",
    ]
    more = {name: torch.ones(8) for name in buffers}
    folder = rewrite(change(plain["gemma3"], tmp_path, {}), lambda tensors: tensors | more)
    whole = load_model(str(plain["gemma3"]))
    assert torch.equal(load_model(str(folder)).decoder.embedding, whole.decoder.embedding)


@pytest.mark.parametrize("family", FAMILIES)
def test_shards_are_read_and_all_needed(tmp_path: Path, family: str) -> None:
    theirs = build_transformers_model(family, SIZE)
    folder = save_folder(theirs, tmp_path, max_shard_size="100KB")
    shards = sorted(folder.glob("*.safetensors"))
    assert len(shards) > 2
    assert find_difference(load_model(str(folder)), theirs) < 1e-4
    index = (folder / "model.safetensors.index.json").read_bytes()
    (folder / "model.safetensors.index.json").unlink()
    assert find_difference(load_model(str(folder)), theirs) < 1e-4
    (folder / "model.safetensors.index.json").write_bytes(index)
    shards[1].unlink()
    assert f"{shards[1].name} is missing" in refused(folder)
    (folder / "model.safetensors").write_bytes(shards[0].read_bytes())
    assert "delete the one that is left over" in refused(folder)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_any_float_dtype_are_read(tmp_path: Path, dtype: torch.dtype) -> None:
    theirs = build_transformers_model("gemma3", SIZE).to(dtype)
    ours = load_model(str(save_folder(theirs, tmp_path)), device="cpu")
    assert ours.dtype == "float32"
    assert torch.equal(ours.decoder.embedding, theirs.model.embed_tokens.weight.float())


# ---- with vision -----------------------------------------------------------------------------------------------------

PREFIXES = {"now": "language_model.model.", "in memory": "model.language_model.", "text alone": "model."}


@pytest.fixture(scope="module")
def seeing(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """A tiny Gemma 3 that also reads images, and its folder."""
    import transformers

    folder = tmp_path_factory.mktemp("seeing")
    text = build_transformers_model("gemma3", SIZE).config.to_dict()
    vision = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    vision |= {"image_size": 16, "patch_size": 8, "model_type": "siglip_vision_model"}
    config = transformers.Gemma3Config(text_config=text, vision_config=vision, mm_tokens_per_image=4)
    config._attn_implementation = "eager"
    torch.manual_seed(0)
    model = transformers.Gemma3ForConditionalGeneration(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model, save_folder(model, folder)


@pytest.mark.parametrize("prefix", PREFIXES.values(), ids=PREFIXES.keys())
@pytest.mark.parametrize("head", [None, "lm_head.weight", "language_model.lm_head.weight"])
def test_the_text_part_of_a_model_with_vision_loads_in_old_and_new_names(
    seeing: tuple[Any, Path], tmp_path: Path, prefix: str, head: str | None
) -> None:
    import transformers

    _, source = seeing
    folder = change(source, tmp_path, {})

    def rename(tensors: dict[str, Any]) -> dict[str, Any]:
        renamed = {name.replace(PREFIXES["now"], prefix): one for name, one in tensors.items()}
        return renamed if head is None else renamed | {head: torch.randn(SIZE, 48)}

    rewrite(folder, rename)
    text = transformers.Gemma3ForCausalLM(transformers.Gemma3TextConfig(**seeing[0].config.text_config.to_dict()))
    text.config._attn_implementation = "eager"
    stored = load_file(folder / "model.safetensors")
    state = {name.replace(prefix, "model."): one for name, one in stored.items() if name.startswith(prefix)}
    state["lm_head.weight"] = stored[head or f"{prefix}embed_tokens.weight"]
    if head is not None:
        text.lm_head.weight = torch.nn.Parameter(state["lm_head.weight"])
    text.load_state_dict(state, strict=False)
    assert find_difference(load_model(str(folder)), text.eval()) < 1e-4


def test_what_a_text_config_says_counts(seeing: tuple[Any, Path], tmp_path: Path) -> None:
    theirs, source = seeing
    assert find_difference(load_model(str(source)), theirs) < 1e-4
    folder = change(source, tmp_path, {})
    edit_json(folder / "config.json", lambda config: config["text_config"].update(never_heard_of=1))
    assert "config.json: text_config has the key never_heard_of" in refused(folder)
    edit_json(folder / "config.json", lambda config: config.update(text_config={"model_type": "gemma2"}))
    assert "text_config" in refused(folder)
    edit_json(folder / "config.json", lambda config: config.update(text_config=[]))
    assert "text_config" in refused(folder)


# ---- what it costs ---------------------------------------------------------------------------------------------------


def test_keras_and_transformers_are_not_loaded(plain: dict[str, Path]) -> None:
    code = (
        "import sys; from promptlight.salience.loading.load import load_model; load_model(sys.argv[1]);"
        "print([one for one in ('keras', 'keras_nlp', 'keras_hub', 'transformers', 'kagglehub') if one in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, plain["gemma3"]], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_weights_do_not_change_when_their_file_does(plain: dict[str, Path], tmp_path: Path) -> None:
    """Memory is the model's own, not mapped from the file."""
    folder = change(plain["gemma2"], tmp_path, {})
    model = load_model(str(folder), device="cpu", dtype="float32")
    before = model.decoder.embedding.clone()
    with (folder / "model.safetensors").open("r+b") as file:
        file.seek(2000)
        file.write(bytes(200_000))
    assert torch.equal(model.decoder.embedding, before)


def test_a_damaged_file_is_one_line(plain: dict[str, Path], tmp_path: Path) -> None:
    folder = change(plain["gemma2"], tmp_path, {})
    whole = (folder / "model.safetensors").read_bytes()
    for n_bytes in (0, 7, 100, len(whole) // 2, len(whole) - 1):
        (folder / "model.safetensors").write_bytes(whole[:n_bytes])
        assert re.search(r"could not be loaded \(model\.safetensors|declares more than", refused(folder))


@pytest.mark.parametrize(
    ("family", "options"),
    [
        ("gemma", {"attention_bias": True, "tie_word_embeddings": False}),
        ("gemma2", {"attention_bias": True, "rope_parameters": YARN | {"rope_theta": 10_000.0}}),
        ("gemma3", {"attention_bias": True, "rope_parameters": rope(YARN | {"attention_factor": 1.3})}),
    ],
)
def test_salience_is_autograd_on_the_transformers_model(tmp_path: Path, family: str, options: dict[str, Any]) -> None:
    theirs = bend(build_transformers_model(family, SIZE, **options)).double()
    ours = load_model(str(save_folder(theirs, tmp_path)), device="cpu", dtype="float32")
    ids = torch.randint(4, SIZE, (30,), generator=torch.Generator().manual_seed(1)).tolist()
    table = theirs.get_input_embeddings()
    embeddings = table.weight[torch.tensor(ids)].detach().clone().requires_grad_()
    log_probs = theirs(inputs_embeds=(embeddings * table.embed_scale.double())[None]).logits[0].log_softmax(-1)
    scores = compute_salience(ours.decoder, ids, 20, {}).maps[Method.GRAD_L2].scores
    assert scores is not None
    for target in (20, 29):
        (gradient,) = torch.autograd.grad(log_probs[target - 1, ids[target]], embeddings, retain_graph=True)
        expected = gradient.norm(dim=-1)
        assert (torch.from_numpy(scores[target - 20]) - expected).norm() / expected.norm() < 1e-4
