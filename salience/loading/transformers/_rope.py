"""The rotary embedding of each kind of layer, as config.json says it in old and new versions of transformers.

Old: ``rope_theta``, ``rope_scaling`` and, for Gemma 3's sliding layers, ``rope_local_base_freq``. New:
``rope_parameters``, for Gemma 3 with an object for each kind of layer. transformers fills up the one with the other.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, cast

from promptlight.salience.decoder.rope import Rope, Yarn
from promptlight.salience.errors import ModelError
from promptlight.salience.loading.transformers._keys import FULL, SLIDING
from promptlight.salience.loading.transformers._values import Values

GLOBAL_BASE, BASE = 1_000_000.0, 10_000.0  # of Gemma 3's layers of full attention, and of all others
_KEYS = {  # what each kind of rotation has, beside rope_type and rope_theta
    "default": set[str](),
    "linear": {"factor"},
    "yarn": {
        *("factor", "original_max_position_embeddings", "attention_factor", "beta_fast", "beta_slow", "mscale"),
        "mscale_all_dim",
    },
}


def read_rope(config: Values, head_dim: int, context_length: int) -> Rope:
    """The rotation of Gemma 1 and 2, one for all layers."""
    old, new = _find_objects(config)
    for key in (FULL, SLIDING):
        if key in new:
            raise ModelError(f"{config.place}: rope_parameters has {key}; expected the same rotation for all layers")
    if old and new and old != new:
        raise _refuse_both(config)
    base = _find_base(config, "rope_theta", BASE, old or new)
    return _read(old or new, base, _place(config, old), head_dim, context_length)


def read_ropes(config: Values, head_dim: int, context_length: int) -> dict[str, Rope]:
    """The rotations of Gemma 3 by the kind of layer."""
    old, new = _find_objects(config)
    if old and new:
        raise _refuse_both(config)
    if strange := new.keys() - {FULL, SLIDING}:
        raise ModelError(f"{config.place}: rope_parameters has {min(strange)}; expected {FULL} and {SLIDING} alone")
    if old and "rope_type" not in old:  # transformers 5 then takes the default, transformers 4 the type
        raise ModelError(f"{config.place}: rope_scaling has no rope_type; expected one, such as linear")
    full, sliding = ((_find_object(new, kind, f"{config.place}: rope_parameters")) for kind in (FULL, SLIDING))
    base = _find_base(config, "rope_theta", GLOBAL_BASE, old or full)
    local = _find_base(config, "rope_local_base_freq", BASE, sliding)
    return {
        FULL: _read(old or full, base, _place(config, old, FULL), head_dim, context_length),
        SLIDING: _read(sliding, local, f"{config.place}: rope_parameters.{SLIDING}", head_dim, context_length),
    }


def _find_base(config: Values, key: str, default: float, inner: Mapping[str, Any]) -> float:
    """The wavelength that stands outside of the objects. Raises ModelError if the object has another one."""
    base = config.number(key, default)
    if key in config and inner.get("rope_theta", base) != base:
        raise config.refuse(key, f"{inner['rope_theta']}, as rope_theta within says")
    return base


def _find_objects(config: Values) -> tuple[dict[str, Any], dict[str, Any]]:
    """``rope_scaling`` and ``rope_parameters``; empty if they are not there."""
    old, new = (_find_object(config.values, key, config.place) for key in ("rope_scaling", "rope_parameters"))
    return old, new


def _find_object(values: Mapping[str, Any], key: str, place: str) -> dict[str, Any]:
    found = values.get(key)
    if found is not None and not isinstance(found, dict):
        raise ModelError(f"{place} has {key} {json.dumps(found)[:80]}; expected an object")
    return cast("dict[str, Any]", found or {})


def _place(config: Values, old: Mapping[str, Any], kind: str | None = None) -> str:
    return f"{config.place}: {'rope_scaling' if old else 'rope_parameters' + (f'.{kind}' if kind else '')}"


def _refuse_both(config: Values) -> ModelError:
    return ModelError(f"{config.place} has rope_scaling and rope_parameters; expected one of them")


def _read(values: Mapping[str, Any], base: float, place: str, head_dim: int, context_length: int) -> Rope:
    """One rotation; ``base`` is its wavelength if the object has none."""
    found = Values(values, place)
    kind = values.get("rope_type", values.get("type", "default"))
    if kind not in _KEYS:
        raise ModelError(
            f"{place} has rope_type {json.dumps(kind)[:80]}, which is not covered; expected {', '.join(_KEYS)}"
        )
    if "type" in values and values["type"] != kind:
        raise ModelError(f"{place} has rope_type {kind} and type {json.dumps(values['type'])[:80]}; expected one")
    known = _KEYS[kind] | {"rope_type", "type", "rope_theta"}
    for key, value in values.items():
        if key not in known and (key, value) not in (("partial_rotary_factor", 1), ("truncate", True)):
            raise ModelError(f"{place} has {key}, which is not covered for rope_type {kind}")
    wavelength = found.number("rope_theta", base)
    if kind == "default":
        return Rope(head_dim, wavelength, 1.0)
    factor = found.number("factor")
    return Rope(head_dim, wavelength, factor, _read_yarn(found, factor, context_length) if kind == "yarn" else None)


def _read_yarn(found: Values, factor: float, context_length: int) -> Yarn:
    def stretch(scale: float) -> float:
        return 0.1 * scale * math.log(factor) + 1 if factor > 1 else 1.0

    attention_factor = found.optional("attention_factor")
    if attention_factor is None:
        above, below = found.values.get("mscale"), found.values.get("mscale_all_dim")
        ratio = stretch(found.number("mscale")) / stretch(found.number("mscale_all_dim")) if above and below else None
        attention_factor = stretch(1.0) if ratio is None else ratio
    return Yarn(
        original_length=found.count("original_max_position_embeddings", context_length),
        fast=found.optional("beta_fast") or 32.0,
        slow=found.optional("beta_slow") or 1.0,
        attention_factor=attention_factor,
    )
