"""Random models on the card, at the sizes of published ones, in bfloat16."""

# pyright: standard

from __future__ import annotations

from typing import Any

import torch

from promptlight.salience.decoder.decoder import Decoder
from tests.benchmarks import models
from tests.benchmarks.models import Shape

GEMMA_2_2B = Shape("Gemma 2 2B", 26, 2304, 9216, 8, 4, 256, 256_000)
GEMMA_3_4B = Shape("Gemma 3 4B", 34, 2560, 10_240, 8, 4, 256, 262_144, 1024, is_gemma3=True)
TINY_2 = Shape("a tiny Gemma 2", 3, 64, 128, 4, 2, 16, 1024, 32)
TINY_3 = Shape("a tiny Gemma 3", 6, 64, 128, 4, 2, 16, 1024, 32, is_gemma3=True)


def build_causal(shape: Shape, device: torch.device) -> Any:
    """keras-hub's causal language model without a preprocessor."""
    import keras_nlp

    backbone = models.build_keras(shape, device, torch.bfloat16)
    kind: Any = keras_nlp.models.Gemma3CausalLM if shape.is_gemma3 else keras_nlp.models.GemmaCausalLM
    return kind(backbone=backbone, preprocessor=None)


def build_decoder(shape: Shape, device: torch.device) -> Decoder:
    """Our decoder on such weights."""
    return models.build_decoder(shape, device, torch.bfloat16)
