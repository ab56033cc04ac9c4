"""Load a Gemma model, from the user's name for it to weights that a decoder runs.

1. The handle says where the preset is (``handles``). Its config.json is fetched first; it gives the family
   (``families``), the quantisation and the size. A model that is not covered or does not fit is refused here.
2. The other files are fetched and checked: a preset is data (``hubs``, ``presets``).
3. keras-nlp reads the weights, and our own decoder borrows them without a copy (``keras``).

A GGUF file says all this in its header, and is read without Keras (``gguf``).
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Generator
from pathlib import Path
from typing import Any

import torch

from promptlight.salience.decoder.chunks import is_out_of_memory
from promptlight.salience.decoder.free_memory import return_freed_memory
from promptlight.salience.decoder.tensors import convert_tensors, count_bytes
from promptlight.salience.errors import ModelError
from promptlight.salience.loading._devices import choose_device, choose_dtype, measure_room
from promptlight.salience.loading._preset_files import explaining_errors, find_config, find_folder
from promptlight.salience.loading.architecture import count_parameters, hash_architecture
from promptlight.salience.loading.families import Family, find_family, find_sizes
from promptlight.salience.loading.gguf._model import open_gguf
from promptlight.salience.loading.handles import DEMO, DEMO_FOLDER, Handle, parse_handle
from promptlight.salience.loading.keras import borrow_decoder, hash_config, import_keras_nlp, read_preset
from promptlight.salience.loading.model_size import Room, Size, count_loading_bytes, measure_model
from promptlight.salience.loading.quantisation import find_quantisation
from promptlight.salience.model import Model, ModelFacts
from promptlight.salience.text.tokenizer import Tokenizer

DEMO_CONTEXT_LENGTH = 512  # the bundled model was trained on shorter texts than its family

WHAT_FITS = ("dtype", "device", "model")  # parameters that decide whether a model fits


def load_model(handle: str = DEMO, *, device: str = "auto", dtype: str = "auto") -> Model:
    """Load a model for analysis; ``handles.py`` lists what ``handle`` may be.

    ``device``: auto, cpu, cuda or mps; auto takes CUDA if there is one. ``dtype``: auto, float32, bfloat16 or float64;
    auto is bfloat16 on CUDA and float32 elsewhere. Raises ModelError with what to do, also if the weights exceed the
    free memory.
    """
    parsed = parse_handle(handle)
    place = choose_device(device)
    precision = choose_dtype(dtype, place)
    if parsed.is_gguf:
        return _load_gguf(parsed, place, precision)
    config = find_config(parsed)
    family = find_family(config, parsed.preset)
    quantised = find_quantisation(config, parsed.preset)
    import_keras_nlp()  # before free memory is measured, as this uses some
    room, size = measure_room(place, precision, quantised=quantised is not None), measure_model(config, family)
    if size and (refusal := room.refuse(parsed.preset, size)):
        raise ModelError(refusal, parameters=WHAT_FITS)
    folder = find_folder(parsed)
    with _freezing_other_objects():
        with explaining_errors(parsed), _explaining_memory(parsed, room, size):
            backbone, vocabulary = read_preset(folder, place, None if quantised else precision)
            decoder = borrow_decoder(backbone, precision if quantised else None)
        facts = ModelFacts(
            name=parsed.name,
            preset=DEMO if parsed.preset == str(DEMO_FOLDER) else parsed.preset,
            dtype=room.dtype,
            device=str(decoder.embedding.device),
            config_hash=hash_config(backbone),
            context_length=_find_context_length(parsed, config, family),
            n_bytes=count_bytes(decoder) + count_loading_bytes(decoder.embedding.numel()),
            quantised=quantised,
        )
        # frozen: no weight needs a gradient, which halves the work of a backward pass
        decoder = convert_tensors(decoder, torch.Tensor.detach)
        del backbone  # it holds queries, keys and values a second time, or int8 weights beside the expanded ones
        return_freed_memory()
    return Model(decoder=decoder, tokenizer=Tokenizer(vocabulary, family.turn_marks), facts=facts)


def _load_gguf(handle: Handle, place: torch.device, precision: torch.dtype) -> Model:
    file = open_gguf(Path(handle.preset))
    room, size = measure_room(place, precision, quantised=False), Size(count_parameters(file.architecture), 0)
    if refusal := room.refuse(handle.preset, size):
        raise ModelError(refusal, parameters=WHAT_FITS)
    with _freezing_other_objects(), _explaining_memory(handle, room, size):
        decoder, tokenizer, digest = file.load(place, precision)
    facts = ModelFacts(
        name=handle.name,
        preset=handle.preset,
        dtype=room.dtype,
        device=str(decoder.embedding.device),
        config_hash=hash_architecture(file.architecture),
        context_length=file.architecture.context_length,
        n_bytes=count_bytes(decoder),
        quantised=file.quantised,
        file_sha256=digest,
    )
    return Model(decoder=decoder, tokenizer=tokenizer, facts=facts)


@contextlib.contextmanager
def _freezing_other_objects() -> Generator[None]:
    """Keep the garbage collection in the block to what the block makes: all that is there before would take 0.2 s."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


@contextlib.contextmanager
def _explaining_memory(handle: Handle, room: Room, size: Size | None) -> Generator[None]:
    """If memory runs out, say what to do instead."""
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        ways = ", or ".join(room.list_ways(size)) if size else "take a smaller model"
        reason = f"{handle.preset}: out of memory while it was loaded on {room.device}; {ways}"
        raise ModelError(reason, parameters=WHAT_FITS) from error


def _find_context_length(handle: Handle, config: dict[str, Any], family: Family) -> int:
    """The context length in a config of transformers; Keras's have none."""
    if handle.preset == str(DEMO_FOLDER):
        return DEMO_CONTEXT_LENGTH
    length = find_sizes(config).get("max_position_embeddings")
    return length if isinstance(length, int) else family.context_length
