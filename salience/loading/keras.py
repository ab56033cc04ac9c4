"""All code that uses Keras: it reads a preset, and our decoder runs the weights without copying them."""

# pyright: standard

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from promptlight.salience.decoder.attention import Attention
from promptlight.salience.decoder.decoder import Decoder
from promptlight.salience.decoder.feedforward import FeedForward
from promptlight.salience.decoder.heads import HeadProjection
from promptlight.salience.decoder.layer import Layer
from promptlight.salience.decoder.norms import Norm
from promptlight.salience.decoder.rope import Rope
from promptlight.salience.decoder.tensors import in_dtype
from promptlight.salience.errors import ModelError
from promptlight.salience.loading.weight_files import check_h5


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


def read_preset(folder: Path, device: torch.device, dtype: torch.dtype | None) -> tuple[Any, bytes]:
    """A preset's Keras backbone and its SentencePiece vocabulary; without a dtype, in the preset's own."""
    keras_nlp = import_keras_nlp()
    import keras

    chosen = {} if dtype is None else {"dtype": str(dtype).removeprefix("torch.")}
    # not cpu:0, which torch treats as another device: each weight would be copied, and int8 ones refused
    with keras.device({"cuda": "gpu:0", "mps": "mps:0"}.get(device.type, "cpu")), _drawing_no_weights():
        causal_lm = keras_nlp.models.CausalLM.from_preset(str(folder), **chosen, preprocessor=None)
        tokenizer = keras_nlp.models.Tokenizer.from_preset(str(folder))
    return causal_lm.backbone, tokenizer.proto


@contextlib.contextmanager
def _drawing_no_weights() -> Generator[None]:
    """Let Keras start from zeros instead of random weights, which it would draw only to overwrite them."""
    import keras

    scaling = keras.initializers.VarianceScaling
    draw = scaling.__call__
    scaling.__call__ = lambda self, shape, dtype=None, **_: keras.ops.zeros(shape, dtype=dtype)
    try:
        yield
    finally:
        scaling.__call__ = draw


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


def borrow_decoder(backbone: Any, dtype: torch.dtype | None = None) -> Decoder:
    """A decoder on the weights of a Keras ``GemmaBackbone`` or ``Gemma3Backbone`` (text).

    Weights are the Keras variables' own tensors or views of them; only query, key and value are copied, into one
    matrix. Gradients flow back to the Keras variables if those require gradients. ``dtype`` is for a backbone that was
    quantised to int8: its weights are all copied and expanded to this dtype.
    """
    embedding = backbone.token_embedding
    decoder = Decoder(
        embedding=_expand(embedding, _tensor(embedding.embeddings), "embeddings_scale", dtype),
        own_head=None,
        layers=tuple(_borrow_layer(block, dtype) for block in backbone.transformer_layers),
        final_norm=Norm(_tensor(backbone.layer_norm.scale), backbone.layer_norm.epsilon),
        final_soft_cap=embedding.logit_soft_cap,
    )
    return decoder if dtype is None else in_dtype(decoder, dtype)


def _borrow_layer(block: Any, dtype: torch.dtype | None) -> Layer:
    epsilon = block.layer_norm_epsilon
    return Layer(
        attention=_borrow_attention(block, dtype),
        post_attention_norm=_borrow_norm(block, "post_attention_norm", epsilon),
        feed_forward=FeedForward(
            norm=Norm(_tensor(block.pre_ffw_norm.scale), epsilon),
            gate=_kernel(block.gating_ffw, dtype),
            up=_kernel(block.gating_ffw_2, dtype),
            down=_kernel(block.ffw_linear, dtype),
        ),
        post_feedforward_norm=_borrow_norm(block, "post_ffw_norm", epsilon),
    )


def _borrow_attention(block: Any, dtype: torch.dtype | None) -> Attention:
    attention, epsilon = block.attention, block.layer_norm_epsilon
    normalised_width = (
        attention.head_dim if attention.query_head_dim_normalize else attention.hidden_dim // attention.num_query_heads
    )
    rope = attention.rope_layer
    heads = HeadProjection(
        norm=Norm(_tensor(block.pre_attention_norm.scale), epsilon),
        query_key_value=_fuse([attention.query_dense, attention.key_dense, attention.value_dense], dtype),
        query_norm=_borrow_norm(attention, "query_norm", epsilon),
        key_norm=_borrow_norm(attention, "key_norm", epsilon),
        n_query_heads=attention.num_query_heads,
        n_key_value_heads=attention.num_key_value_heads,
        head_dim=attention.head_dim,
        query_scale=1 / math.sqrt(normalised_width),
        rope=Rope(attention.head_dim, float(rope.max_wavelength), float(rope.scaling_factor)),
    )
    return Attention(
        heads=heads,
        output=_kernel(attention.output_dense, dtype).flatten(0, 1),
        soft_cap=attention.logit_soft_cap,
        window=attention.sliding_window_size if attention.use_sliding_window_attention else None,
    )


def _fuse(denses: Sequence[Any], dtype: torch.dtype | None) -> Tensor:
    """Kernels [heads, D, H] side by side as one [D, all heads x H]."""
    return torch.cat([_kernel(dense, dtype).transpose(0, 1).flatten(1) for dense in denses], dim=1).contiguous()


def _kernel(dense: Any, dtype: torch.dtype | None) -> Tensor:
    """A dense layer's kernel; its last axis is always an output axis."""
    return _expand(dense, _tensor(dense.kernel), "kernel_scale", dtype)


def _expand(owner: Any, stored: Tensor, name: str, dtype: torch.dtype | None) -> Tensor:
    """Weights in the dtype of use; Keras's int8 weights are real weights times a scale for each output.

    Stored [V, D] has scales [V], [heads, D, H] has [1, 1, heads, H], others have one for each entry of the last axis.
    """
    if stored.dtype is not torch.int8:
        return stored
    scale = _tensor(getattr(owner, name))
    if scale.ndim == 1:
        scale = scale[:, None]
    else:
        scale = scale.flatten(0, 1).transpose(0, 1) if scale.ndim == 4 else scale.flatten()
    return (stored.to(scale.dtype) / scale).to(dtype or scale.dtype)


def _borrow_norm(owner: Any, name: str, epsilon: float) -> Norm | None:
    """A norm that not every family has."""
    norm = getattr(owner, name, None)
    return None if norm is None else Norm(_tensor(norm.scale), epsilon)


def _tensor(variable: Any) -> Tensor:
    """The torch tensor inside a Keras variable (not a copy); a kernel with an adapter is a tensor already."""
    return variable if isinstance(variable, Tensor) else variable.value
