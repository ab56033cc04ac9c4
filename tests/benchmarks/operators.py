"""How many kernels a GPU would launch: the operators of a layer's backward pass, counted on a CPU.

Blocks of queries and rows have a GPU's sizes. Operators that only view a tensor or make an empty one launch nothing.
"""

# pyright: standard

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest import mock

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from promptlight.salience.decoder import attention, layer
from promptlight.salience.decoder._cache import KeyValueCache
from promptlight.salience.decoder._steps import Slots, decode_step
from promptlight.salience.decoder.decoder import Decoder
from promptlight.salience.decoder.layer import backward_layer
from promptlight.salience.decoder.tensors import convert_tensors
from promptlight.salience.decoder.trace import trace_layers
from tests.benchmarks.measure import Settings, Table
from tests.benchmarks.models import freeze
from tests.oracles.tiny import FAMILIES, build_backbone, draw_ids

N_POSITIONS, N_TARGETS = 511, 16
NO_LAUNCH = ("aten.empty", "aten.new_empty", "aten._unsafe_view", "aten.promote_types", "aten.detach")


def run(settings: Settings) -> list[Table]:
    """Count for one layer of each family, with weights in bfloat16."""
    table = Table(
        f"Operators a layer, bfloat16: {N_TARGETS} targets back through {N_POSITIONS} positions, and a step of writing",
        ("family", "backward", "step"),
    )
    for family in FAMILIES:
        decoder = convert_tensors(freeze(build_backbone(family)), lambda tensor: tensor.to(torch.bfloat16))
        counts = count_backward(decoder), count_step(decoder)
        table.rows.append((family, *(f"{count:.0f}" for count in counts)))
        table.figures[family] = dict(zip(("backward", "step"), counts, strict=True))
    return [table]


@torch.no_grad()
def count_backward(decoder: Decoder) -> float:
    """The mean of all layers below the top one, whose backward pass is another one."""
    with (
        mock.patch.object(attention, "CPU_QUERY_BLOCK", attention.GPU_QUERY_BLOCK),
        mock.patch.object(layer, "CPU_ROW_BLOCK", layer.GPU_ROW_BLOCK),
    ):
        ids = torch.tensor(draw_ids(N_POSITIONS - 1))
        trace = trace_layers(decoder, decoder.embed(ids), torch.arange(len(ids)), keep=True)
        gradient = torch.randn(len(ids), N_TARGETS, decoder.width)

        def go_back() -> None:
            for one, saved in zip(decoder.layers, trace.kept, strict=False):
                backward_layer(one, saved, trace.angles[one.rope], gradient)

        return count(go_back) / len(trace.kept)


@torch.no_grad()
def count_step(decoder: Decoder) -> float:
    """The operators of a step by the number of layers, with what happens before and after them."""
    cache = KeyValueCache(torch.tensor([20, 9]), n_slots=40)
    for number, one in enumerate(decoder.layers):
        heads = one.attention.heads
        slots = torch.zeros(2, heads.n_key_value_heads, 40, heads.head_dim, dtype=torch.bfloat16)
        cache.keys[number], cache.values[number] = slots, slots.clone()
    slots = Slots.make(decoder, 40)
    return count(lambda: decode_step(decoder, cache, slots, torch.tensor([5, 6]), 40)) / len(decoder.layers)


def count(work: Callable[[], object]) -> int:
    """The operators that launch a kernel, the second time: what is made once is there then."""
    work()
    with Recorder() as recorder:
        work()
    return sum(launches for _, _, launches in recorder.calls)


class Recorder(TorchDispatchMode):
    """The operators that are called: their names, their tensors' shapes, and whether they launch a kernel."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[str, tuple[object, ...], bool]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = str(func)
        is_view = any(made.alias_info and not made.alias_info.is_write for made in func._schema.returns)
        shapes = tuple(tuple(part.shape) if isinstance(part, torch.Tensor) else None for part in args)
        self.calls.append((name, shapes, not is_view and not name.startswith(NO_LAUNCH)))
        return func(*args, **(kwargs or {}))
