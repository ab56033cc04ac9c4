"""Loading a Gemma model with keras-nlp: the one module that imports Keras.

keras-nlp finds, downloads and reads the preset; its weights are then run by our own decoder, where they lie.
"""

from __future__ import annotations

import contextlib
import difflib
import hashlib
import json
import os
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from promptlight.salience.decoder import Decoder, borrow_decoder, convert_tensors
from promptlight.salience.errors import ModelError
from promptlight.salience.handles import (
    DEMO,
    DEMO_FOLDER,
    FAMILIES,
    Handle,
    check_folder,
    explain_loading_error,
    parse_handle,
)
from promptlight.salience.hubs import HUGGING_FACE, KAGGLE, fetch_preset, fetch_tokenizer
from promptlight.salience.presets import check_preset
from promptlight.salience.tokenizer import Tokenizer
from promptlight.salience.types import StopReason

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float64": torch.float64}

# How many positions each family was made for; the bundled model was trained on shorter texts.
CONTEXT_LENGTHS = {"GemmaBackbone": 8192, "Gemma3Backbone": 32768}
DEMO_CONTEXT_LENGTH = 512


@dataclass(frozen=True, kw_only=True)
class Model:
    """A loaded model: its decoder and tokenizer, and what a result must say about it.

    ``backbone`` is the Keras model whose weights the decoder runs; ``config_hash`` is of its configuration.
    """

    name: str
    preset: str
    decoder: Decoder
    tokenizer: Tokenizer
    backbone: Any
    context_length: int
    config_hash: str

    @property
    def device(self) -> torch.device:
        """Where the weights lie."""
        return self.decoder.embedding.device

    @property
    def dtype(self) -> str:
        """The weights' dtype, such as ``float32``."""
        return str(self.decoder.embedding.dtype).removeprefix("torch.")

    @property
    def stops(self) -> dict[int, StopReason]:
        """Token ids that end a completion."""
        stops = {self.tokenizer.eos_id: StopReason.END_OF_TEXT}
        if self.tokenizer.end_of_turn_id is not None:
            stops[self.tokenizer.end_of_turn_id] = StopReason.END_OF_TURN
        return stops


def load_model(handle: str = DEMO, *, device: str = "auto", dtype: str = "auto") -> Model:
    """Load a model for analysis; ``handles.py`` lists what ``handle`` may be.

    ``device``: auto, cpu, cuda or mps; auto takes CUDA where there is one. ``dtype``: auto, float32, bfloat16 or
    float64; auto is bfloat16 on CUDA and float32 elsewhere. Raises ModelError with what to do.
    """
    parsed = parse_handle(handle)
    place = choose_device(device)
    precision = choose_dtype(dtype, place)
    if parsed.is_folder:
        check_folder(Path(parsed.preset))
        check_preset(Path(parsed.preset), parsed.preset)
    keras_nlp = import_keras_nlp()
    _check_preset_name(keras_nlp, parsed)
    causal_lm, tokenizer = _load_preset(keras_nlp, parsed, place, precision)
    backbone = causal_lm.backbone
    return Model(
        name=parsed.name,
        preset=DEMO if parsed.preset == str(DEMO_FOLDER) else parsed.preset,
        # frozen: no gradient is ever asked of a weight, which halves the work of a backward pass
        decoder=convert_tensors(borrow_decoder(backbone), torch.Tensor.detach),
        tokenizer=Tokenizer(tokenizer.proto),
        backbone=backbone,
        context_length=_context_length(parsed, backbone),
        config_hash=_hash_config(backbone),
    )


def load_preset_tokenizer(handle: Handle) -> Tokenizer:
    """The tokenizer of a preset that lies on a hub."""
    keras_nlp = import_keras_nlp()
    _check_preset_name(keras_nlp, handle)
    with _explaining_errors(handle):
        return Tokenizer.from_file(fetch_tokenizer(_find_address(keras_nlp, handle), handle.preset))


def import_keras_nlp() -> Any:
    """Import keras-nlp on the PyTorch backend, which nothing else may have chosen otherwise."""
    chosen = os.environ.setdefault("KERAS_BACKEND", "torch")
    if chosen != "torch":
        raise ModelError(f"KERAS_BACKEND is {chosen!r}, but promptlight needs torch: unset it or set it to torch")
    import keras
    import keras_nlp

    if keras.backend.backend() != "torch":
        raise ModelError(f"Keras already runs on {keras.backend.backend()}: set KERAS_BACKEND=torch before importing")
    return keras_nlp


def choose_device(device: str) -> torch.device:
    """The torch device for a name, or the best one for ``auto``."""
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if device == "auto":
        return torch.device("cuda" if available["cuda"] else "cpu")
    if device not in available:
        raise ModelError(f"expected a device auto, cpu, cuda or mps, found {device!r}")
    if not available[device]:
        usable = ", ".join(name for name, there in available.items() if there)
        raise ModelError(f"--device {device}: not available here; use one of: {usable}")
    return torch.device(device)


def choose_dtype(dtype: str, device: torch.device) -> torch.dtype:
    """The torch dtype for a name, or the usual one of the device for ``auto``."""
    if dtype == "auto":
        return torch.bfloat16 if device.type == "cuda" else torch.float32
    if dtype not in DTYPES:
        raise ModelError(f"expected a dtype auto, {', '.join(DTYPES)}, found {dtype!r}")
    return DTYPES[dtype]


def _check_preset_name(keras_nlp: Any, handle: Handle) -> None:
    """Raise ModelError unless it is a folder, an address, or the name of a preset that is covered."""
    preset = handle.preset
    if handle.is_folder or "://" in preset:
        return
    covered = {*keras_nlp.models.GemmaBackbone.presets, *keras_nlp.models.Gemma3Backbone.presets}
    if preset in covered:
        return
    if preset in keras_nlp.models.Backbone.presets:
        raise ModelError(f"{preset}: this family is not covered; covered are {FAMILIES}")
    close = difflib.get_close_matches(preset, [*covered, DEMO], n=3)
    hint = f"did you mean {' or '.join(close)}?" if close else "expected a preset such as gemma2_instruct_2b_en,"
    raise ModelError(f"{preset}: unknown model; {hint} a folder, kaggle://..., hf://... or demo also work")


def _load_preset(keras_nlp: Any, handle: Handle, device: torch.device, dtype: torch.dtype) -> tuple[Any, Any]:
    import keras

    name = str(dtype).removeprefix("torch.")
    with _explaining_errors(handle):
        source = str(_find_folder(keras_nlp, handle))
        with keras.device("gpu:0" if device.type == "cuda" else f"{device.type}:0"):
            causal_lm = keras_nlp.models.CausalLM.from_preset(source, dtype=name, preprocessor=None)
            tokenizer = keras_nlp.models.Tokenizer.from_preset(source)
    if type(causal_lm.backbone).__name__ not in CONTEXT_LENGTHS:
        family = type(causal_lm.backbone).__name__.removesuffix("Backbone")
        raise ModelError(f"{handle.preset}: {family} is not covered; covered are {FAMILIES}")
    return causal_lm, tokenizer


@contextlib.contextmanager
def _explaining_errors(handle: Handle) -> Generator[None]:
    """Each library below has its own errors; ``explain_loading_error`` sorts them."""
    try:
        yield
    except Exception as error:
        raise explain_loading_error(handle, error, kaggle_login=_has_kaggle_login()) from error


def _find_folder(keras_nlp: Any, handle: Handle) -> Path:
    """The folder that ``from_preset`` reads, fetched if need be, and looked through."""
    if handle.is_folder:
        return Path(handle.preset).absolute()  # a folder may have the name of a preset, which would go first
    folder = fetch_preset(_find_address(keras_nlp, handle), handle.preset)
    check_preset(folder, handle.preset)
    return folder


def _find_address(keras_nlp: Any, handle: Handle) -> str:
    """Where a preset lies that has a name in keras-nlp, or else what the user wrote."""
    if handle.preset.startswith((KAGGLE, HUGGING_FACE)):
        return handle.preset
    return keras_nlp.models.Backbone.presets[handle.preset]["kaggle_handle"]


def _context_length(handle: Handle, backbone: Any) -> int:
    if handle.preset == str(DEMO_FOLDER):
        return DEMO_CONTEXT_LENGTH
    family = CONTEXT_LENGTHS[type(backbone).__name__]
    config = Path(handle.preset) / "config.json"
    if handle.is_folder and config.is_file():  # a transformers folder says it; a Keras one does not
        return int(json.loads(config.read_text(encoding="utf-8")).get("max_position_embeddings", family))
    return family


def _hash_config(backbone: Any) -> str:
    config = {key: value for key, value in backbone.get_config().items() if key not in ("name", "dtype", "trainable")}
    return hashlib.sha256(json.dumps(config, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _has_kaggle_login() -> bool:
    from kagglehub.config import get_kaggle_credentials

    try:
        return get_kaggle_credentials() is not None
    except ValueError:  # a broken credentials file
        return False
