"""Parse the user's name for a model.

demo                               the small model inside the package
gemma2_instruct_2b_en              a preset that keras-nlp knows
kaggle://keras/gemma2/keras/...    a Kaggle model
hf://google/gemma-2-2b-it          a Hugging Face model
google/gemma-2-2b-it               the same, unless there is such a folder or file
hf://google/gemma-2-2b-it@9e2c3f1  a revision of it: a commit, branch or tag
./folder                           a local folder: a Keras preset, or what Hugging Face transformers wrote
./model.gguf                       a GGUF file, as llama.cpp and Ollama have them
name:any of these                  the same, shown under a name of your own
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from pathlib import Path

from promptlight.salience.errors import ModelError
from promptlight.salience.loading.gguf._shards import find_first_shard, find_shards, hash_files
from promptlight.salience.text.secrets import hide_secrets

DEMO = "demo"
DEMO_FOLDER = Path(__file__).parents[1] / "demo"

PATH_STARTS = (".", "/", "~")
ADAPTER = "adapter_config.json"
PRESET_FILES = ("config.json", "model.weights.h5", "model.safetensors")
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".npy", ".npz", ".keras")  # .keras: layers with code
GGUF_ENDING, GGUF_MAGIC = ".gguf", b"GGUF"
_REVISION = r"(@\w[\w.-]*(/\w[\w.-]*)*)?"  # such as @refs/pr/7
_HUB_NAME = re.compile(r"\w[\w.-]*/\w[\w.-]*" + _REVISION)  # as Hugging Face's own tools take it
_ADDRESS = re.compile(r"kaggle://\w[\w.-]*(/\w[\w.-]*){3,4}|hf://\w[\w.-]*(/\w[\w.-]*" + _REVISION + ")?")


@dataclass(frozen=True)
class Handle:
    """A model as the user named it: ``name`` to show, ``preset`` to load."""

    name: str
    preset: str
    written_as_path: bool = field(default=False, compare=False)  # `./x` is stored as `x` but is a folder

    @property
    def is_gguf(self) -> bool:
        """Whether the user means a GGUF file: by its ending or, as Ollama's files have none, by its first bytes."""
        if "://" in self.preset or (path := Path(self.preset)).is_dir():
            return False
        return path.suffix.lower() == GGUF_ENDING or _begins_with_magic(path)

    @property
    def is_folder(self) -> bool:
        """Whether the user means a local folder."""
        if "://" in self.preset or self.is_gguf:
            return False
        return self.written_as_path or self.preset.startswith(PATH_STARTS) or Path(self.preset).is_dir()


def parse_handle(text: str) -> Handle:
    """Split off an optional ``name:``; resolve ``demo`` and ``~``. Raises ModelError for an address of no known hub."""
    named = re.match(r"([\w.-]{2,}):(?!//)(.+)", text)  # at least two letters: C:\folder has no name
    name, preset = named.groups() if named else (text, text)
    if not preset.strip():
        raise ModelError(
            "expected a model, found nothing: try `demo` or `gemma2_instruct_2b_en`", parameters=("model",)
        )
    if "://" in preset and not _ADDRESS.fullmatch(preset):
        raise ModelError(
            f"{hide_secrets(preset)}: no address of a model; expected kaggle://OWNER/MODEL/keras/VARIATION, perhaps"
            " with /VERSION, or hf://OWNER/MODEL, perhaps with @REVISION"
        )
    if preset == DEMO:
        return Handle(name, str(DEMO_FOLDER))
    handle = Handle(name, preset, written_as_path=preset.startswith(PATH_STARTS))
    folder = Path(preset).expanduser()
    if (in_place := replace(handle, preset=str(folder))).is_gguf:
        return replace(in_place, preset=str(find_first_shard(folder)))
    if _HUB_NAME.fullmatch(preset) and not folder.exists():
        return replace(handle, preset=f"hf://{preset}")
    if not handle.is_folder:
        return handle
    return replace(handle, preset=str(DEMO_FOLDER if folder.resolve() == DEMO_FOLDER.resolve() else folder))


def spell_stored(model: str) -> str:
    """A model as results name it, to load it again: they name Hugging Face's by ``hf://``, so ``a/b`` is a folder."""
    return f"./{model}" if _HUB_NAME.fullmatch(model) else model


def hash_model_file(handle: Handle) -> str | None:
    """The SHA-256 that results record of a GGUF file; None for other models. Raises ModelError if it is missing."""
    return hash_files(find_shards(Path(handle.preset))) if handle.is_gguf else None


def _begins_with_magic(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(GGUF_MAGIC)) == GGUF_MAGIC
    except (OSError, ValueError):
        return False


def check_folder(folder: Path) -> None:
    """Raise ModelError unless a folder looks like a preset."""
    if not folder.exists():
        raise ModelError(f"{folder}: no such folder; expected one with {PRESET_FILES[0]} and weights in it")
    if not folder.is_dir():
        raise ModelError(
            f"{folder} is a file, but no GGUF file; expected one, or the folder of a preset, such as {folder.parent}"
        )
    try:
        names = sorted(path.name for path in folder.iterdir())
    except OSError as error:
        raise ModelError(f"{folder}: can't be read ({error.strerror}); check its permissions") from error
    if ADAPTER in names:
        raise ModelError(_explain_adapter(folder), parameters=("model", "adapter"))
    weights = any(name.endswith((".weights.h5", ".safetensors")) for name in names)
    if "config.json" in names and weights:
        return
    found = ", ".join(names[:6]) + (", ..." if len(names) > 6 else "") or "nothing"
    missing = "config.json" if "config.json" not in names else "weights (model.weights.h5 or model.safetensors)"
    if gguf := [name for name in names if name.endswith(GGUF_ENDING)]:
        raise ModelError(f"{folder} is no preset, but has a GGUF file: give the file, {folder / gguf[0]}")
    unread = [name for name in names if name.endswith(PICKLES)]
    advice = f"; {unread[0]} is not read, as it can hold code: save the model as safetensors" if unread else ""
    raise ModelError(f"{folder} is no preset: it has no {missing}; found {found}{advice}")


def _explain_adapter(folder: Path) -> str:
    """Say how a LoRA adapter is used."""
    try:
        base = json.loads((folder / ADAPTER).read_text(encoding="utf-8-sig"))["base_model_name_or_path"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        base = None
    named = f", {hide_secrets(base)}," if isinstance(base, str) and base else ""
    return f"{folder} has {ADAPTER}, so it is an adapter: give its base{named} as the model, and it as the adapter"
