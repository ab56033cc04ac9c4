"""LoRA adapters: the folder that PEFT writes.

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

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

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
    r"base_model\.model\.(?P<module>.*?layers\.(?P<layer>\d+)\.(?P<part>[\w.]+?))"
    r"\.lora_(?P<side>[AB])(?:\.default)?\.weight"
)
_TOWERS = re.compile(
    r".*\b(vision_tower|vision_embedder|embed_vision|multi_modal_projector|audio_tower|embed_audio)\..*"
)
_PARTS = {
    **{f"self_attn.{name[0]}_proj": name for name in ("query", "key", "value", "output")},
    **{f"mlp.{name}_proj": name for name in ("gate", "up", "down")},
    "per_layer_input_gate": "per_layer_gate",
    "per_layer_projection": "per_layer_up",
    "router.proj": "router",
    "altup.modality_router": "stream_router",
    "altup.prediction_coefs": "stream_prediction",
    "altup.correction_coefs": "stream_correction",
    "laurel.linear_left": "laurel_left",
    "laurel.linear_right": "laurel_right",
}


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
            raise refuse(f"{path}: expected a folder with {ADAPTER} and {WEIGHTS}, found no {file.name}")
    config = _read_config(config_file, path)
    try:
        tensors = load_file(weights)
    except (OSError, SafetensorError) as error:
        raise refuse(f"{path}: could not be loaded ({WEIGHTS}: {error})") from error
    digest = hashlib.sha256(config_file.read_bytes() + weights.read_bytes()).hexdigest()
    base = config.get("base_model_name_or_path") or "an unnamed base"
    return Adapter(path=path, base=str(base), sha256=digest, changes=_pair(config, tensors, path))


def _read_config(file: Path, path: str) -> dict[str, Any]:
    config = read_json(file, path, _PARAMETERS)
    for key, value in config.items():
        shown = json.dumps(value)[:80]
        if key in _FIXED:
            if not is_one_of(value, _FIXED[key]):
                raise refuse(
                    f"{path}: {ADAPTER} has {key} {shown}, which is not covered; merge the adapter into its base with"
                    " PEFT's merge_and_unload, and give the result as the model"
                )
        elif key not in _RUN and key not in _HARMLESS:
            raise refuse(f"{path}: {ADAPTER} has the key {key} ({shown}), which promptlight does not know")
    return config


def _pair(config: Mapping[str, Any], tensors: Mapping[str, Tensor], path: str) -> tuple[Change, ...]:
    """The two sides of every matrix's change."""
    sides: dict[tuple[str, int, str], dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        if _TOWERS.fullmatch(key):
            continue
        found = _TENSOR.fullmatch(key)
        if found is None or found["part"] not in _PARTS or tensor.ndim != 2:
            raise refuse(
                f"{path}: {WEIGHTS} has {key}, which is not covered; expected lora_A and lora_B of layers' projections"
            )
        place = (found["module"], int(found["layer"]), _PARTS[found["part"]])
        sides.setdefault(place, {})[found["side"]] = tensor
    if not sides:
        raise refuse(f"{path}: {WEIGHTS} has no lora_A and lora_B of a language model's layers")
    changes: list[Change] = []
    for (module, layer, part), pair in sides.items():
        if pair.keys() != {"A", "B"} or pair["A"].shape[0] != pair["B"].shape[1]:
            raise refuse(f"{path}: {WEIGHTS} lacks one of lora_A and lora_B of {module}, or their ranks differ")
        scale = _find_scale(config, module, pair["A"].shape[0], path)
        changes.append(Change(module, layer, part, pair["A"], pair["B"], scale))
    return tuple(changes)


def _find_scale(config: Mapping[str, Any], module: str, rank: int, path: str) -> float:
    expected = _find_pattern(config, "rank_pattern", module, config.get("r", 8))
    if expected != rank:
        raise refuse(f"{path}: {ADAPTER} says rank {expected} for {module}, and {WEIGHTS} has rank {rank}")
    alpha = _find_pattern(config, "alpha_pattern", module, config.get("lora_alpha", 8))
    if not isinstance(alpha, int | float) or isinstance(alpha, bool):
        raise refuse(f"{path}: {ADAPTER} has lora_alpha {json.dumps(alpha)[:80]}; expected a number")
    return alpha / rank**0.5 if config.get("use_rslora") else alpha / rank


def _find_pattern(config: Mapping[str, Any], key: str, module: str, default: Any) -> Any:
    """The value of the first pattern that the end of a module's name matches, as PEFT looks it up."""
    patterns: Any = config.get(key) or {}
    if not isinstance(patterns, dict):
        raise refuse(f"{ADAPTER} has {key} {json.dumps(patterns)[:80]}; expected an object")
    for pattern, value in cast("dict[str, Any]", patterns).items():
        try:
            if re.fullmatch(rf"(.*\.)?({pattern})", module):
                return value
        except re.error as error:
            raise refuse(f"{ADAPTER} has {key} {pattern!r}, which is no pattern ({error})") from error
    return default


def refuse(reason: str) -> ModelError:
    """The error for an adapter that can't be merged."""
    return ModelError(reason, parameters=_PARAMETERS)
