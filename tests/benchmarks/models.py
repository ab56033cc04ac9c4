"""Random Gemma 2 and 3 models: the same weights in transformers, in keras-hub and in our decoder."""

# pyright: standard

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from typing import Any

import torch

from promptlight.salience.decoder.decoder import Decoder
from promptlight.salience.decoder.tensors import convert_tensors
from promptlight.salience.loading.keras.backbone import borrow_decoder

BOS = 2


@dataclass(frozen=True)
class Shape:
    """Sizes of a Gemma 2 or a Gemma 3."""

    name: str
    layers: int
    width: int
    feed_forward: int
    query_heads: int
    key_value_heads: int
    head_dim: int
    vocabulary: int = 4096
    window: int = 4096
    is_gemma3: bool = False


SMALL = Shape("8 layers x 512", 8, 512, 2048, 8, 4, 64)  # 33.5 million weights
WIDE = Shape("3 layers at the width of Gemma 2 2B", 3, 2304, 9216, 8, 4, 256)  # the vocabulary reduced to 4096
DEMO_SIZED = Shape("5 layers x 128, as the demo model", 5, 128, 384, 4, 2, 32, vocabulary=1536, window=256)
BIG_VOCABULARY = Shape("8 layers x 512, 64,000 pieces", 8, 512, 2048, 8, 4, 64, vocabulary=64_000)


@dataclass(frozen=True)
class Trio:
    """One set of weights three times, float32 on the CPU."""

    shape: Shape
    theirs: Any  # transformers' Gemma2ForCausalLM
    keras: Any  # keras-hub's GemmaCausalLM, without a preprocessor
    decoder: Decoder


def build_trio(shape: Shape) -> Trio:
    """Write a folder with transformers, load it with keras-hub, and borrow keras-hub's weights."""
    import keras_nlp

    theirs = build_transformers(shape)
    with tempfile.TemporaryDirectory() as folder:
        theirs.save_pretrained(folder)
        keras = keras_nlp.models.CausalLM.from_preset(folder, dtype="float32", preprocessor=None)
    return Trio(shape, theirs, keras, freeze(keras.backbone))


def build_transformers(shape: Shape) -> Any:
    """A Gemma2ForCausalLM with random weights, as at the start of training; weights need no gradients."""
    import transformers

    config = transformers.Gemma2Config(
        vocab_size=shape.vocabulary,
        hidden_size=shape.width,
        intermediate_size=shape.feed_forward,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.query_heads,
        num_key_value_heads=shape.key_value_heads,
        head_dim=shape.head_dim,
        query_pre_attn_scalar=shape.head_dim,
        sliding_window=shape.window,
        max_position_embeddings=8192,
        bos_token_id=BOS,
        eos_token_id=1,
        pad_token_id=0,
    )
    config._attn_implementation = "eager"  # the one that supports soft-caps
    torch.manual_seed(0)
    return transformers.Gemma2ForCausalLM(config).eval().requires_grad_(requires_grad=False)


def build_keras(shape: Shape, device: torch.device, dtype: torch.dtype) -> Any:
    """Only a keras-hub backbone, on any device and in any dtype."""
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
        "dtype": str(dtype).removeprefix("torch."),
    }
    with keras.device("gpu:0" if device.type == "cuda" else "cpu:0"):
        if shape.is_gemma3:
            return keras_nlp.models.Gemma3Backbone(
                **sizes,
                intermediate_dim=shape.feed_forward,
                image_size=None,
                vision_encoder=None,
                use_query_key_norm=True,
                query_head_dim_normalize=True,
            )
        return keras_nlp.models.GemmaBackbone(
            **sizes,
            intermediate_dim=2 * shape.feed_forward,  # keras-hub halves it
            attention_logit_soft_cap=50.0,
            final_logit_soft_cap=30.0,
        )


def build_decoder(shape: Shape, device: torch.device | None = None, dtype: torch.dtype = torch.float32) -> Decoder:
    """Our decoder on the weights of ``build_keras``."""
    return freeze(build_keras(shape, device or torch.device("cpu"), dtype))


def freeze(backbone: Any) -> Decoder:
    """Make the decoder as ``load_model`` does."""
    return convert_tensors(borrow_decoder(backbone), torch.Tensor.detach)


def draw_ids(n: int, shape: Shape, seed: int = 0) -> list[int]:
    """<bos> and random pieces, none of them a control piece or a byte."""
    generator = torch.Generator().manual_seed(seed)
    return [BOS, *torch.randint(300, shape.vocabulary, (n - 1,), generator=generator).tolist()]
