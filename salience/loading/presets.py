"""A preset is data: whatever in its files would be more than that is refused before Keras reads them.

Looked at are, in this order:
 1. links: they lead to files within the folder, or within the cache of the hub that it came from;
 2. config.json and the like: no class but Gemma's own, as Keras makes an object of each one that they name, and no code
    of the preset's;
 3. the lists of weight files: names within the folder, of HDF5 or safetensors files, never of pickles, which run code;
 4. HDF5 files: no other file is referred to, and nothing unpacks to far more than it is;
 5. sizes: no more parameters than the weight files have room for.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, cast

from promptlight.salience.errors import ModelError
from promptlight.salience.loading.handles import FAMILIES

CONFIG, TOKENIZER, TASK = "config.json", "tokenizer.json", "task.json"
KERAS_INDEX, SAFETENSORS_INDEX = "model.weights.json", "model.safetensors.index.json"
VOCABULARIES = ("assets/tokenizer/vocabulary.spm", "tokenizer.model")  # of Keras, of transformers
WEIGHTS = ("*.weights.h5", "*.safetensors")
DATA_ENDINGS = (".weights.h5", ".safetensors")
RUNS_NO_CODE = "promptlight runs no code of a preset"
AS_PUBLISHED = "take the preset as it was published"

_CLASSES = re.compile(r"Gemma\w*|\w*DTypePolicy(Map)?")
_PACKAGES = ("keras", "keras_hub", "keras_nlp")
_ROOM = 64 * 2**20  # bytes that a file may unpack to, whatever its size
_EXPANSION = 16  # Keras does not pack weights at all
_PARAMETERS_A_BYTE = 2  # four bits each is the least there is
_SIZES = (("vocabulary_size", "vocab_size"), ("hidden_dim", "hidden_size"), ("num_layers", "num_hidden_layers"))


def check_preset(folder: Path, name: str) -> None:
    """Raise ModelError for a preset that is not data only; ``name`` is what the user calls it."""
    _check_links(folder, name)
    configs = {CONFIG: check_config(folder, name)}
    if "registered_name" in configs[CONFIG]:  # files of transformers mean something else
        configs |= {one: read_json(folder / one, name) for one in (TOKENIZER, TASK) if (folder / one).is_file()}
        for file, config in configs.items():
            _check_classes(config, f"{name}: {file}")
    for index in (KERAS_INDEX, SAFETENSORS_INDEX):
        if (folder / index).is_file():
            read_index(folder / index, name)
    weights = _find_weights(folder)
    for path in weights:
        if path.suffix == ".h5":
            _check_h5(path, name)
    for file, config in configs.items():
        _check_size(config, sum(path.stat().st_size for path in weights), f"{name}: {file}")


def check_config(folder: Path, name: str) -> dict[str, Any]:
    """config.json, if it is one of a Gemma and asks for nothing else. Raises ModelError."""
    config = read_json(folder / CONFIG, name)
    family = config.get("model_type") or config.get("class_name")  # of transformers, of Keras
    if family is not None and "gemma" not in str(family).lower():
        raise ModelError(f"{name}: {family} is not covered; covered are {FAMILIES}")
    if code := config.get("auto_map") or config.get("custom_pipelines"):
        raise ModelError(
            f"{name}: {CONFIG} asks for code of its own ({json.dumps(code)[:80]}), and {RUNS_NO_CODE}; take the model"
            " that it was made from, or a copy in transformers' own format"
        )
    if "registered_name" in config:
        _check_classes(config, f"{name}: {CONFIG}")
    return config


def find_sizes(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Where a config.json has the sizes of the language model: Keras's within ``config``, transformers' within
    ``text_config`` if it also reads images."""
    inner = config.get("config" if "class_name" in config else "text_config")
    return cast("dict[str, Any]", inner) if isinstance(inner, dict) else config


def read_json(path: Path, name: str) -> dict[str, Any]:
    """An object from a JSON file of a preset. Raises ModelError."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{name}: could not be loaded ({path.name}: {error})") from error
    if not isinstance(value, dict):
        raise ModelError(f"{name}: could not be loaded ({path.name}: expected a JSON object)")
    return cast("dict[str, Any]", value)


def read_index(path: Path, name: str) -> list[str]:
    """The names of the weight files that a list has. Raises ModelError unless they are names of data in the folder."""
    listed = read_json(path, name).get("weight_map")
    if not isinstance(listed, dict):
        raise ModelError(f"{name}: could not be loaded ({path.name}: expected a weight_map)")
    values = cast("dict[str, Any]", listed).values()
    names = {str(one) for value in values for one in (cast("list[Any]", value) if isinstance(value, list) else [value])}
    for one in sorted(names):
        if PurePosixPath(one).name != one or "\\" in one:
            raise ModelError(f"{name}: {path.name} names {one}, which is no file of the folder; {AS_PUBLISHED}")
        if not one.endswith(DATA_ENDINGS):
            raise ModelError(
                f"{name}: {path.name} names {one}; expected {' or '.join(DATA_ENDINGS)}: other formats can hold code,"
                f" and {RUNS_NO_CODE}"
            )
    return sorted(names)


def check_link(folder: Path, path: Path, name: str) -> None:
    """Raise ModelError if a file of the folder is a link to elsewhere, or no file."""
    try:
        root, target = folder.resolve(), path.resolve()
    except (OSError, RuntimeError) as error:  # a link to itself
        raise ModelError(f"{name}: {path.name} could not be followed ({error})") from error
    cache = [root.parent.parent] if root.parent.name == "snapshots" else []  # huggingface_hub's: ../../blobs
    if not any(target.is_relative_to(place) for place in (root, *cache)):
        inside = path.relative_to(folder)
        raise ModelError(f"{name}: {inside} is a link to {target}, out of the folder; put the file itself there")
    if path.exists() and not path.is_file():
        raise ModelError(f"{name}: {path.relative_to(folder)} is no file; expected one with data")


def _check_links(folder: Path, name: str) -> None:
    named = [folder / one for one in (CONFIG, TOKENIZER, TASK, KERAS_INDEX, SAFETENSORS_INDEX, *VOCABULARIES)]
    for path in [*named, *_find_weights(folder)]:
        check_link(folder, path, name)


def _find_weights(folder: Path) -> list[Path]:
    return sorted(path for pattern in WEIGHTS for path in folder.glob(pattern))


def _check_classes(value: object, place: str) -> None:
    """Raise ModelError for an object, at any depth, of a class that is not Gemma's own."""
    for found in find_objects(value):
        if "class_name" not in found:
            continue
        kind, module, registered = (found.get(key) for key in ("class_name", "module", "registered_name"))
        package, _, registered_as = str(registered or kind).rpartition(">")
        known = (
            _CLASSES.fullmatch(str(kind))
            and registered_as == kind
            and {str(module or "keras").partition(".")[0], package or "keras"} <= set(_PACKAGES)
        )
        if not known:
            raise ModelError(
                f"{place} asks for {kind} of {module or registered or 'unknown origin'}, which no Gemma has, and"
                f" {RUNS_NO_CODE}; {AS_PUBLISHED}"
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


def _check_h5(path: Path, name: str) -> None:
    """Raise ModelError for an HDF5 file that refers to another file, or unpacks to far more than its size."""
    import h5py

    problems: list[str] = []
    n_bytes = 0

    def look_at_link(within: str, link: Any) -> None:
        if isinstance(link, h5py.ExternalLink):
            problems.append(f"{within} lies in another file, {link.filename}")
        elif isinstance(link, h5py.SoftLink):
            problems.append(f"{within} is a link to {link.path}")

    def look_at(within: str, item: Any) -> None:
        nonlocal n_bytes
        if not isinstance(item, h5py.Dataset):
            return
        if item.external:
            problems.append(f"{within} lies in another file, {item.external[0][0]}")
        if item.is_virtual:
            problems.append(f"{within} lies in other files")
        n_bytes += math.prod(item.shape or ()) * item.dtype.itemsize

    try:
        with h5py.File(path, "r") as file:
            file.visititems_links(look_at_link)
            file.visititems(look_at)
    except (OSError, RuntimeError, KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{name}: could not be loaded ({path.name}: {error})") from error
    if problems:
        raise ModelError(f"{name}: {path.name} is not whole: {problems[0]}; {AS_PUBLISHED}")
    if n_bytes > _EXPANSION * path.stat().st_size + _ROOM:
        size = path.stat().st_size
        raise ModelError(f"{name}: {path.name} has {size} bytes and would unpack to {n_bytes}; {AS_PUBLISHED}")


def _check_size(config: dict[str, Any], n_bytes: int, place: str) -> None:
    """Raise ModelError for a configuration that would fill the memory before a weight is read."""
    for sizes in find_objects(config):
        vocabulary, width, n_layers = (
            next((sizes[key] for key in keys if isinstance(sizes.get(key), int)), 0) for keys in _SIZES
        )
        n_parameters = vocabulary * width + n_layers * width * width
        if n_parameters > _PARAMETERS_A_BYTE * n_bytes:
            raise ModelError(
                f"{place} declares more than {n_parameters} parameters, and the weights have {n_bytes} bytes; take both"
                " from the same model"
            )
