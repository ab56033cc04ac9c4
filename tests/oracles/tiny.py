"""Tiny random models of each family, with weights large enough that norms, caps and windows take effect."""

# pyright: standard

from __future__ import annotations

from typing import Any

import keras
import keras_nlp
import torch

FAMILIES = ("gemma", "gemma2", "gemma3")


def build_backbone(family: str, *, dtype: str = "float32", seed: int = 1, vocabulary_size: int = 300) -> Any:
    """A Keras backbone of 3 layers (7 for Gemma 3, whose sixth is its first global one), width 32, window 16."""
    keras.utils.set_random_seed(seed)
    sizes: dict[str, Any] = {
        "vocabulary_size": vocabulary_size,
        "num_query_heads": 4,
        "num_key_value_heads": 1 if family == "gemma" else 2,
        "hidden_dim": 32,
        "intermediate_dim": 64,
        "head_dim": 16,
        "dtype": dtype,
    }
    second: dict[str, Any] = {
        "use_post_ffw_norm": True,
        "use_post_attention_norm": True,
        "use_sliding_window_attention": True,
        "sliding_window_size": 16,
    }
    match family:
        case "gemma":
            backbone = keras_nlp.models.GemmaBackbone(num_layers=3, **sizes)
        case "gemma2":
            caps: dict[str, Any] = {"attention_logit_soft_cap": 50.0, "final_logit_soft_cap": 30.0}
            backbone = keras_nlp.models.GemmaBackbone(num_layers=3, **sizes, **second, **caps)
        case "gemma3":
            scaling: dict[str, Any] = {"image_size": None, "global_rope_scaling_factor": 8.0}
            backbone = keras_nlp.models.Gemma3Backbone(num_layers=7, **sizes, **second, **scaling)
        case _:
            raise ValueError(family)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for variable in backbone.variables:
            noise = torch.randn(variable.shape, generator=generator, dtype=torch.float64)
            variable.value.add_((0.2 * noise).to(variable.value.dtype))
    return backbone


def in_dtype(backbone: Any, dtype: str) -> Any:
    """Copy a backbone with its weights in another dtype."""
    copy = type(backbone).from_config({**backbone.get_config(), "dtype": dtype})
    with torch.no_grad():
        for target, source in zip(copy.variables, backbone.variables, strict=True):
            target.value.copy_(source.value)
    return copy


def draw_ids(n: int, *, seed: int = 3, vocabulary_size: int = 300) -> list[int]:
    """Random token ids, special ones left out."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(4, vocabulary_size, (n,), generator=generator).tolist()
