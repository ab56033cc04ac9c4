"""Keras's own model of a preset, as keras-nlp reads it."""

# pyright: standard

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import keras_nlp


def load_backbone(folder: Path, dtype: str = "float32") -> Any:
    """The Keras backbone of a preset's folder, on the CPU."""
    with keras.device("cpu"):
        return keras_nlp.models.CausalLM.from_preset(str(folder), dtype=dtype, preprocessor=None).backbone
