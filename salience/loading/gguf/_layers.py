"""From a GGUF header to what each layer of a decoder computes: its window, rotation, sizes and whose keys it reads."""

# pyright: standard

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from promptlight.salience.decoder.rope import Rope
from promptlight.salience.errors import ModelError
from promptlight.salience.loading.architecture import LayerOptions
from promptlight.salience.loading.gguf._blocks import find_stop, read_numbers
from promptlight.salience.loading.gguf._fields import Fields
from promptlight.salience.loading.gguf._names import ROPE_FACTORS, name_in_file

LINEAR_SCALING = 8.0

_PATTERN = "attention.sliding_window_pattern"
_NO_TURN = np.float32(1e30)  # what llama.cpp divides the angle of a pair by that does not turn


@dataclass(frozen=True, kw_only=True)
class LayerDefaults:
    """What a family computes in its layers where a header does not say.

    Every ``period``-th layer sees the whole text, the others a window; ``needs_pattern``: the header says which do.
    ``local_wavelength`` is the RoPE base of those others, if it is another. ``scaled``: numbers of layers of models
    whose positions are divided in the layers that see the whole text. ``has_wide_heads``: those layers have heads of
    another width, some of whose pairs turn, and their values may be their keys.
    """

    period: int | None = None
    needs_pattern: bool = False
    window: int | None = None
    wavelength: float = 10_000.0
    local_wavelength: float | None = None
    scaled: tuple[int, ...] = ()
    has_wide_heads: bool = False


@dataclass(frozen=True, kw_only=True)
class Heads:
    """The widths of the heads in layers with a window and without, and how many key and value heads each layer has."""

    local: int
    whole: int
    n_key_value: list[int]


def read_layers(fields: Fields, defaults: LayerDefaults, n_layers: int, heads: Heads) -> tuple[LayerOptions, ...]:
    """What differs from layer to layer; sizes are None where they are those of a layer with a window, or of layer 0.

    Raises ModelError.
    """
    wavelength = fields.number("rope.freq_base", "rope.global.freq_base") or defaults.wavelength
    scaling = _read_scaling(fields, LINEAR_SCALING if n_layers in defaults.scaled else 1.0)
    n_pairs = _read_turning_pairs(fields, heads.whole) if defaults.has_wide_heads else None
    whole_rope = Rope(heads.whole, wavelength, scaling, n_pairs=n_pairs)
    local_rope, window = whole_rope, None
    if defaults.period is not None or defaults.needs_pattern:
        window = fields.size("attention.sliding_window", defaults.window)
        if defaults.local_wavelength is not None:
            local = fields.number("rope.freq_base_swa", "rope.local.freq_base", "rope.freq_base_local")
            local_rope = Rope(heads.local, local or defaults.local_wavelength, 1.0)
    is_local = _read_pattern(fields, defaults, n_layers)
    sources, ties_values = _find_sources(fields, is_local), _find_tied(fields, defaults, is_local)
    widths, sparsities = fields.sizes("feed_forward_length", n_layers), _read_sparsities(fields, n_layers)
    return tuple(
        LayerOptions(
            window=window if is_local[n] else None,
            rope=local_rope if is_local[n] else whole_rope,
            head_dim=None if is_local[n] or heads.whole == heads.local else heads.whole,
            n_key_value_heads=_unless_first(heads.n_key_value, n),
            feedforward_width=_unless_first(widths, n),
            ties_values=ties_values[n] and sources[n] is None,
            source=sources[n],
            sparsity=sparsities[n],
        )
        for n in range(n_layers)
    )


def _unless_first(sizes: list[int], n: int) -> int | None:
    return None if sizes[n] == sizes[0] else sizes[n]


def _read_scaling(fields: Fields, default: float) -> float:
    """By how much positions are divided."""
    kind = fields.find("rope.scaling.type")
    if kind == "none":
        return 1.0
    if kind not in (None, "linear"):
        raise fields.refused("rope.scaling.type", "only linear is covered")
    return fields.number("rope.scaling.factor", "rope.scale_linear") or default


def _read_pattern(fields: Fields, defaults: LayerDefaults, n_layers: int) -> list[bool]:
    """For each layer, whether it sees a window alone."""
    if not defaults.needs_pattern:
        if defaults.period is None:
            return [False] * n_layers
        if not isinstance(fields.find(_PATTERN), np.ndarray):
            period = fields.size(_PATTERN, defaults.period)
            return [(n + 1) % period != 0 for n in range(n_layers)]
    pattern = fields.values(_PATTERN)
    if len(pattern) != n_layers or not set(pattern.tolist()) <= {0, 1}:
        raise fields.refused(_PATTERN, f"expected yes or no for {n_layers} layers")
    return [bool(one) for one in pattern]


def _read_turning_pairs(fields: Fields, head_dim: int) -> int:
    """How many pairs of a head turn, from what the file divides their angles by: 1, or so much that they don't."""
    place = fields.header.tensors.get(ROPE_FACTORS)
    if place is None:
        raise ModelError(f"{fields.header.name}: not whole: it has no {ROPE_FACTORS}")
    if place.shape != (head_dim // 2,):
        raise ModelError(
            f"{fields.header.name}: {place.name} has the shape {list(place.shape)}; its header says [{head_dim // 2}]"
        )
    find_stop(fields.header.name, place)
    factors = np.concatenate([*read_numbers(place)])
    n_pairs = int((factors == 1).sum())
    if not n_pairs or (factors[:n_pairs] != 1).any() or (factors[n_pairs:] != _NO_TURN).any():
        raise ModelError(
            f"{fields.header.name}: {place.name} has other values than 1, for the first pairs, and 1e30, for those that"
            " do not turn; RoPE with other factors is not covered"
        )
    return n_pairs


def _find_sources(fields: Fields, is_local: list[bool]) -> list[int | None]:
    """Whose keys and values each layer reads: the last layers read those of the last one of their kind before them."""
    key = "attention.shared_kv_layers"
    n_layers, n_shared = len(is_local), fields.count(key)
    n_own = n_layers - n_shared
    last = {local: n for n, local in enumerate(is_local[: max(n_own, 0)])}
    if not set(is_local) <= last.keys():
        raise fields.refused(key, f"of {n_layers} layers, so some have no layer of their kind whose keys they read")
    return [None if n < n_own else last[local] for n, local in enumerate(is_local)]


def _find_tied(fields: Fields, defaults: LayerDefaults, is_local: list[bool]) -> list[bool]:
    """Which layers have no value matrix, as their values are their keys: all that see the whole text, or none."""
    whole = [n for n, local in enumerate(is_local) if not local]
    tied = defaults.has_wide_heads and not any(
        name_in_file(f"layers.{n}.value") in fields.header.tensors for n in whole
    )
    return [tied and not local for local in is_local]


def _read_sparsities(fields: Fields, n_layers: int) -> list[float | None]:
    """How many standard deviations above its mean a gate must be, for each layer; -inf in a file means no limit."""
    key = "activation_sparsity_scale"
    if fields.architecture != "gemma3n":
        return [None] * n_layers
    values: list[float] = fields.values(key).tolist()
    if len(values) != n_layers or not all(math.isfinite(value) or value == -math.inf for value in values):
        raise fields.refused(key, f"expected a number for each of {n_layers} layers, -inf where all are taken")
    return [value if math.isfinite(value) else None for value in values]
