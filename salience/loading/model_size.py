"""Check before loading whether a model fits: compare the memory of its weights with the free memory.

Parameters of Gemma 1 to 3, with V pieces, width D, feed-forward width F, N and K query and key heads of width H:

    V D  +  for each layer  (2 N + 2 K) H D + 3 D F     (without norms, which are a few thousandths of that)

A model must fit on one device: it is not split over several.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import astuple, dataclass
from typing import Any, cast

from promptlight.salience.decoder.processor import has_fast_bfloat16
from promptlight.salience.loading._newer_counts import count_gemma3n, count_gemma4
from promptlight.salience.loading.architecture import Architecture, count_parameters
from promptlight.salience.loading.families import KERAS_SIZES, Family, find_sizes

GIB = 2**30
WORKSPACE = 2 * GIB  # beside the weights: for prompts of a few thousand tokens, and for torch itself
KERAS_BYTES_BESIDE = 2 * 4  # of loading beside the weights: two copies of the embedding (measured, docs/engine.md)
OUR_BYTES_BESIDE = 4  # our readers hold one tensor in its file's dtype or in float32
_NEWER = {"Gemma4Backbone": count_gemma4, "Gemma3nBackbone": count_gemma3n}


@dataclass(frozen=True)
class Size:
    """The number of parameters of a model that are loaded, and those of its embedding, the largest matrix.

    ``bytes_beside`` are what a number of the embedding takes on the CPU beside the weights while the model is loaded:
    those of keras-nlp, if not given. ``n_table`` are the numbers of a per-layer table, whose rows stay in their file.
    """

    n_parameters: int
    n_embedding: int
    bytes_beside: int = KERAS_BYTES_BESIDE
    n_table: int = 0

    @property
    def loading_bytes(self) -> int:
        """Bytes that loading takes on the CPU beside the weights."""
        return self.bytes_beside * self.n_embedding

    def bytes_to_work(self, weight_bytes: int, *, on_cpu: bool) -> int:
        """Bytes for the weights, plus those for loading or for working with them, whichever is more."""
        return self.n_parameters * weight_bytes + max(WORKSPACE, self.loading_bytes if on_cpu else 0)


MODELS = {  # as keras-hub states them; Gemma 3n and 4 without towers, as their configs say
    "gemma3_instruct_270m": Size(268_000_000, 262_144 * 640),
    "gemma3_instruct_1b": Size(1_000_000_000, 262_144 * 1152),
    "gemma4_instruct_2b": Size(2_279_000_000, 262_144 * 1536, n_table=2_349_000_000),
    "gemma3n_e2b_it": Size(2_442_000_000, 262_400 * 2048, n_table=2_013_000_000),
    "gemma2_instruct_2b_en": Size(2_614_000_000, 256_000 * 2304),
    "gemma3_instruct_4b_text": Size(3_880_000_000, 262_144 * 2560),
    "gemma3n_e4b_it": Size(4_517_000_000, 262_400 * 2048, n_table=2_349_000_000),
    "gemma4_instruct_4b": Size(4_644_000_000, 262_144 * 2560, n_table=2_819_000_000),
    "gemma_1.1_instruct_7b_en": Size(8_538_000_000, 256_000 * 3072),
    "gemma2_instruct_9b_en": Size(9_242_000_000, 256_000 * 3584),
    "gemma3_instruct_12b_text": Size(11_766_000_000, 262_144 * 3840),
    "gemma4_instruct_26b_a4b": Size(25_232_000_000, 262_144 * 2816),
    "gemma2_instruct_27b_en": Size(27_227_000_000, 256_000 * 4608),
    "gemma4_instruct_31b": Size(30_696_000_000, 262_144 * 5376),
}


@dataclass(frozen=True, kw_only=True)
class Room:
    """The device for a model: bytes for each weight, and free bytes there.

    ``free_on_cpu`` is None if the device is the CPU. A ``quantised`` preset takes memory beside its weights until those
    are expanded.
    """

    device: str
    dtype: str
    weight_bytes: int
    free: int
    free_on_cpu: int | None = None
    quantised: bool = False

    @property
    def on_cpu(self) -> bool:
        """Whether the device is the CPU."""
        return self.free_on_cpu is None

    def describe(self, name: str, size: Size, to_fetch: int | None) -> str:
        """What a model needs here, in a line; ``to_fetch``: the bytes of its files, None if nobody knows."""
        table = f", and a table of {_spell(size.n_table)} that stays in its file" if size.n_table else ""
        fetched = f"; {to_fetch / GIB:.1f} GiB to fetch" if to_fetch else ""
        precisions = {self.dtype: self.weight_bytes} | {"float32": 4, "bfloat16": 2}
        memory = [f"{size.n_parameters * n / GIB:.1f} GiB in {dtype}" for dtype, n in precisions.items()]
        return (
            f"{name}: {_spell(size.n_parameters)} parameters{table}{fetched}; {', '.join(memory)};"
            f" {self.free / GIB:.1f} GiB are free on {self.device}"
        )

    def refuse(self, name: str, size: Size) -> str | None:
        """Say why a model can't be loaded here, and what to do; None if it can."""
        if self._bytes_to_load(size, self.weight_bytes) <= self.free:
            return None
        weights = f"{size.n_parameters * self.weight_bytes / GIB:.1f} GiB in {self.dtype}"
        preset = f", the int8 preset beside them {size.n_parameters / GIB:.1f} GiB" if self.quantised else ""
        loading = f", loading them {size.loading_bytes / GIB:.1f} GiB more" if self.on_cpu else ""
        found = f"its weights take {weights}{preset}{loading}, and {self.free / GIB:.1f} GiB are free"
        return f"{name}: too large for {self.device}: {found}; {', or '.join(self.list_ways(size))}"

    def list_ways(self, size: Size) -> Iterator[str]:
        """What to do instead for a model of that size, the easiest first."""
        half = self._bytes_to_load(size, 2)
        if self.weight_bytes > 2 and half <= self.free and (not self.on_cpu or has_fast_bfloat16()):
            yield f"use bfloat16 ({half / GIB:.1f} GiB)"
        if self.free_on_cpu is not None:
            for dtype, weight_bytes in (("float32", 4), ("bfloat16", 2)):
                needed = size.bytes_to_work(weight_bytes, on_cpu=True)
                if needed <= self.free_on_cpu and (dtype == "float32" or has_fast_bfloat16()):
                    yield f"use the CPU in {dtype} ({needed / GIB:.1f} GiB, slower)"
                    break
        smaller = [name for name, one in MODELS.items() if self._has_room_for(one)]
        if smaller and MODELS[smaller[-1]].n_parameters < size.n_parameters:
            yield f"a smaller model such as {smaller[-1]}"
        yield (
            "free memory that other programs hold"
            if self.on_cpu
            else "a GPU with more memory (a model is not split over several)"
        )

    def _bytes_to_load(self, size: Size, weight_bytes: int) -> int:
        """The peak memory in bytes while a model is loaded."""
        loading = size.loading_bytes if self.on_cpu else 0
        return size.n_parameters * (weight_bytes + self.quantised) + loading

    def _has_room_for(self, size: Size) -> bool:
        return size.bytes_to_work(self.weight_bytes, on_cpu=self.on_cpu) <= self.free


def _spell(number: int) -> str:
    """``2.28 billion``, ``268 million``."""
    return f"{number / 1e9:.2f} billion" if number >= 1e9 else f"{number / 1e6:.3g} million"


def measure_model(config: Mapping[str, Any], family: Family) -> Size | None:
    """The size of a Keras preset from its config.json, without norms; None if that lacks a size."""
    sizes = find_sizes(config)
    if (count := _NEWER.get(family.keras_backbone)) is not None:
        counts = count(sizes)
        return counts and Size(counts.loaded, counts.embedding, n_table=counts.table)
    found = [sizes.get(name) for name in astuple(KERAS_SIZES)]
    if not all(isinstance(one, int) for one in found):
        return None
    pieces, width, n_layers, queries, keys, head, inner = cast("list[int]", found)
    layer = width * ((2 * queries + 2 * keys) * head + 3 * inner // family.keras_feedforward_parts)
    return Size(pieces * width + n_layers * layer, pieces * width)


def measure_architecture(architecture: Architecture) -> Size:
    """The size of a model that is assembled tensor by tensor; beside the weights, that takes one tensor in float32."""
    n_embedding = architecture.vocabulary_size * architecture.width
    table = architecture.per_layer
    n_table = table.n_rows * table.width * len(architecture.layers) if table else 0
    return Size(count_parameters(architecture), n_embedding, bytes_beside=OUR_BYTES_BESIDE, n_table=n_table)
