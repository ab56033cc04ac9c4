"""The backward pass by hand, by autograd layer by layer, and as a loop over one graph, on each kind of layers."""

# pyright: standard

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from promptlight.salience.decoder.backward import pull_to_embeddings
from promptlight.salience.decoder.chunks import CPU_CHUNK
from promptlight.salience.decoder.decoder import Decoder
from promptlight.salience.decoder.rope import Rope
from promptlight.salience.decoder.trace import trace_layers
from promptlight.salience.loading.architecture import (
    Architecture,
    ExpertSizes,
    LayerOptions,
    PerLayerSizes,
    StreamSizes,
    list_shapes,
)
from promptlight.salience.loading.assemble import assemble_decoder
from promptlight.salience.loading.row_table import LoadedTable
from tests.benchmarks.measure import Candidate, Settings, Table, alternate, judge, median_ratio

MOST = 1.35  # times the pass by hand
HEAD, WINDOW, N_LAYERS = 64, 512, 8
LOCAL = LayerOptions(window=WINDOW, rope=Rope(HEAD, 10_000.0, 1.0))
WHOLE = LayerOptions(window=None, rope=Rope(HEAD, 1_000_000.0, 1.0))
WIDE = LayerOptions(window=None, rope=Rope(2 * HEAD, 1e6, 1.0, n_pairs=HEAD // 4), head_dim=2 * HEAD)
GEMMA_3 = Architecture(
    vocabulary_size=4096,
    width=512,
    feedforward_width=2048,
    n_query_heads=8,
    n_key_value_heads=4,
    head_dim=HEAD,
    layers=(LOCAL, LOCAL, LOCAL, WHOLE) * (N_LAYERS // 4),
    epsilon=1e-6,
    query_scale=HEAD**-0.5,
    attention_soft_cap=None,
    final_soft_cap=None,
    has_post_norms=True,
    has_head_norms=True,
    has_own_head=False,
    has_attention_bias=False,
    context_length=8192,
)
GEMMA_4 = replace(
    GEMMA_3, query_scale=1.0, final_soft_cap=30.0, norm_offset=0.0, has_value_norms=True, has_layer_scales=True
)
TIED = replace(WIDE, ties_values=True, n_key_value_heads=2)
KINDS = {
    "Gemma 3": GEMMA_3,
    "Gemma 4, dense": replace(GEMMA_4, layers=(LOCAL, LOCAL, LOCAL, TIED) * (N_LAYERS // 4)),
    "Gemma 4 E, upper half shared": replace(
        GEMMA_4,
        layers=(LOCAL, LOCAL, LOCAL, WIDE, *[replace(LOCAL, source=2)] * 3, replace(WIDE, source=3)),
        per_layer=PerLayerSizes(width=64, n_rows=4096),
    ),
    "Gemma 4, 2 of 16 experts": replace(
        GEMMA_4,
        layers=(LOCAL, LOCAL, LOCAL, TIED) * (N_LAYERS // 4),
        experts=ExpertSizes(n_experts=16, n_chosen=2, width=512),
    ),
    "Gemma 3n": replace(
        GEMMA_4,
        has_layer_scales=False,
        layers=(LOCAL, LOCAL, LOCAL, WHOLE, LOCAL, LOCAL, replace(LOCAL, source=2), replace(WHOLE, source=3)),
        per_layer=PerLayerSizes(width=64, n_rows=4096),
        streams=StreamSizes(n_streams=4, laurel_rank=16),
    ),
}


def run(settings: Settings) -> list[Table]:
    """Explain 16 targets after 284 tokens, forward pass and logits left out."""
    n_tokens, n_targets = (60, 4) if settings.quick else (300, 16)
    table = Table(
        f"Backward passes, {N_LAYERS} layers x 512, {n_targets} targets after {n_tokens - n_targets} tokens",
        ("layers", "layer by layer: s", "times by hand", "loop: times layer by layer"),
    )
    ids = torch.randint(4, 4096, (n_tokens,), generator=torch.Generator().manual_seed(1))
    rows = torch.arange(n_tokens - n_targets, n_tokens)
    for name, architecture in KINDS.items():
        decoder = build(architecture)
        gradient = torch.randn(n_targets, decoder.layers[0].width, generator=torch.Generator().manual_seed(2))
        works: dict[str, Callable[[], object]] = {
            "layerwise": partial(pull, decoder, ids, rows, gradient, by_hand=False),
            "loop": partial(loop, decoder, ids, rows, gradient),
        }
        if all(layer.by_hand for layer in decoder.layers):
            works["by hand"] = partial(pull, decoder, ids, rows, gradient, by_hand=True)
        seconds = alternate({key: Candidate(work) for key, work in works.items()}, settings)
        table.figures[name] = seconds
        ours, by_hand = seconds["layerwise"], "-"
        if "by hand" in seconds:
            ratio, by_hand = median_ratio(ours, seconds["by hand"])
            judge(table, settings, f"at most {MOST} times the pass by hand", ratio <= MOST)
        table.rows.append((name, f"{statistics.median(ours):.3g}", by_hand, median_ratio(seconds["loop"], ours)[1]))
    return [table]


def build(architecture: Architecture) -> Decoder:
    """A decoder with random weights."""
    generator = torch.Generator().manual_seed(0)
    shapes = list_shapes(architecture)

    def read(name: str) -> Tensor:
        shape = shapes[name]
        if "norm" in name or name.endswith("scale"):
            return torch.full(shape, 1 - architecture.norm_offset) + 0.1 * torch.randn(shape, generator=generator)
        return torch.randn(shape, generator=generator) * shape[-1] ** -0.5

    table = None
    if architecture.per_layer is not None:
        width = architecture.per_layer.width * len(architecture.layers)
        numbers = torch.randn(architecture.vocabulary_size, width, generator=generator)
        table = LoadedTable(numbers)
    return assemble_decoder(architecture, read, device=torch.device("cpu"), dtype=torch.float32, table=table)


def pull(decoder: Decoder, ids: Tensor, rows: Tensor, gradient: Tensor, *, by_hand: bool) -> list[Tensor]:
    """Our way: the forward pass in float64, and chunks of targets back together."""
    units = [(target, target + 1) for target in range(len(rows))]
    with torch.no_grad():
        trace = trace_layers(decoder, decoder.embed(ids), rows, keep=True, by_hand=by_hand)
        return [
            pull_to_embeddings(decoder, trace, units[start : start + CPU_CHUNK], gradient)
            for start in range(0, len(units), CPU_CHUNK)
        ]


def loop(decoder: Decoder, ids: Tensor, rows: Tensor, gradient: Tensor) -> Sequence[Tensor]:
    """A graph of the forward pass in float32, and a backward pass for each target."""
    embeddings = decoder.embed(ids).requires_grad_()
    outputs = decoder.hidden(embeddings)[rows]
    return [
        torch.autograd.grad(output, embeddings, one, retain_graph=True)[0]
        for output, one in zip(outputs, gradient, strict=True)
    ]
