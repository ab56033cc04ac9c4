"""Write GGUF files with ggml-org's own writer and names, from tiny models of transformers."""

# pyright: standard

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import sentencepiece
import torch
from gguf import GGMLQuantizationType

from tests.support.transformers_models import FULL, SLIDING, VOCABULARY

FAMILIES = ("gemma", "gemma2", "gemma3")
ARCHITECTURES = {
    "gemma": gguf.MODEL_ARCH.GEMMA,
    "gemma2": gguf.MODEL_ARCH.GEMMA2,
    "gemma3": gguf.MODEL_ARCH.GEMMA3,
    "gemma3n": gguf.MODEL_ARCH.GEMMA3N,
    "gemma4": gguf.MODEL_ARCH.GEMMA4,
}
NO_TURN = 1e30  # what llama.cpp divides the angles of those pairs by that do not turn

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
    family = find_architecture(model)
    writer = gguf.GGUFWriter(path, family, split_max_tensors=n_tensors_a_shard)
    writer.add_file_type(gguf.LlamaFileType[FILE_TYPES.get(kind.name, f"MOSTLY_{kind.name}")])
    for key, value in {**describe_config(model.config.to_dict()), **(fields or {})}.items():
        add_field(writer, f"{family}.{key}", value)
    vocabulary = describe_merges() if family == "gemma4" else describe_vocabulary()
    for key, value in {**vocabulary, **(tokens or {})}.items():
        add_field(writer, f"tokenizer.ggml.{key}", value)
    for name, values in {**list_tensors(model), **(tensors or {})}.items():
        if name in given:
            writer.add_tensor(name, given[name][0], raw_dtype=given[name][1])
        elif values is not None:
            add_tensor(writer, name, values, kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def find_architecture(model: Any) -> str:
    """llama.cpp's name for what a transformers model is."""
    return str(model.config.model_type).removesuffix("_text").removesuffix("_unified")


def describe_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """What llama.cpp's converter writes of a config, in files of all ages."""
    fields = {
        "context_length": config["max_position_embeddings"],
        "embedding_length": config["hidden_size"],
        "block_count": config["num_hidden_layers"],
        "feed_forward_length": config["intermediate_size"],
        "attention.head_count": config["num_attention_heads"],
        "attention.head_count_kv": config["num_key_value_heads"],
        "attention.layer_norm_rms_epsilon": float(config["rms_norm_eps"]),
        "attention.key_length": config["head_dim"],
        "attention.value_length": config["head_dim"],
    }
    if config["model_type"] == "gemma3_text":
        fields["rope.freq_base"] = 1e6
    if config["model_type"] != "gemma":
        fields["attention.sliding_window"] = config["sliding_window"]
    if "num_kv_shared_layers" in config:
        fields |= describe_newer(config)
    return fields


def describe_newer(config: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of Gemma 4 and 3n."""
    fields: dict[str, Any] = {
        "attention.shared_kv_layers": config["num_kv_shared_layers"],
        "attention.sliding_window_pattern": [kind == SLIDING for kind in config["layer_types"]],
        "embedding_length_per_layer_input": config.get("hidden_size_per_layer_input", 0),
        "final_logit_softcapping": config["final_logit_softcapping"],
        "rope.freq_base": config["rope_parameters"][FULL]["rope_theta"],
        "rope.freq_base_swa": config["rope_parameters"][SLIDING]["rope_theta"],
    }
    if config["model_type"] != "gemma3n_text":
        return fields | describe_gemma4(config)
    normal, sparsities = torch.distributions.Normal(0.0, 1.0), torch.tensor(config["activation_sparsity_pattern"])
    return fields | {
        "attention.shared_kv_layers": float(config["num_kv_shared_layers"]),  # as published files have it
        "altup.active_idx": config["altup_active_idx"],
        "altup.num_inputs": config["altup_num_inputs"],
        "activation_sparsity_scale": normal.icdf(sparsities).tolist(),  # -inf for 0
    }


def describe_gemma4(config: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of Gemma 4 alone: what layers that see the whole text have otherwise, and experts."""
    kinds, n_layers, whole = config["layer_types"], config["num_hidden_layers"], find_whole(config)
    fields: dict[str, Any] = {
        "attention.key_length": whole["head_dim"],
        "attention.value_length": whole["head_dim"],
        "attention.key_length_swa": config["head_dim"],
        "attention.value_length_swa": config["head_dim"],
        "rope.dimension_count": whole["head_dim"],
        "rope.dimension_count_swa": config["head_dim"],
    }
    if "num_key_value_heads" in whole:
        n_heads = {SLIDING: config["num_key_value_heads"], FULL: whole["num_key_value_heads"]}
        fields["attention.head_count_kv"] = [n_heads[kind] for kind in kinds]
    if config["use_double_wide_mlp"]:
        width, n_own = config["intermediate_size"], n_layers - config["num_kv_shared_layers"]
        fields["feed_forward_length"] = [width * (1 if n < n_own else 2) for n in range(n_layers)]
    if config.get("enable_moe_block"):
        fields["expert_count"] = config["num_experts"]
        fields["expert_used_count"] = config["top_k_experts"]
        fields["expert_feed_forward_length"] = config["moe_intermediate_size"]
    return fields


def find_whole(config: Mapping[str, Any]) -> dict[str, Any]:
    """What Gemma 4's layers that see the whole text have otherwise."""
    return config["per_layer_config"][str(config["layer_types"].index(FULL))]


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


def describe_merges() -> dict[str, Any]:
    """The demo model's vocabulary as llama.cpp's converter writes that of a Gemma 4: merges, and Gemma 4's marks.

    Scores say nothing there, and of what is no special piece, no type says that text has it whole.
    """
    fields = describe_vocabulary()
    pieces: list[str] = list(fields["tokens"])
    pieces[4], pieces[5] = "<|turn>", "<turn|>"
    order = sorted(range(len(pieces)), key=lambda id: -fields["scores"][id])
    known, merges = set(pieces), list[str]()
    for piece in (pieces[id] for id in order if fields["token_type"][id] == 1):
        splits = ((piece[:cut], piece[cut:]) for cut in range(1, len(piece)))
        merges += (f"{left} {right}" for left, right in splits if {left, right} <= known)
    return fields | {
        "model": "gemma4",
        "tokens": pieces,
        "scores": [-1000.0] * len(pieces),
        "token_type": [3 if id in (4, 5) else 1 if kind == 4 else kind for id, kind in enumerate(fields["token_type"])],
        "merges": merges,
    }


def list_tensors(model: Any) -> dict[str, np.ndarray]:
    """The weights under llama.cpp's names; norms of Gemma 1 to 3 with the 1 added."""
    family = find_architecture(model)
    stacked: dict[str, list[np.ndarray]] = {}
    for name, tensor in list_weights(model):
        values = tensor.detach().float().numpy()
        is_shifted = name.endswith("norm.weight") and family in FAMILIES
        stacked.setdefault(find_name(model, name), []).append(values + 1 if is_shifted else values)
    tensors = {name: np.stack(parts) if name.startswith("altup") else parts[0] for name, parts in stacked.items()}
    if family == "gemma4":
        tensors["rope_freqs.weight"] = divide_angles(model.config.to_dict())
    return tensors


def divide_angles(config: Mapping[str, Any]) -> np.ndarray:
    """llama.cpp's factors for RoPE in the layers that see the whole text."""
    n_pairs = find_whole(config)["head_dim"] // 2
    n_turning = int(n_pairs * config["rope_parameters"][FULL]["partial_rotary_factor"])
    return np.array([1.0] * n_turning + [NO_TURN] * (n_pairs - n_turning), np.float32)


def list_weights(model: Any) -> Iterator[tuple[str, torch.Tensor]]:
    """All that transformers stores of a model; a tied head is no weight of its own."""
    yield from model.named_parameters()
    yield from ((name, buffer) for name, buffer in model.named_buffers() if name.endswith("layer_scalar"))


@functools.cache
def map_names(architecture: gguf.MODEL_ARCH, n_layers: int) -> gguf.TensorNameMap:
    """All names of such a model, which take a while to list."""
    return gguf.get_tensor_name_map(architecture, n_layers)


def find_name(model: Any, name: str) -> str:
    """llama.cpp's name for a weight of a transformers model; Gemma 3n's projections of streams are one tensor."""
    if name == "lm_head.weight":
        return "output.weight"
    prefix, _, ending = name.rpartition(".")
    block = f"blk.{name.split('.')[2]}"
    if prefix.endswith(".router") and ending in ("scale", "per_expert_scale"):
        return f"{block}.{'ffn_gate_inp' if ending == 'scale' else 'ffn_down_exps'}.scale"
    if "altup_" in name:
        name = f"{prefix.rpartition('.')[0]}.weight"
    names = map_names(ARCHITECTURES[find_architecture(model)], model.config.num_hidden_layers)
    found = names.get_name(name.removesuffix(".weight"))
    assert found is not None, name
    return f"{found}.weight"


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
    """Add a tensor, in float32 if it is a vector or its rows are no whole blocks."""
    per_block = gguf.GGML_QUANT_SIZES[kind][0]
    if values.ndim == 1 or kind == GGMLQuantizationType.F32 or values.shape[-1] % per_block:
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


def set_weights(model: Any, path: Path) -> None:
    """Give a transformers model the numbers that gguf's own reader finds in a file."""
    stored = {tensor.name: tensor for tensor in gguf.GGUFReader(path).tensors}
    n_read = Counter[str]()
    with torch.no_grad():
        for name, parameter in list_weights(model):
            tensor = stored[find_name(model, name)]
            values = torch.from_numpy(gguf.dequantize(tensor.data, tensor.tensor_type).copy())
            if tensor.name.startswith("altup"):
                values = values[n_read[tensor.name]]
                n_read[tensor.name] += 1
            is_shifted = name.endswith("norm.weight") and find_architecture(model) in FAMILIES
            parameter.copy_((values - 1 if is_shifted else values).reshape(parameter.shape))
