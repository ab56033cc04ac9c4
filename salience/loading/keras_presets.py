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
from promptlight.salience.loading.families import Family, find_sizes
from promptlight.salience.loading.handles import DEMO_FOLDER, Handle
from promptlight.salience.loading.keras import borrow_decoder, hash_config, import_keras_nlp, load_lora, read_preset
from promptlight.salience.loading.model_size import measure_model
from promptlight.salience.loading.quantisation import find_quantisation
from promptlight.salience.text.tokenizer import Tokenizer

KNOWN_KEYS = (
    frozenset(  # of the backbones' configs: the decoder takes these from the backbone, or they change no number
        [
            *(
                "vocabulary_size",
                "num_layers",
                "num_query_heads",
                "num_key_value_heads",
                "hidden_dim",
                "intermediate_dim",
            ),
            *(
                "head_dim",
                "layer_norm_epsilon",
                "query_head_dim_normalize",
                "use_post_ffw_norm",
                "use_post_attention_norm",
            ),
            *(
                "final_logit_soft_cap",
                "attention_logit_soft_cap",
                "sliding_window_size",
                "use_sliding_window_attention",
            ),
            *("use_query_key_norm", "local_rope_scaling_factor", "global_rope_scaling_factor"),
            *("name", "dtype", "trainable", "dropout", "image_size", "vision_encoder"),
            # true only in models for embeddings, which are refused
            *("use_bidirectional_attention", "is_embedding_model", "pooling_intermediate_dim", "embedding_dim"),
        ]
    )
)
DEMO_CONTEXT_LENGTH = 512  # the bundled model was trained on shorter texts than its family


def open_keras_preset(handle: Handle, config: Mapping[str, Any], family: Family, adapter: str | None = None) -> Source:
    """A preset from its config.json, perhaps with the ``.lora.h5`` of an adapter; imports Keras. Raises ModelError."""
    quantised = find_quantisation(config, handle.preset)
    _check_keys(config, handle.preset)
    import_keras_nlp()  # before free memory is measured, as this uses some

    def load(device: torch.device, dtype: torch.dtype) -> Loaded:
        backbone, vocabulary = read_preset(find_folder(handle), device, None if quantised else dtype)
        digest = None if adapter is None else load_lora(backbone, Path(adapter).expanduser())
        # frozen: no weight needs a gradient, which halves the work of a backward pass
        decoder = convert_tensors(borrow_decoder(backbone, dtype if quantised else None), Tensor.detach)
        return Loaded(
            decoder=decoder,
            tokenizer=Tokenizer(vocabulary, family.chat_of(config)),
            config_hash=hash_config(backbone),
            adapter_sha256=digest,
        )

    return Source(
        size=measure_model(config, family),
        context_length=DEMO_CONTEXT_LENGTH if handle.preset == str(DEMO_FOLDER) else family.context_length,
        load=load,
        quantised=quantised,
        keeps_quantised=quantised is not None,
    )


def _check_keys(config: Mapping[str, Any], name: str) -> None:
    """Raise ModelError for a key of the backbone's config that Keras would drop without a word."""
    for key, value in find_sizes(config).items():
        if key not in KNOWN_KEYS:
            raise ModelError(
                f"{name}: config.json has the key {key} ({str(value)[:80]}), which promptlight does not know; it might"
                " change every number. If it changes none, delete it from the file"
            )
