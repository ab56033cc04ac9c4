"""Whether a model would fit: what its weights take, known before they are read, against the memory that is free.

Parameters of a Gemma decoder, with V pieces, width D, feed-forward width F, N and K query and key heads of width H:

    V D  +  for each layer  (2 N + 2 K) H D + 3 D F     (norms, some thousandths of that, are left out)

A model has to fit one device as a whole: it is not split over several.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from promptlight.salience.presets import find_objects, find_sizes

GIB = 2**30
WORKSPACE = 2 * GIB  # beside the weights: prompts of a few thousand tokens, and what torch itself takes
MODELS = {  # billions of parameters, as keras-hub states them
    "gemma3_instruct_270m": 0.268,
    "gemma3_instruct_1b": 1.000,
    "gemma2_instruct_2b_en": 2.614,
    "gemma3_instruct_4b_text": 3.880,
    "gemma_1.1_instruct_7b_en": 8.538,
    "gemma2_instruct_9b_en": 9.242,
    "gemma3_instruct_12b_text": 11.766,
    "gemma2_instruct_27b_en": 27.227,
}


@dataclass(frozen=True, kw_only=True)
class Room:
    """Where a model is to be loaded: bytes of a weight there, and memory that is free there and, beside a GPU, on the
    CPU (None: it is the CPU). A quantised preset lies beside its weights until those are expanded."""

    device: str
    dtype: str
    weight_bytes: int
    free: int
    free_on_cpu: int | None = None
    quantised: bool = False

    def bytes_of(self, n_parameters: float) -> int:
        """What a model's weights take here."""
        return int(n_parameters * (self.weight_bytes + self.quantised))

    def refuse(self, name: str, n_parameters: int) -> str | None:
        """Why a model can't be loaded here, and what to do; None if it can."""
        needed = self.bytes_of(n_parameters)
        if needed <= self.free:
            return None
        beside = ", with the int8 preset beside them," if self.quantised else ""
        found = f"its weights{beside} take {needed / GIB:.1f} GiB in {self.dtype}, {self.free / GIB:.1f} GiB are free"
        return f"{name}: too large for {self.device}: {found}; {', or '.join(self.list_ways(n_parameters))}"

    def list_ways(self, n_parameters: int) -> Iterator[str]:
        """What to do instead for a model of so many parameters, the nearest first."""
        half = int(n_parameters * (2 + self.quantised))
        if self.weight_bytes > 2 and half <= self.free:
            yield f"take --dtype bfloat16 ({half / GIB:.1f} GiB)"
        if self.free_on_cpu is not None:
            for dtype, size in (("float32", 4), ("bfloat16", 2)):
                if n_parameters * size + WORKSPACE <= self.free_on_cpu:
                    yield f"take --device cpu --dtype {dtype} ({n_parameters * size / GIB:.1f} GiB, slower)"
                    break
        smaller = [name for name, size in MODELS.items() if size * 1e9 * self.weight_bytes + WORKSPACE <= self.free]
        if smaller and MODELS[smaller[-1]] * 1e9 < n_parameters:
            yield f"a smaller model such as {smaller[-1]}"
        yield (
            "free memory that other programs hold"
            if self.free_on_cpu is None
            else ("a GPU with more memory (a model is not split over several)")
        )


def count_parameters(config: Mapping[str, Any]) -> int | None:
    """By the formula above from a preset's config.json, Keras's or transformers'; None if it is neither."""
    sizes = find_sizes(config)
    if "class_name" in config:
        names = ("vocabulary_size", "hidden_dim", "num_layers", "num_query_heads", "num_key_value_heads", "head_dim")
        feed_forward = "intermediate_dim"
        halves = 1 if "3" in str(config["class_name"]) else 2  # before Gemma 3, gate and up were counted together
    else:
        names = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads")
        names, feed_forward, halves = (*names, "head_dim"), "intermediate_size", 1
    found = [sizes.get(name) for name in (*names, feed_forward)]
    if not all(isinstance(one, int) for one in found):
        return None
    pieces, width, n_layers, queries, keys, head, inner = cast("list[int]", found)
    return pieces * width + n_layers * width * ((2 * queries + 2 * keys) * head + 3 * inner // halves)


def find_quantisations(config: Mapping[str, Any]) -> set[str]:
    """How a preset's weights are quantised, from its config.json: Keras's modes (int8), or a method of transformers."""
    found: set[str] = set()
    for one in find_objects(config):
        if (theirs := one.get("quantization_config")) is not None:
            method = theirs.get("quant_method") if isinstance(theirs, dict) else None
            found.add(str(method or "in a way of transformers' own"))
        inner = one.get("config")
        mode = inner.get("mode") if isinstance(inner, dict) else None
        if mode and "DTypePolicy" in str(one.get("class_name")):
            found.add(str(mode))
    return found
