"""Find out from config.json whether a preset is quantised, and whether that is covered.

Does not know: how weights are expanded, which ``keras`` does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from promptlight.salience.errors import ModelError
from promptlight.salience.loading.configs import find_objects

INT8 = "int8"  # the only mode of Keras that is covered


def find_quantisation(config: Mapping[str, Any], name: str) -> str | None:
    """How a preset is quantised, None if it is not; ``name`` is the user's name for it.

    Raises ModelError for all but Keras's int8.
    """
    found = find_quantisations(config)
    if found - {INT8}:
        how = ", ".join(sorted(found))
        raise ModelError(
            f"{name}: quantised ({how}), which is not covered: expected full weights, such as those it was made"
            " from, a GGUF file, or Keras's int8, as model.quantize('int8') makes it"
        )
    return INT8 if found else None


def find_quantisations(config: Mapping[str, Any]) -> set[str]:
    """How a preset's weights are quantised, from its config.json: Keras's modes (int8), or a method of transformers."""
    found: set[str] = set()
    for one in find_objects(config):
        if (bits := _get(one.get("quantization"), "bits")) is not None:
            found.add(f"MLX, {bits} bits")
        elif (theirs := one.get("quantization_config")) is not None:
            found.add(str(_get(theirs, "quant_method") or "in a way of transformers' own"))
        mode = _get(one.get("config"), "mode")
        if mode and "DTypePolicy" in str(one.get("class_name")):
            found.add(str(mode))
    return found


def _get(value: object, key: str) -> Any:
    """An entry of a JSON object; None if the value is no object."""
    return cast("dict[str, Any]", value).get(key) if isinstance(value, dict) else None
