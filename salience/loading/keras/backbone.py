"""All code that uses Keras: it reads a preset, and our decoder runs the weights without copying them."""

# pyright: standard

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from promptlight.salience.decoder.decoder import Decoder
from promptlight.salience.decoder.per_layer import RowTable
from promptlight.salience.decoder.tensors import in_dtype
from promptlight.salience.errors import ModelError
from promptlight.salience.loading.keras._gemma import borrow_gemma
from promptlight.salience.loading.keras._gemma3n import borrow_gemma3n
from promptlight.salience.loading.keras._gemma4 import borrow_gemma4
from promptlight.salience.loading.keras._table import N_TABLE_ROWS, TABLES, find_table
from promptlight.salience.loading.row_table import LoadedTable, StoredTable
from promptlight.salience.loading.weight_files import KERAS_INDEX, KERAS_WEIGHTS, check_h5

# Keys of a backbone's config that hold what reads images and sounds.
_TOWERS = {
    "Gemma4Backbone": ("vision_encoder", "audio_encoder"),
    "Gemma3nBackbone": ("vision_encoder_config", "audio_encoder_config"),
}


def import_keras_nlp() -> Any:
    """Import keras-nlp on the PyTorch backend. Raises ModelError if another backend was chosen."""
    chosen = os.environ.setdefault("KERAS_BACKEND", "torch")
    if chosen != "torch":
        raise ModelError(f"KERAS_BACKEND is {chosen!r}, but promptlight needs torch: unset it or set it to torch")
    import keras
    import keras_nlp

    if keras.backend.backend() != "torch":
        raise ModelError(f"Keras already runs on {keras.backend.backend()}: set KERAS_BACKEND=torch before importing")
    return keras_nlp


def find_presets(backbone: str = "Backbone") -> Mapping[str, Mapping[str, Any]]:
    """The presets of a backbone class that keras-nlp knows, by name; without a class, those of all classes."""
    return getattr(import_keras_nlp().models, backbone).presets


@dataclass(frozen=True)
class Preset:
    """What Keras read of a preset: its backbone, and the table of per-layer embeddings that stays in its file."""

    backbone: Any
    table: StoredTable | None


def read_preset(
    folder: Path, config: Mapping[str, Any], name: str, device: torch.device, dtype: torch.dtype | None
) -> Preset:
    """Read the text part of a preset from its folder and its config.json; without a dtype, in the preset's own.

    ``name`` is what the user calls the preset. Raises ModelError, and Keras's own errors.
    """
    keras_nlp = import_keras_nlp()
    import keras

    kept = TABLES.get(str(config.get("class_name")))
    sizes = config["config"]
    options = dict.fromkeys(_TOWERS.get(str(config.get("class_name")), ()))
    table_sizes = {} if kept is None or not sizes["hidden_size_per_layer_input"] else {N_TABLE_ROWS: 1}
    chosen = sizes.get("dtype") if dtype is None else str(dtype).removeprefix("torch.")
    # not cpu:0, which torch treats as another device: each weight would be copied, and int8 ones refused
    with keras.device({"cuda": "gpu:0", "mps": "mps:0"}.get(device.type, "cpu")), _drawing_no_weights():
        # not CausalLM.from_preset: Gemma 4 has two such classes, and Keras takes either
        backbone = keras_nlp.models.Backbone.from_preset(
            str(folder), load_weights=False, dtype=chosen, **options, **table_sizes
        )
        table, skipped = None, []
        if kept is not None and table_sizes:
            table, skipped = find_table(kept, folder, sizes, backbone, name), [kept.find_layer(backbone)]
            setattr(backbone, N_TABLE_ROWS, sizes.get(N_TABLE_ROWS))
        single = folder / KERAS_WEIGHTS
        backbone.load_weights(str(single if single.is_file() else folder / KERAS_INDEX), objects_to_skip=skipped)
    return Preset(backbone, table)


@contextlib.contextmanager
def _drawing_no_weights() -> Generator[None]:
    """Let Keras start from zeros instead of random weights, which it would draw only to overwrite them."""
    import keras

    kinds: list[Any] = [keras.initializers.VarianceScaling, keras.initializers.RandomUniform]
    draws = [kind.__call__ for kind in kinds]
    for kind in kinds:
        kind.__call__ = lambda self, shape, dtype=None, **_: keras.ops.zeros(shape, dtype=dtype)
    try:
        yield
    finally:
        for kind, draw in zip(kinds, draws, strict=True):
            kind.__call__ = draw


def load_lora(backbone: Any, file: Path) -> str:
    """Load a ``.lora.h5``, as ``save_lora_weights`` writes it, into a backbone: the file's SHA-256. Raises ModelError.

    Its kernels then include the adapter. Keras enables LoRA on its usual layers and skips what the file has of others.
    """
    import h5py

    if not file.is_file():
        raise ModelError(f"{file}: no such file; expected an adapter that Keras wrote", parameters=("adapter",))
    check_h5(file, str(file))
    try:
        with h5py.File(file, "r") as stored:
            lora: Any = stored["lora"]
            there = {str(name) for name in lora if str(name).isdecimal()}
        backbone.load_lora_weights(str(file))
    except (KeyError, ValueError, TypeError, OSError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise ModelError(
            f"{file}: is no adapter for {type(backbone).__name__} of this shape ({reason})", parameters=("adapter",)
        ) from error
    used = {str(number) for number in backbone._lora_enabled_layers}
    if there != used:
        raise ModelError(
            f"{file}: changes layers {sorted(there ^ used, key=int)[:4]}, other than those that Keras enables for this"
            " model; expected an adapter of the same model with Keras's usual layers",
            parameters=("adapter",),
        )
    return hashlib.sha256(file.read_bytes()).hexdigest()


def hash_config(backbone: Any) -> str:
    """A short hash of what a backbone computes: its configuration without name and dtype."""
    config = {key: value for key, value in backbone.get_config().items() if key not in ("name", "dtype", "trainable")}
    return hashlib.sha256(json.dumps(config, sort_keys=True, default=str).encode()).hexdigest()[:16]


def borrow_decoder(backbone: Any, dtype: torch.dtype | None = None, table: RowTable | None = None) -> Decoder:
    """A decoder on the weights of a Keras backbone (text part) of Gemma 1 to 4 or 3n.

    Weights are the Keras variables' own tensors or views of them; only query, key and value are copied, into one
    matrix, and Gemma 3n's projections of streams. Gradients flow back to the Keras variables if those require
    gradients. ``dtype`` is for a backbone that was quantised to int8: its weights are all copied and expanded to this
    dtype. ``table`` are the per-layer embeddings; without it, the backbone's own are used.
    """
    kind = type(backbone).__name__
    if table is None and kind in TABLES and (layer := TABLES[kind].find_layer(backbone)) is not None:
        table = LoadedTable(layer.embeddings.value)
    if kind == "Gemma4Backbone":
        return borrow_gemma4(backbone, table)
    if kind == "Gemma3nBackbone":
        assert table is not None
        return borrow_gemma3n(backbone, table)
    decoder = borrow_gemma(backbone, dtype)
    return decoder if dtype is None else in_dtype(decoder, dtype)
