"""A Keras preset as a model: keras-nlp reads the weights, and our own decoder borrows them without a copy."""

# pyright: standard

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from promptlight.salience.decoder.tensors import convert_tensors
from promptlight.salience.errors import ModelError
from promptlight.salience.loading._preset_files import find_folder
from promptlight.salience.loading._source import Loaded, Source
from promptlight.salience.loading._tokenizer_files import read_tokenizer
from promptlight.salience.loading.families import Family
from promptlight.salience.loading.handles import DEMO_FOLDER, Handle
from promptlight.salience.loading.keras._keys import check_keys
from promptlight.salience.loading.keras._table import TABLES
from promptlight.salience.loading.keras.backbone import (
    borrow_decoder,
    hash_config,
    import_keras_nlp,
    load_lora,
    read_preset,
)
from promptlight.salience.loading.model_size import measure_model
from promptlight.salience.loading.quantisation import find_quantisation

DEMO_CONTEXT_LENGTH = 512  # the bundled model was trained on shorter texts than its family


def open_keras_preset(handle: Handle, config: Mapping[str, Any], family: Family, adapter: str | None = None) -> Source:
    """A preset from its config.json, perhaps with the ``.lora.h5`` of an adapter; imports Keras. Raises ModelError."""
    quantised = find_quantisation(config, handle.preset)
    check_keys(config, handle.preset)
    if quantised and config["class_name"] in TABLES:
        raise ModelError(
            f"{handle.preset}: quantised ({quantised}), which is covered for Gemma 1 to 3 alone; use the preset with"
            " full weights, or a GGUF file"
        )
    if adapter is not None and config["class_name"] in TABLES:
        raise ModelError(
            f"{adapter}: adapters that Keras wrote are covered for Gemma 1 to 3 alone; merge it into the weights with"
            " Keras, or use an adapter that PEFT wrote",
            parameters=("adapter",),
        )
    import_keras_nlp()  # before free memory is measured, as this uses some

    def load(device: torch.device, dtype: torch.dtype) -> Loaded:
        folder = find_folder(handle)
        preset = read_preset(folder, config, handle.preset, device, None if quantised else dtype)
        digest = None if adapter is None else load_lora(preset.backbone, Path(adapter).expanduser())
        # frozen: no weight needs a gradient, which halves the work of a backward pass
        decoder = borrow_decoder(preset.backbone, dtype if quantised else None, preset.table)
        return Loaded(
            decoder=convert_tensors(decoder, Tensor.detach),
            tokenizer=read_tokenizer(folder, config, family, handle.preset),
            config_hash=hash_config(preset.backbone),
            adapter_sha256=digest,
        )

    return Source(
        size=measure_model(config, family),
        context_length=DEMO_CONTEXT_LENGTH if handle.preset == str(DEMO_FOLDER) else family.find_context_length(config),
        load=load,
        quantised=quantised,
        keeps_quantised=quantised is not None,
    )
