"""Fetch a preset from Kaggle or Hugging Face: every file that will be read, so that all can be checked first.

keras-nlp fetches files one by one while it loads, and treats any failure as "not there". It would need the network for
a fully cached model, and hide why a file can't be fetched.
"""

# pyright: standard

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from promptlight.salience.loading._tokenizer_files import TOKENIZER_CONFIG, has_more_rows, needs_json
from promptlight.salience.loading.configs import CONFIG, TOKENIZER, VOCABULARIES, check_config
from promptlight.salience.loading.families import is_of_keras
from promptlight.salience.loading.weight_files import (
    DATA_ENDINGS,
    KERAS_INDEX,
    KERAS_WEIGHTS,
    SAFETENSORS,
    SAFETENSORS_INDEX,
    read_index,
)

KAGGLE, HUGGING_FACE = ADDRESSES = ("kaggle://", "hf://")
NOT_THERE_WORDS = ("404 Client Error", "is not present in the model files")  # kagglehub's
NOT_THERE_ERRORS = (
    "EntryNotFoundError",
    "RemoteEntryNotFoundError",
)  # huggingface_hub's; not LocalEntryNotFoundError
Fetch = Callable[[str], str]
"""The name of a file in the preset -> its path on this disk. Cached files are not fetched again."""


def fetch_preset(address: str, name: str) -> Path:
    """Fetch the folder of a preset from ``kaggle://...`` or ``hf://...``. Raises the hub library's own errors.

    Raises ModelError for a configuration that would be refused, before anything large is fetched.
    """
    fetch = _find_hub(address)
    folder = Path(fetch(CONFIG)).parent
    config = check_config(folder, name)
    _fetch_tokenizer(fetch, folder, config, name)
    if is_of_keras(config):
        fetch(TOKENIZER)
    single, index = _name_weights(config)
    if (folder / index).is_file() or not _is_there(fetch, single):
        for weights in read_index(Path(fetch(index)), name):
            fetch(weights)
    return folder


def fetch_config(address: str, name: str) -> tuple[dict[str, Any], int | None]:
    """Fetch only a preset's config.json: that, and the bytes of weights that are not here yet, None if nobody knows.

    Raises as ``fetch_preset`` does.
    """
    folder = Path(_find_hub(address)(CONFIG)).parent
    config = check_config(folder, name)
    single, index = (folder / one for one in _name_weights(config))
    is_whole = index.is_file() and all((folder / one).is_file() for one in read_index(index, name))
    return config, 0 if single.is_file() or is_whole else _measure_weights(address, single.name)


def _measure_weights(address: str, single: str) -> int | None:
    """The bytes of a model's weights on Hugging Face, in one file or several; None if that or Kaggle does not say."""
    if not address.startswith(HUGGING_FACE):
        return None
    import huggingface_hub

    try:
        handle, revision = _split_revision(address)
        found = huggingface_hub.model_info(handle, revision=revision, files_metadata=True).siblings or []
    except Exception:  # fetching the weights will say what is wrong
        return None
    sizes = {file.rfilename: file.size or 0 for file in found}
    several = (size for file, size in sizes.items() if file.startswith("model") and file.endswith(DATA_ENDINGS))
    return sizes.get(single) or sum(several) or None


def fetch_vocabulary(address: str, name: str) -> tuple[Path, dict[str, Any]]:
    """Fetch the files of a model's tokenizer: their folder, and its config.json. Raises as ``fetch_preset`` does."""
    fetch = _find_hub(address)
    folder = Path(fetch(CONFIG)).parent
    config = check_config(folder, name)
    _fetch_tokenizer(fetch, folder, config, name)
    return folder, config


def _name_weights(config: dict[str, Any]) -> tuple[str, str]:
    """The file with all weights in the format of a config.json, and the list of files if there are several."""
    return (KERAS_WEIGHTS, KERAS_INDEX) if is_of_keras(config) else (SAFETENSORS, SAFETENSORS_INDEX)


def _fetch_tokenizer(fetch: Fetch, folder: Path, config: dict[str, Any], name: str) -> None:
    """Fetch what ``read_tokenizer`` will read; what is in the cache without ``tokenizer.model`` came without it."""
    if is_of_keras(config):
        fetch(VOCABULARIES[0])
        return
    only_json = (folder / TOKENIZER).is_file() and not (folder / VOCABULARIES[1]).is_file()
    if only_json or not _is_there(fetch, VOCABULARIES[1]):
        fetch(TOKENIZER)
        return
    if has_more_rows(folder, config) and _is_there(fetch, TOKENIZER_CONFIG) and needs_json(folder, name):
        fetch(TOKENIZER)


def _is_there(fetch: Fetch, file: str) -> bool:
    try:
        fetch(file)
    except Exception as error:
        if type(error).__name__ in NOT_THERE_ERRORS or any(words in str(error) for words in NOT_THERE_WORDS):
            return False
        raise
    return True


def _find_hub(address: str) -> Fetch:
    return _from_hugging_face(address) if address.startswith(HUGGING_FACE) else _from_kaggle(address)


def _from_kaggle(address: str) -> Fetch:
    import kagglehub

    handle = address.removeprefix(KAGGLE)
    return lambda file: kagglehub.model_download(handle, file)


def _from_hugging_face(address: str) -> Fetch:
    import huggingface_hub

    handle, revision = _split_revision(address)
    return lambda file: huggingface_hub.hf_hub_download(handle, file, revision=revision)


def _split_revision(address: str) -> tuple[str, str | None]:
    """Hugging Face's name of a model, and what stands after an ``@``."""
    handle, _, revision = address.removeprefix(HUGGING_FACE).partition("@")
    return handle, revision or None
