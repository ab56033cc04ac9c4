"""Write GGUF files with ggml-org's own writer and names, from tiny models of transformers."""

# pyright: standard

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import sentencepiece
import torch
from gguf import GGMLQuantizationType

from tests.support.transformers_models import VOCABULARY

FAMILIES = ("gemma", "gemma2", "gemma3")
ARCHITECTURES = {
    "gemma": gguf.MODEL_ARCH.GEMMA,
    "gemma2": gguf.MODEL_ARCH.GEMMA2,
    "gemma3": gguf.MODEL_ARCH.GEMMA3,
}

FILE_TYPES = {"F32": "ALL_F32", "Q4_K": "MOSTLY_Q4_K_M"}


def write_gguf(
    path: Path,
    model: Any,
    *,
    kind: GGMLQuantizationType = GGMLQuantizationType.F32,
    fields: Mapping[str, Any] | None = None,
    tensors: Mapping[str, np.ndarray | None] | None = None,
    tokens: Mapping[str, Any] | None = None,
    raw: Mapping[str, tuple[np.ndarray, GGMLQuantizationType]] | None = None,
    n_tensors_a_shard: int = 0,
) -> Path:
    """Write a transformers model, its matrices in the type ``kind``, with the demo model's vocabulary.

    ``fields`` (of the architecture), ``tensors`` and ``tokens`` (fields of the tokenizer) replace what is there, or
    remove it if None; ``raw`` tensors are rows of bytes of a type. Gives the path.
    """
    given = raw or {}
    family = str(model.config.model_type).removesuffix("_text")
    writer = gguf.GGUFWriter(path, family, split_max_tensors=n_tensors_a_shard)
    writer.add_file_type(gguf.LlamaFileType[FILE_TYPES.get(kind.name, f"MOSTLY_{kind.name}")])
    for key, value in {**describe_config(model.config), **(fields or {})}.items():
        add_field(writer, f"{family}.{key}", value)
    for key, value in {**describe_vocabulary(), **(tokens or {})}.items():
        add_field(writer, f"tokenizer.ggml.{key}", value)
    for name, values in {**list_tensors(family, model), **(tensors or {})}.items():
        if name in given:
            writer.add_tensor(name, given[name][0], raw_dtype=given[name][1])
        elif values is not None:
            add_tensor(writer, name, values, kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def describe_config(config: Any) -> dict[str, Any]:
    """What llama.cpp's converter writes of a config, in files of all ages."""
    fields = {
        "context_length": config.max_position_embeddings,
        "embedding_length": config.hidden_size,
        "block_count": config.num_hidden_layers,
        "feed_forward_length": config.intermediate_size,
        "attention.head_count": config.num_attention_heads,
        "attention.head_count_kv": config.num_key_value_heads,
        "attention.layer_norm_rms_epsilon": float(config.rms_norm_eps),
        "attention.key_length": config.head_dim,
        "attention.value_length": config.head_dim,
    }
    if config.model_type == "gemma3_text":
        fields["rope.freq_base"] = 1e6
    if config.model_type != "gemma":
        fields["attention.sliding_window"] = config.sliding_window
    return fields


def describe_vocabulary() -> dict[str, Any]:
    """The demo model's vocabulary as llama.cpp's converter writes it."""
    processor = sentencepiece.SentencePieceProcessor(model_file=str(VOCABULARY))
    ids = range(processor.vocab_size())
    pieces = [processor.id_to_piece(id) for id in ids]
    marks = ("<start_of_turn>", "<end_of_turn>", "\n", "\n\n")  # the user-defined ones
    return {
        "model": "llama",
        "tokens": pieces,
        "scores": [float(processor.get_score(id)) for id in ids],
        "token_type": [
            6
            if processor.is_byte(id)
            else 3
            if processor.is_control(id) or processor.is_unknown(id)
            else 4
            if pieces[id] in marks
            else 1
            for id in ids
        ],
        "bos_token_id": processor.bos_id(),
        "eos_token_id": processor.eos_id(),
        "unknown_token_id": processor.unk_id(),
        "padding_token_id": processor.pad_id(),
        "add_space_prefix": False,
    }


def list_tensors(family: str, model: Any) -> dict[str, np.ndarray]:
    """The weights under llama.cpp's names; norms with the 1 added."""
    found = name_tensors(family, model)
    tensors: dict[str, np.ndarray] = {}
    for name, parameter in model.named_parameters():
        values = parameter.detach().float().numpy()
        tensors[found[name]] = values + 1 if name.endswith("norm.weight") else values
    return tensors


def name_tensors(family: str, model: Any) -> dict[str, str]:
    """llama.cpp's name for each weight of a transformers model; a tied head is no weight of its own."""
    names = gguf.get_tensor_name_map(ARCHITECTURES[family], model.config.num_hidden_layers)
    tensors: dict[str, str] = {}
    for name, _ in model.named_parameters():
        found = "output.weight" if name == "lm_head.weight" else names.get_name(name, try_suffixes=(".weight",))
        assert found is not None, name
        tensors[name] = found
    return tensors


def add_field(writer: gguf.GGUFWriter, key: str, value: Any) -> None:
    """Add a field with the type that llama.cpp's converter gives it."""
    if value is None:
        return
    if isinstance(value, bool):
        writer.add_bool(key, value)
    elif isinstance(value, int):
        writer.add_uint32(key, value)
    elif isinstance(value, float):
        writer.add_float32(key, value)
    elif isinstance(value, str):
        writer.add_string(key, value)
    else:
        writer.add_array(key, value)


def add_tensor(writer: gguf.GGUFWriter, name: str, values: np.ndarray, kind: GGMLQuantizationType) -> None:
    """Add a tensor, in float32 if it is a vector."""
    if values.ndim == 1 or kind == GGMLQuantizationType.F32:
        writer.add_tensor(name, np.ascontiguousarray(values, np.float32))
        return
    raw = quantise(values, kind)
    writer.add_tensor(name, raw, raw_dtype=kind)


def quantise(values: np.ndarray, kind: GGMLQuantizationType) -> np.ndarray:
    """Rows of bytes; where gguf can only dequantise, valid blocks of random numbers of the usual size."""
    try:
        return gguf.quantize(values, kind)
    except NotImplementedError:
        return draw_blocks(values.shape, kind)


def draw_blocks(shape: tuple[int, ...], kind: GGMLQuantizationType) -> np.ndarray:
    """Random blocks of a type whose numbers come out between about -0.3 and 0.3."""
    per_block, n_bytes = gguf.GGML_QUANT_SIZES[kind]
    generator = np.random.default_rng(sum(shape))
    blocks = generator.integers(0, 256, (shape[0] * shape[1] // per_block, n_bytes), dtype=np.uint8)
    starts, scale = {"Q4_K": ((0, 2), 5e-4), "Q6_K": ((208,), 5e-5)}[kind.name]
    for start in starts:
        blocks[:, start : start + 2] = np.array([scale], np.float16).view(np.uint8)
    return blocks.reshape(shape[0], -1)


def set_weights(model: Any, family: str, path: Path) -> None:
    """Give a transformers model the numbers that gguf's own reader finds in a file."""
    names = gguf.get_tensor_name_map(ARCHITECTURES[family], model.config.num_hidden_layers)
    stored = {tensor.name: tensor for tensor in gguf.GGUFReader(path).tensors}
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            tensor = stored[names.get_name(name, try_suffixes=(".weight",)) or name]
            values = torch.from_numpy(gguf.dequantize(tensor.data, tensor.tensor_type).copy())
            parameter.copy_((values - 1 if name.endswith("norm.weight") else values).reshape(parameter.shape))
