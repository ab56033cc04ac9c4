"""Load a Gemma model, from the user's name for it to weights that a decoder runs.

1. The handle says where the model is (``handles``). Its config.json is fetched first; it gives the format, the family
   (``families``), the quantisation and the size. A model that is not covered or does not fit is refused here.
2. The other files are fetched and checked: a preset is data (``hubs``, ``presets``).
3. Its format's reader makes a decoder of the weights: keras-nlp for a Keras preset (``keras``), our own for
   what transformers wrote (``transformers``), and for a GGUF file, whose header says all this (``gguf``).
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Callable, Generator
from dataclasses import replace
from functools import partial
from pathlib import Path

from promptlight.salience.decoder.chunks import is_out_of_memory
from promptlight.salience.decoder.free_memory import return_freed_memory
from promptlight.salience.decoder.tensors import count_bytes
from promptlight.salience.errors import ModelError
from promptlight.salience.loading._adapter import KERAS_ENDING, read_adapter
from promptlight.salience.loading._devices import choose_device, choose_dtype, measure_room
from promptlight.salience.loading._merge import merge_adapter
from promptlight.salience.loading._preset_files import explaining_errors, find_config, find_folder
from promptlight.salience.loading._source import Source
from promptlight.salience.loading.architecture import count_parameters
from promptlight.salience.loading.environment import quiet_missing_bars
from promptlight.salience.loading.families import find_family, is_of_keras
from promptlight.salience.loading.gguf._model import open_gguf
from promptlight.salience.loading.handles import DEMO, DEMO_FOLDER, Handle, parse_handle
from promptlight.salience.loading.keras._model import open_keras_preset
from promptlight.salience.loading.model_size import Room, Size
from promptlight.salience.loading.quantisation import find_quantisation
from promptlight.salience.loading.transformers._model import open_transformers
from promptlight.salience.model import Model, ModelFacts
from promptlight.salience.progress import ignore

WHAT_FITS = ("dtype", "device", "model")  # parameters that decide whether a model fits


def load_model(
    handle: str = DEMO,
    *,
    adapter: str | None = None,
    device: str = "auto",
    dtype: str = "auto",
    on_fetch: Callable[[str], None] = ignore,
) -> Model:
    """Load a model for analysis; ``handles.py`` lists what ``handle`` may be.

    ``adapter``: the folder of a LoRA adapter that PEFT wrote, or a ``.lora.h5`` for a Keras preset; it is merged into
    the weights. ``device``: auto, cpu, cuda or mps; auto takes CUDA if there is one. ``dtype``: auto, float32, bfloat16
    or float64; auto is bfloat16 on CUDA and float32 elsewhere. ``on_fetch`` is told in a line what the model needs,
    before its weights are fetched from a hub. Raises ModelError with what to do, also if the weights exceed the free
    memory.
    """
    quiet_missing_bars()
    parsed = parse_handle(handle)
    place = choose_device(device)
    precision = choose_dtype(dtype, place)
    of_keras = adapter is not None and adapter.endswith(KERAS_ENDING)
    lora = None if adapter is None or of_keras else read_adapter(adapter)
    source = _open(parsed, adapter if of_keras else None)
    room, size = measure_room(place, precision, quantised=source.keeps_quantised), source.size
    if size and (refusal := room.refuse(parsed.preset, size)):
        raise ModelError(refusal, parameters=WHAT_FITS)
    if size and source.to_fetch != 0:
        on_fetch(room.describe(parsed.preset, size, source.to_fetch))
    with _freezing_other_objects(), explaining_errors(parsed), _explaining_memory(parsed, room, size):
        loaded = source.load(place, precision)
        if lora is not None:
            merge_adapter(loaded.decoder, lora, parsed.preset)
        return_freed_memory()
    decoder = loaded.decoder
    if len(loaded.tokenizer) > (n_rows := decoder.embedding.shape[0]):
        raise ModelError(
            f"{parsed.preset}: its tokenizer has {len(loaded.tokenizer)} tokens, and its embedding {n_rows} rows; use"
            " both from the same model"
        )
    facts = ModelFacts(
        name=parsed.name,
        preset=DEMO if parsed.preset == str(DEMO_FOLDER) else parsed.preset,
        dtype=room.dtype,
        device=str(decoder.embedding.device),
        config_hash=loaded.config_hash,
        context_length=source.context_length,
        n_bytes=count_bytes(decoder) + (size or Size(0, decoder.embedding.numel())).loading_bytes,
        quantised=source.quantised,
        file_sha256=loaded.file_sha256,
        adapter=adapter,
        adapter_sha256=lora.sha256 if lora is not None else loaded.adapter_sha256,
        n_experts=max(0 if layer.experts is None else layer.experts.router.shape[1] for layer in decoder.layers),
    )
    return Model(decoder=decoder, tokenizer=loaded.tokenizer, facts=facts)


def _open(handle: Handle, keras_adapter: str | None) -> Source:
    """What the model is, from its config.json or its header."""
    config, to_fetch = (None, 0) if handle.is_gguf else find_config(handle)
    family = None if config is None else find_family(config, handle.preset)
    if config is not None and family is not None and is_of_keras(config):
        return replace(open_keras_preset(handle, config, family, keras_adapter), to_fetch=to_fetch)
    if keras_adapter is not None:
        raise ModelError(
            f"{keras_adapter} is an adapter of Keras, and {handle.preset} no Keras preset; expected the preset that it"
            " was made for",
            parameters=("adapter", "model"),
        )
    if config is None or family is None:
        file = open_gguf(Path(handle.preset))
        size, length = Size(count_parameters(file.architecture), 0), file.architecture.context_length
        return Source(size=size, context_length=length, load=file.load, quantised=file.quantised)
    find_quantisation(config, handle.preset)
    return replace(open_transformers(handle.preset, config, family, partial(find_folder, handle)), to_fetch=to_fetch)


@contextlib.contextmanager
def _freezing_other_objects() -> Generator[None]:
    """Keep the garbage collection in the block to what the block makes: all that is there before would take 0.2 s.

    What the program has frozen itself stays so.
    """
    if gc.get_freeze_count():
        yield
        return
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
        ways = ", or ".join(room.list_ways(size)) if size else "use a smaller model"
        reason = f"{handle.preset}: out of memory while it was loaded on {room.device}; {ways}"
        raise ModelError(reason, parameters=WHAT_FITS) from error
