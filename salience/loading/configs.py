"""Read config.json and similar files as data: only classes of covered families, no code, no sizes beyond the weights.

Keras creates an object of every class that such a file names, at any depth, so all of them are checked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, cast

from promptlight.salience.errors import ModelError
from promptlight.salience.loading.families import (
    FAMILIES,
    KERAS_3N_SIZES,
    KERAS_SIZES,
    TRANSFORMERS_SIZES,
    find_family,
    is_of_keras,
)
from promptlight.salience.loading.other_kinds import explain_name

CONFIG, TOKENIZER, TASK = "config.json", "tokenizer.json", "task.json"
VOCABULARIES = ("assets/tokenizer/vocabulary.spm", "tokenizer.model")  # of Keras, of transformers
RUNS_NO_CODE = "promptlight runs no code of a preset"
AS_PUBLISHED = "use the preset as it was published"

_CLASSES = frozenset[str]().union(*(family.keras_classes for family in FAMILIES))
_DTYPES = re.compile(r"\w*DTypePolicy(Map)?")
_PACKAGES = ("keras", "keras_hub", "keras_nlp")
_FORMATS = (KERAS_SIZES, KERAS_3N_SIZES, TRANSFORMERS_SIZES)
_PARAMETERS_A_BYTE = 2  # at least four bits each


def check_config(folder: Path, name: str) -> dict[str, Any]:
    """Read config.json; raises ModelError unless its family is covered and it needs nothing else."""
    config = read_json(folder / CONFIG, name)
    find_family(config, name)
    if code := config.get("auto_map") or config.get("custom_pipelines"):
        raise ModelError(
            f"{name}: {CONFIG} asks for code of its own ({json.dumps(code)[:80]}), and {RUNS_NO_CODE}; use the model"
            " that it was made from, or a copy in transformers' own format"
        )
    if is_of_keras(config):
        check_classes(config, f"{name}: {CONFIG}")
    return config


def read_json(path: Path, name: str, parameters: tuple[str, ...] = ()) -> dict[str, Any]:
    """Read an object from a JSON file of a preset, or of what ``parameters`` name. Raises ModelError."""
    try:
        value = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{name}: could not be loaded ({path.name}: {error})", parameters=parameters) from error
    if not isinstance(value, dict):
        raise ModelError(f"{name}: could not be loaded ({path.name}: expected a JSON object)", parameters=parameters)
    return cast("dict[str, Any]", value)


def is_one_of(value: object, allowed: Iterable[object]) -> bool:
    """Whether a JSON value is one of these; true is not 1, and false not 0."""
    return any(value == one and isinstance(value, bool) <= isinstance(one, bool) for one in allowed)


def check_classes(value: object, place: str) -> None:
    """Raise ModelError for an object, at any depth, of a class that no covered family has."""
    for found in find_objects(value):
        if "class_name" not in found:
            continue
        kind, module, registered = (found.get(key) for key in ("class_name", "module", "registered_name"))
        package, _, registered_as = str(registered or kind).rpartition(">")
        known = (
            (str(kind) in _CLASSES or _DTYPES.fullmatch(str(kind)))
            and registered_as == kind
            and {str(module or "keras").partition(".")[0], package or "keras"} <= set(_PACKAGES)
        )
        if why := explain_name(str(kind)):
            raise ModelError(f"{place} asks for {kind}, which is not covered: {why}")
        if not known:
            raise ModelError(
                f"{place} asks for {kind} of {module or registered or 'unknown origin'}, which no covered model has,"
                f" and {RUNS_NO_CODE}; {AS_PUBLISHED}"
            )
        if isinstance(config := found.get("config"), dict) and cast("dict[str, Any]", config).get("proto") is not None:
            raise ModelError(f"{place} holds a vocabulary; expected it in {VOCABULARIES[0]}")


def find_objects(value: object) -> Iterator[dict[str, Any]]:
    """Every JSON object within a value, itself included, at any depth."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            fields = cast("dict[str, Any]", one)
            yield fields
            waiting += fields.values()
        elif isinstance(one, list):
            waiting += cast("list[object]", one)


def check_size(config: dict[str, Any], n_bytes: int, place: str) -> None:
    """Raise ModelError for a configuration that would fill memory before a weight is read."""
    for sizes in find_objects(config):
        vocabulary, width, n_layers = (
            next((sizes[key] for key in keys if isinstance(sizes.get(key), int)), 0)
            for keys in zip(*((one.vocabulary, one.width, one.n_layers) for one in _FORMATS), strict=True)
        )
        n_parameters = vocabulary * width + n_layers * width * width
        if n_parameters > _PARAMETERS_A_BYTE * n_bytes:
            raise ModelError(
                f"{place} declares more than {n_parameters} parameters, and the weights have {n_bytes} bytes; use both"
                " from the same model"
            )
