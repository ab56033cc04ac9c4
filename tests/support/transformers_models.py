"""Tiny Gemma models of Hugging Face transformers, with random weights."""

# pyright: standard

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from promptlight.salience.loading.handles import DEMO_FOLDER
from promptlight.salience.model import Model

VOCABULARY = DEMO_FOLDER / "assets" / "tokenizer" / "vocabulary.spm"


NAMES = {
    "gemma": "Gemma",
    "gemma2": "Gemma2",
    "gemma3": "Gemma3Text",
    "gemma4": "Gemma4Text",
    "gemma4_e": "Gemma4Text",
    "gemma4_moe": "Gemma4Text",
    "gemma4_unified": "Gemma4UnifiedText",
    "gemma3n": "Gemma3nText",
}
NEWER_FAMILIES = ("gemma4", "gemma4_e", "gemma4_moe", "gemma4_unified", "gemma3n")
FACTORS = {
    "q_norm": 0.5,  # nothing else divides the scores
    "per_layer_projection_norm": 0.3,  # so that rows of the second table count
    "post_per_layer_input_norm": 4.0,
    "modality_router": 8.0,  # so that streams mix
}
"""By what some weights of the newer families are multiplied."""
SLIDING, FULL = "sliding_attention", "full_attention"


def build_transformers_model(family: str, vocabulary_size: int, **options: Any) -> Any:
    """A text model of a family in ``NAMES``; ``options`` are further keys of its config."""
    import transformers

    sizes: dict[str, Any] = {
        "vocab_size": vocabulary_size,
        "hidden_size": 48,
        "intermediate_size": 96,
        "num_hidden_layers": 7 if family == "gemma3" else 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 1 if family == "gemma" else 2,
        "head_dim": 16,
        "max_position_embeddings": 128,
        "bos_token_id": 2,
        "eos_token_id": 1,
        "pad_token_id": 0,
        "attn_implementation": "eager",
    }
    if family in NEWER_FAMILIES:
        sizes |= describe_newer(family, vocabulary_size)
    elif family != "gemma":
        sizes |= {"sliding_window": 16, "query_pre_attn_scalar": 16}
    config = getattr(transformers, f"{NAMES[family]}Config")(**sizes | options)
    torch.manual_seed(0)
    model = getattr(transformers, f"{NAMES[family].removesuffix('Text')}ForCausalLM")(config).eval()
    scalars = [buffer for name, buffer in model.named_buffers() if name.endswith("layer_scalar")]
    with torch.no_grad():
        for tensor in [*model.parameters(), *scalars]:
            tensor.add_(0.1 * torch.randn_like(tensor))
        for name, parameter in model.named_parameters():
            if name.endswith("correct_output_scale"):  # starts at 0, unlike every other scale
                parameter.add_(1)
            for part, factor in FACTORS.items():
                if part in name and family in NEWER_FAMILIES:
                    parameter.mul_(factor)
    return model


def describe_newer(family: str, vocabulary_size: int) -> dict[str, Any]:
    """The keys of Gemma 4 (dense with K = V, E-series, experts, 12B) and of Gemma 3n, whose last ids have no row."""
    common: dict[str, Any] = {"sliding_window": 16, "final_logit_softcapping": 30.0}
    wide: dict[str, Any] = {"global_head_dim": 32}
    tied = wide | {"num_global_key_value_heads": 1, "attention_k_eq_v": True}
    match family:
        case "gemma4":
            kinds, own = [SLIDING, FULL, SLIDING, FULL], tied | {"hidden_size_per_layer_input": 0}
        case "gemma4_unified":
            kinds, own = [SLIDING, FULL, SLIDING, FULL], tied
        case "gemma4_e":  # layers 4 to 6 read the keys and values of layers 2 and 3
            kinds = [SLIDING, FULL, SLIDING, FULL, SLIDING, SLIDING, FULL]
            own = wide | {"num_kv_shared_layers": 3, "use_double_wide_mlp": True}
            own |= {"hidden_size_per_layer_input": 16, "vocab_size_per_layer_input": vocabulary_size}
        case "gemma4_moe":
            kinds, own = [SLIDING, FULL, SLIDING, FULL], tied | {"hidden_size_per_layer_input": 0}
            own |= {"enable_moe_block": True, "num_experts": 6, "top_k_experts": 2, "moe_intermediate_size": 16}
        case "gemma3n":
            kinds = [SLIDING, FULL] * 3
            own = {
                "vocab_size_per_layer_input": vocabulary_size - 10,
                "hidden_size_per_layer_input": 16,
                "altup_num_inputs": 4,
                "laurel_rank": 4,
                "activation_sparsity_pattern": [0.7, 0.7, 0.0, 0.0, 0.0, 0.0],
                "num_kv_shared_layers": 2,
            }
        case _:
            raise ValueError(family)
    return common | own | {"num_hidden_layers": len(kinds), "layer_types": kinds}


def save_folder(model: Any, folder: Path, **options: Any) -> Path:
    """A folder as transformers writes it, with the demo's vocabulary."""
    model.save_pretrained(folder, **options)
    shutil.copy(VOCABULARY, folder / "tokenizer.model")
    return folder


def save_multimodal_folder(model: Any, folder: Path) -> Path:
    """A text model's weights as the text part of a multimodal folder, as Gemma 4 and 3n are published.

    Gemma 4's towers are tiny real ones. Gemma 3n's vision tower needs a package of its own, so it is a few tensors
    under the published names.
    """
    kind = str(model.config.model_type).removesuffix("_text")
    if kind == "gemma3n":
        return wrap_gemma3n(model, folder)
    import transformers

    name = {"gemma4": "Gemma4", "gemma4_unified": "Gemma4Unified"}[kind]
    tower: dict[str, Any] = {"mm_embed_dim": 16, "mm_posemb_size": 4, "output_proj_dims": 16}
    if kind == "gemma4":
        tower = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "position_embedding_size": 4}
        tower |= {"num_attention_heads": 1, "num_key_value_heads": 1, "head_dim": 16}
    vision = getattr(transformers, f"{name}VisionConfig")(**tower)
    config = getattr(transformers, f"{name}Config")(text_config=model.config, vision_config=vision, audio_config=None)
    whole = getattr(transformers, f"{name}ForConditionalGeneration")(config).eval()
    whole.model.language_model.load_state_dict(model.model.state_dict())
    return save_folder(whole, folder)


def wrap_gemma3n(model: Any, folder: Path) -> Path:
    """The folder of a Gemma 3n with its text weights under ``model.language_model``."""
    save_folder(model, folder)
    text = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    towers = {"vision_config": {"model_type": "gemma3n_vision"}, "audio_config": {"model_type": "gemma3n_audio"}}
    whole = {"architectures": ["Gemma3nForConditionalGeneration"], "model_type": "gemma3n", "text_config": text}
    (folder / "config.json").write_text(json.dumps(whole | towers), encoding="utf-8")
    tensors = {
        name.replace("model.", "model.language_model.", 1): tensor
        for name, tensor in load_file(folder / "model.safetensors").items()
    }
    for name in ("vision_tower.timm_model.conv_stem.conv", "audio_tower.conformer.0.norm", "embed_vision.embedding"):
        tensors[f"model.{name}.weight"] = torch.randn(4, 4)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def publish_config(config: dict[str, Any]) -> None:
    """Give a config that transformers writes now the keys with which Gemma 4 and 3n were published; in place."""
    text = config.get("text_config", config)
    if "per_layer_config" in text:
        full = next(iter(text.pop("per_layer_config").values()))
        text["global_head_dim"] = full["head_dim"]
        text["num_global_key_value_heads"] = full.get("num_key_value_heads")
    else:
        ropes = text.pop("rope_parameters")
        text["rope_theta"] = ropes[FULL]["rope_theta"]
        text["rope_local_base_freq"] = ropes[SLIDING]["rope_theta"]
        text["rope_scaling"] = None


def find_difference(ours: Model, theirs: Any, n: int = 60) -> float:
    """How far log-probabilities are from transformers', at most, over a text of random tokens."""
    n_pieces = ours.decoder.embedding.shape[0]
    ids = torch.randint(4, n_pieces, (1, n), generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        expected = theirs(input_ids=ids).logits.log_softmax(-1)
        found = ours.decoder.logits(ours.decoder.hidden(ours.decoder.embed(ids))).log_softmax(-1)
    return float((found - expected).abs().max())
