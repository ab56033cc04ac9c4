"""LoRA adapters: the folder that PEFT writes, merged into a decoder's weights, whatever file those came from.

A matrix W [out, in] becomes W + s B A (arXiv:2106.09685), with A [r, in], B [out, r] and s = alpha / r, or
alpha / sqrt(r) for rank-stabilised LoRA. Each key of adapter_config.json is run, known to change nothing once the
adapter is trained, or refused by name; so is each tensor.
"""

# pyright: standard

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from promptlight.salience.decoder.decoder import Decoder
from promptlight.salience.errors import ModelError
from promptlight.salience.loading.configs import is_one_of, read_json
from promptlight.salience.loading.handles import ADAPTER

WEIGHTS = "adapter_model.safetensors"
KERAS_ENDING = ".lora.h5"
_PARAMETERS = ("adapter",)  # what an error is about
_RUN = frozenset(["r", "lora_alpha", "use_rslora", "alpha_pattern", "rank_pattern", "base_model_name_or_path"])
_FIXED: Mapping[str, tuple[object, ...]] = {  # with other values, it would be another method
    "peft_type": ("LORA",),
    "task_type": ("CAUSAL_LM", None),
    "bias": ("none",),
    "init_lora_weights": (True, False, "gaussian", None),  # others, such as pissa, change the base's weights, too
    "loftq_config": ({}, None),
    **dict.fromkeys(
        ["use_dora", "fan_in_fan_out", "lora_bias", "use_qalora", "use_bdlora", "ensure_weight_tying"], (False, None)
    ),
    **dict.fromkeys(
        ["modules_to_save", "layer_replication", "target_parameters", "trainable_token_indices"], (None, [])
    ),
    **dict.fromkeys(["alora_invocation_tokens", "arrow_config", "kasa_config", "velora_config"], (None,)),
    **dict.fromkeys(["megatron_config", "monteclora_config"], (None,)),
}
_HARMLESS = frozenset(
    [
        *("auto_mapping", "revision", "inference_mode", "target_modules", "exclude_modules", "layers_to_transform"),
        *("layers_pattern", "lora_dropout", "peft_version", "corda_config", "eva_config", "lora_ga_config"),
        *("megatron_core", "qalora_group_size", "runtime_config"),
    ]
)
_TENSOR = re.compile(
    r"base_model\.model\.(?P<module>.*?layers\.(?P<layer>\d+)\.(?:self_attn|mlp)\.(?P<part>\w+)_proj)"
    r"\.lora_(?P<side>[AB])(?:\.default)?\.weight"
)
_VISION = re.compile(r".*\b(vision_tower|multi_modal_projector)\..*")
_PARTS = {"q": "query", "k": "key", "v": "value", "o": "output", "gate": "gate", "up": "up", "down": "down"}


@dataclass(frozen=True)
class Change:
    """What is added to one matrix [out, in] of a layer: ``scale`` B A."""

    module: str
    layer: int
    part: str
    a: Tensor  # [r, in]
    b: Tensor  # [out, r]
    scale: float


@dataclass(frozen=True, kw_only=True)
class Adapter:
    """An adapter as the user named it; ``base`` is the model that it was trained on, ``sha256`` of its files."""

    path: str
    base: str
    sha256: str
    changes: tuple[Change, ...]


def read_adapter(path: str) -> Adapter:
    """Read an adapter's folder. Raises ModelError for what can't be merged, by the key's or the tensor's name."""
    folder = Path(path).expanduser()
    config_file, weights = folder / ADAPTER, folder / WEIGHTS
    for file in (config_file, weights):
        if not file.is_file():
            raise _refuse(f"{path}: expected a folder with {ADAPTER} and {WEIGHTS}, found no {file.name}")
    config = _read_config(config_file, path)
    try:
        tensors = load_file(weights)
    except (OSError, SafetensorError) as error:
        raise _refuse(f"{path}: could not be loaded ({WEIGHTS}: {error})") from error
    digest = hashlib.sha256(config_file.read_bytes() + weights.read_bytes()).hexdigest()
    base = config.get("base_model_name_or_path") or "an unnamed base"
    return Adapter(path=path, base=str(base), sha256=digest, changes=_pair(config, tensors, path))


def merge_adapter(decoder: Decoder, adapter: Adapter, name: str) -> None:
    """Add an adapter to a decoder's weights in place. Raises ModelError if it was made for another shape."""
    found = [(change, _find_matrix(decoder, change, adapter, name)) for change in adapter.changes]
    for change, matrix in found:
        delta = change.scale * (change.b.to(matrix.device, torch.float32) @ change.a.to(matrix.device, torch.float32))
        matrix.add_(delta.T.to(matrix.dtype))


def _read_config(file: Path, path: str) -> dict[str, Any]:
    config = read_json(file, path, _PARAMETERS)
    for key, value in config.items():
        shown = json.dumps(value)[:80]
        if key in _FIXED:
            if not is_one_of(value, _FIXED[key]):
                raise _refuse(
                    f"{path}: {ADAPTER} has {key} {shown}, which is not covered; merge the adapter into its base with"
                    " PEFT's merge_and_unload, and give the result as the model"
                )
        elif key not in _RUN and key not in _HARMLESS:
            raise _refuse(f"{path}: {ADAPTER} has the key {key} ({shown}), which promptlight does not know")
    return config


def _pair(config: Mapping[str, Any], tensors: Mapping[str, Tensor], path: str) -> tuple[Change, ...]:
    """The two sides of every matrix's change."""
    sides: dict[tuple[str, int, str], dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        if _VISION.fullmatch(key):
            continue
        found = _TENSOR.fullmatch(key)
        if found is None or found["part"] not in _PARTS or tensor.ndim != 2:
            raise _refuse(
                f"{path}: {WEIGHTS} has {key}, which is not covered; expected lora_A and lora_B of layers' projections"
            )
        place = (found["module"], int(found["layer"]), _PARTS[found["part"]])
        sides.setdefault(place, {})[found["side"]] = tensor
    if not sides:
        raise _refuse(f"{path}: {WEIGHTS} has no lora_A and lora_B of a language model's layers")
    changes: list[Change] = []
    for (module, layer, part), pair in sides.items():
        if pair.keys() != {"A", "B"} or pair["A"].shape[0] != pair["B"].shape[1]:
            raise _refuse(f"{path}: {WEIGHTS} lacks one of lora_A and lora_B of {module}, or their ranks differ")
        scale = _find_scale(config, module, pair["A"].shape[0], path)
        changes.append(Change(module, layer, part, pair["A"], pair["B"], scale))
    return tuple(changes)


def _find_scale(config: Mapping[str, Any], module: str, rank: int, path: str) -> float:
    expected = _find_pattern(config, "rank_pattern", module, config.get("r", 8))
    if expected != rank:
        raise _refuse(f"{path}: {ADAPTER} says rank {expected} for {module}, and {WEIGHTS} has rank {rank}")
    alpha = _find_pattern(config, "alpha_pattern", module, config.get("lora_alpha", 8))
    if not isinstance(alpha, int | float) or isinstance(alpha, bool):
        raise _refuse(f"{path}: {ADAPTER} has lora_alpha {json.dumps(alpha)[:80]}; expected a number")
    return alpha / rank**0.5 if config.get("use_rslora") else alpha / rank


def _find_pattern(config: Mapping[str, Any], key: str, module: str, default: Any) -> Any:
    """The value of the first pattern that the end of a module's name matches, as PEFT looks it up."""
    patterns: Any = config.get(key) or {}
    if not isinstance(patterns, dict):
        raise _refuse(f"{ADAPTER} has {key} {json.dumps(patterns)[:80]}; expected an object")
    for pattern, value in cast("dict[str, Any]", patterns).items():
        try:
            if re.fullmatch(rf"(.*\.)?({pattern})", module):
                return value
        except re.error as error:
            raise _refuse(f"{ADAPTER} has {key} {pattern!r}, which is no pattern ({error})") from error
    return default


def _find_matrix(decoder: Decoder, change: Change, adapter: Adapter, name: str) -> Tensor:
    """The decoder's matrix [in, out] that a change belongs to."""
    made_for = f"{adapter.path} was made for {adapter.base}"
    if change.layer >= len(decoder.layers):
        raise _refuse(f"{made_for}: it changes layer {change.layer}, and {name} has {len(decoder.layers)} layers")
    layer = decoder.layers[change.layer]
    heads, attention, feed_forward = layer.attention.heads, layer.attention, layer.feed_forward
    n_keys = heads.n_key_value_heads * heads.head_dim
    query, key, value = heads.query_key_value.split([heads.n_query_heads * heads.head_dim, n_keys, n_keys], dim=1)
    matrices = {"query": query, "key": key, "value": value, "output": attention.output}
    matrices |= {"gate": feed_forward.gate, "up": feed_forward.up, "down": feed_forward.down}
    matrix = matrices[change.part]
    wanted, found = [change.b.shape[0], change.a.shape[1]], [matrix.shape[1], matrix.shape[0]]
    if wanted != found:
        raise _refuse(f"{made_for}: {change.module} there is {wanted}, and in {name} it is {found}")
    return matrix


def _refuse(reason: str) -> ModelError:
    return ModelError(reason, parameters=_PARAMETERS)
