"""The rotary embedding of each kind of layer, as config.json says it in old and new versions of transformers.

Old: ``rope_theta``, ``rope_scaling`` and, for the sliding layers of Gemma 3 and 3n, ``rope_local_base_freq``. New:
``rope_parameters``, since Gemma 3 with an object for each kind of layer. transformers fills up the one with the other.
Gemma 4 has the new form alone, and the type proportional, which rotates some pairs only.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, cast

from promptlight.salience.decoder.rope import Rope, Yarn
from promptlight.salience.errors import ModelError
from promptlight.salience.loading.transformers._keys import FULL, SLIDING
from promptlight.salience.loading.transformers._values import Values, unless

GLOBAL_BASE, BASE = 1_000_000.0, 10_000.0  # of layers of full attention since Gemma 3, and of all others
_IN_4: Mapping[str, Any] = {  # what transformers takes for Gemma 4's rope_parameters if they are not there
    FULL: {"rope_type": "proportional", "partial_rotary_factor": 0.25, "rope_theta": GLOBAL_BASE},
    SLIDING: {"rope_type": "default", "rope_theta": BASE},
}
_Keys = Mapping[str, set[str]]
_KEYS: _Keys = {  # what each kind of rotation has, beside rope_type and rope_theta
    "default": set[str](),
    "linear": {"factor"},
    "yarn": {
        *("factor", "original_max_position_embeddings", "attention_factor", "beta_fast", "beta_slow", "mscale"),
        "mscale_all_dim",
    },
}
_KEYS_IN_4: _Keys = {**_KEYS, "proportional": {"factor", "partial_rotary_factor"}}


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
    """The rotations of Gemma 3 and 3n by the kind of layer."""
    old, new = _find_objects(config)
    if old and new:
        raise _refuse_both(config)
    _check_kinds(new, config)
    if old and "rope_type" not in old:  # transformers 5 then takes the default, transformers 4 the type
        raise ModelError(f"{config.place}: rope_scaling has no rope_type; expected one, such as linear")
    full, sliding = ((_find_object(new, kind, f"{config.place}: rope_parameters")) for kind in (FULL, SLIDING))
    base = _find_base(config, "rope_theta", GLOBAL_BASE, old or full)
    local = _find_base(config, "rope_local_base_freq", BASE, sliding)
    return {
        FULL: _read(old or full, base, _place(config, old, FULL), head_dim, context_length),
        SLIDING: _read(sliding, local, f"{config.place}: rope_parameters.{SLIDING}", head_dim, context_length),
    }


def read_ropes_in_4(config: Values, head_dims: Mapping[str, int], context_length: int) -> dict[str, Rope]:
    """The rotations of Gemma 4 by the kind of layer; ``head_dims`` has the width of heads for each kind there is."""
    given = _IN_4
    if config.values.get("rope_parameters") is not None:
        given = _find_object(config.values, "rope_parameters", config.place)
    _check_kinds(given, config)
    ropes: dict[str, Rope] = {}
    for kind, head_dim in head_dims.items():
        place = f"{config.place}: rope_parameters.{kind}"
        values = _find_object(given, kind, f"{config.place}: rope_parameters")
        ropes[kind] = _read(values, None, place, head_dim, context_length, _KEYS_IN_4)
    return ropes


def _check_kinds(parameters: Mapping[str, Any], config: Values) -> None:
    if strange := parameters.keys() - {FULL, SLIDING}:
        raise ModelError(f"{config.place}: rope_parameters has {min(strange)}; expected {FULL} and {SLIDING} alone")


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


def _read(
    values: Mapping[str, Any], base: float | None, place: str, head_dim: int, context_length: int, types: _Keys = _KEYS
) -> Rope:
    """One rotation; ``base`` is its wavelength if the object has none."""
    found = Values(values, place)
    kind = values.get("rope_type", values.get("type", "default"))
    if kind not in types:
        raise ModelError(
            f"{place} has rope_type {json.dumps(kind)[:80]}, which is not covered; expected {', '.join(types)}"
        )
    if "type" in values and values["type"] != kind:
        raise ModelError(f"{place} has rope_type {kind} and type {json.dumps(values['type'])[:80]}; expected one")
    known = types[kind] | {"rope_type", "type", "rope_theta"}
    for key, value in values.items():
        if key not in known and (key, value) not in (("partial_rotary_factor", 1), ("truncate", True)):
            raise ModelError(f"{place} has {key}, which is not covered for rope_type {kind}")
    wavelength = found.number("rope_theta", base)
    if kind == "default":
        return Rope(head_dim, wavelength, 1.0)
    if kind == "proportional":
        return _read_proportional(found, wavelength, head_dim)
    factor = found.number("factor")
    return Rope(head_dim, wavelength, factor, _read_yarn(found, factor, context_length) if kind == "yarn" else None)


def _read_proportional(found: Values, wavelength: float, head_dim: int) -> Rope:
    """A rotation of the first pairs alone, at the frequencies that they would have among all pairs."""
    share = found.number("partial_rotary_factor", 1.0)
    if share > 1:
        raise found.refuse("partial_rotary_factor", "a number above 0 and at most 1")
    return Rope(
        head_dim, wavelength, found.number("factor", 1.0), n_pairs=unless(int(share * head_dim // 2), head_dim // 2)
    )


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
