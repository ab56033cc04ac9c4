"""Random models on the card, at the sizes of published ones."""

# pyright: standard

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from promptlight.salience.decoder.decoder import Decoder
from tests.benchmarks.models import BOS, freeze


@dataclass(frozen=True)
class Shape:
    """Sizes of a Gemma 2 or, with head norms, a Gemma 3."""

    name: str
    is_gemma3: bool
    layers: int
    width: int
    feed_forward: int
    query_heads: int
    key_value_heads: int
    head_dim: int
    vocabulary: int
    window: int


GEMMA_2_2B = Shape("Gemma 2 2B", False, 26, 2304, 9216, 8, 4, 256, 256_000, 4096)
GEMMA_3_4B = Shape("Gemma 3 4B", True, 34, 2560, 10_240, 8, 4, 256, 262_144, 1024)
TINY_2 = Shape("a tiny Gemma 2", False, 3, 64, 128, 4, 2, 16, 1024, 32)
TINY_3 = Shape("a tiny Gemma 3", True, 6, 64, 128, 4, 2, 16, 1024, 32)


def build_keras(shape: Shape, device: torch.device) -> Any:
    """keras-hub's causal language model without a preprocessor, in bfloat16."""
    import keras
    import keras_nlp

    keras.utils.set_random_seed(0)
    sizes = {
        "vocabulary_size": shape.vocabulary,
        "num_layers": shape.layers,
        "num_query_heads": shape.query_heads,
        "num_key_value_heads": shape.key_value_heads,
        "hidden_dim": shape.width,
        "head_dim": shape.head_dim,
        "use_post_ffw_norm": True,
        "use_post_attention_norm": True,
        "use_sliding_window_attention": True,
        "sliding_window_size": shape.window,
        "dtype": "bfloat16",
    }
    with keras.device("gpu:0" if device.type == "cuda" else "cpu:0"):
        if shape.is_gemma3:
            backbone = keras_nlp.models.Gemma3Backbone(
                **sizes,
                intermediate_dim=shape.feed_forward,
                image_size=None,
                vision_encoder=None,
                use_query_key_norm=True,
                query_head_dim_normalize=True,
            )
            return keras_nlp.models.Gemma3CausalLM(preprocessor=None, backbone=backbone)
        backbone = keras_nlp.models.GemmaBackbone(
            **sizes,
            intermediate_dim=2 * shape.feed_forward,  # keras-hub halves it
            attention_logit_soft_cap=50.0,
            final_logit_soft_cap=30.0,
        )
        return keras_nlp.models.GemmaCausalLM(backbone, preprocessor=None)


def build_decoder(shape: Shape, device: torch.device) -> Decoder:
    """Our decoder on such weights."""
    return freeze(build_keras(shape, device).backbone)


def draw_ids(n: int, shape: Shape, seed: int = 0) -> list[int]:
    """<bos> and random pieces, none of them a control piece or a byte."""
    generator = torch.Generator().manual_seed(seed)
    return [BOS, *torch.randint(300, shape.vocabulary, (n - 1,), generator=generator).tolist()]
