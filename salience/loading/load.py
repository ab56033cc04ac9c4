"""Loading a Gemma model: keras-nlp reads the preset, and our own decoder runs its weights where they lie."""

from __future__ import annotations

import contextlib
import difflib
import gc
from collections.abc import Generator
from pathlib import Path
from typing import Any

import torch

from promptlight.salience.decoder.chunks import is_out_of_memory
from promptlight.salience.decoder.decoder import convert_tensors
from promptlight.salience.decoder.free_memory import free_bytes
from promptlight.salience.errors import ModelError
from promptlight.salience.loading.handles import (
    DEMO,
    DEMO_FOLDER,
    FAMILIES,
    Handle,
    check_folder,
    explain_loading_error,
    parse_handle,
)
from promptlight.salience.loading.hubs import HUGGING_FACE, KAGGLE, fetch_config, fetch_preset, fetch_tokenizer
from promptlight.salience.loading.keras import borrow_decoder, find_presets, hash_config, import_keras_nlp, read_preset
from promptlight.salience.loading.model_size import Room, Size, find_quantisations, measure_model
from promptlight.salience.loading.presets import check_config, check_preset, find_sizes
from promptlight.salience.model import Model
from promptlight.salience.text.tokenizer import Tokenizer

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float64": torch.float64}

# How many positions each family was made for; the bundled model was trained on shorter texts.
CONTEXT_LENGTHS = {"GemmaBackbone": 8192, "Gemma3Backbone": 32768}
DEMO_CONTEXT_LENGTH = 512
QUANTISED = "int8"  # the one mode of Keras whose weights are read


def load_model(handle: str = DEMO, *, device: str = "auto", dtype: str = "auto") -> Model:
    """Load a model for analysis; ``handles.py`` lists what ``handle`` may be.

    ``device``: auto, cpu, cuda or mps; auto takes CUDA where there is one. ``dtype``: auto, float32, bfloat16 or
    float64; auto is bfloat16 on CUDA and float32 elsewhere. Raises ModelError with what to do, also if the weights are
    larger than the memory that is free.
    """
    parsed = parse_handle(handle)
    place = choose_device(device)
    precision = choose_dtype(dtype, place)
    if parsed.is_folder:
        check_folder(Path(parsed.preset))
        check_preset(Path(parsed.preset), parsed.preset)
    import_keras_nlp()
    _check_preset_name(parsed)
    config = _find_config(parsed)
    quantised = _find_quantisation(parsed, config)
    room = _measure_room(place, precision, quantised)
    size = measure_model(config)
    if size and (refusal := room.refuse(parsed.preset, size)):
        raise ModelError(refusal)
    with _explaining_errors(parsed, room, size):
        backbone, vocabulary = read_preset(_find_folder(parsed), place, None if quantised else precision)
        family = _find_family(parsed, backbone)
        decoder = borrow_decoder(backbone, precision if quantised else None)
    model = Model(
        name=parsed.name,
        preset=DEMO if parsed.preset == str(DEMO_FOLDER) else parsed.preset,
        # frozen: no gradient is ever asked of a weight, which halves the work of a backward pass
        decoder=convert_tensors(decoder, torch.Tensor.detach),
        tokenizer=Tokenizer(vocabulary),
        backbone=None if quantised else backbone,
        context_length=_find_context_length(parsed, config, family),
        config_hash=hash_config(backbone),
        quantised=quantised,
    )
    if quantised:
        del backbone
        gc.collect()  # Keras's layers refer to each other, and their int8 weights would stay
    return model


def load_preset_tokenizer(handle: Handle) -> Tokenizer:
    """The tokenizer of a preset that lies on a hub."""
    import_keras_nlp()
    _check_preset_name(handle)
    with _explaining_errors(handle):
        return Tokenizer.from_file(fetch_tokenizer(_find_address(handle), handle.preset))


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


def _check_preset_name(handle: Handle) -> None:
    """Raise ModelError unless it is a folder, an address, or the name of a preset that is covered."""
    preset = handle.preset
    if handle.is_folder or "://" in preset:
        return
    covered = {name for backbone in CONTEXT_LENGTHS for name in find_presets(backbone)}
    if preset in covered:
        return
    if preset in find_presets():
        raise ModelError(f"{preset}: this family is not covered; covered are {FAMILIES}")
    close = difflib.get_close_matches(preset, [*covered, DEMO], n=3)
    hint = f"did you mean {' or '.join(close)}?" if close else "expected a preset such as gemma2_instruct_2b_en,"
    raise ModelError(f"{preset}: unknown model; {hint} a folder, kaggle://..., hf://... or demo also work")


def _find_config(handle: Handle) -> dict[str, Any]:
    """The preset's configuration, before anything large is fetched."""
    if handle.is_folder:
        return check_config(Path(handle.preset), handle.preset)
    with _explaining_errors(handle):
        return fetch_config(_find_address(handle), handle.preset)


def _find_quantisation(handle: Handle, config: dict[str, Any]) -> str | None:
    """Which of Keras's modes a preset was quantised in. Raises ModelError for all but int8."""
    found = find_quantisations(config)
    if found - {QUANTISED}:
        how = ", ".join(sorted(found))
        raise ModelError(
            f"{handle.preset}: quantised ({how}), which is not covered: expected full weights, or Keras's int8, as"
            " model.quantize('int8') makes it"
        )
    return QUANTISED if found else None


def _measure_room(device: torch.device, dtype: torch.dtype, quantised: str | None) -> Room:
    """The memory that is free now where the model shall lie."""
    on_gpu = device.type == "cuda"
    return Room(
        device=f"CUDA ({torch.cuda.get_device_name(device)})" if on_gpu else device.type.upper(),
        dtype=str(dtype).removeprefix("torch."),
        weight_bytes=dtype.itemsize,
        free=free_bytes(device),
        free_on_cpu=free_bytes(torch.device("cpu")) if on_gpu else None,
        quantised=quantised is not None,
    )


@contextlib.contextmanager
def _explaining_errors(handle: Handle, room: Room | None = None, size: Size | None = None) -> Generator[None]:
    """Each library below has its own errors; ``explain_loading_error`` sorts them."""
    try:
        yield
    except ModelError:
        raise
    except Exception as error:
        if room and is_out_of_memory(error):
            ways = ", or ".join(room.list_ways(size)) if size else "take a smaller model"
            raise ModelError(f"{handle.preset}: out of memory while it was loaded on {room.device}; {ways}") from error
        raise explain_loading_error(handle, error, kaggle_login=_has_kaggle_login()) from error


def _find_folder(handle: Handle) -> Path:
    """The folder that ``from_preset`` reads, fetched if need be, and looked through."""
    if handle.is_folder:
        return Path(handle.preset).absolute()  # a folder may have the name of a preset, which would go first
    folder = fetch_preset(_find_address(handle), handle.preset)
    check_preset(folder, handle.preset)
    return folder


def _find_address(handle: Handle) -> str:
    """Where a preset lies that has a name in keras-nlp, or else what the user wrote."""
    if handle.preset.startswith((KAGGLE, HUGGING_FACE)):
        return handle.preset
    return find_presets()[handle.preset]["kaggle_handle"]


def _find_family(handle: Handle, backbone: Any) -> str:
    """The class of a backbone. Raises ModelError for other families."""
    family = type(backbone).__name__
    if family not in CONTEXT_LENGTHS:
        raise ModelError(f"{handle.preset}: {family.removesuffix('Backbone')} is not covered; covered are {FAMILIES}")
    return family


def _find_context_length(handle: Handle, config: dict[str, Any], family: str) -> int:
    """What a config of transformers says; Keras's do not say it."""
    if handle.preset == str(DEMO_FOLDER):
        return DEMO_CONTEXT_LENGTH
    length = find_sizes(config).get("max_position_embeddings")
    return length if isinstance(length, int) else CONTEXT_LENGTHS[family]


def _has_kaggle_login() -> bool:
    from kagglehub.config import get_kaggle_credentials

    try:
        return get_kaggle_credentials() is not None
    except ValueError:  # a broken credentials file
        return False
