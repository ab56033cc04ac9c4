"""The gradient of many targets through any decoder, layer by layer, by autograd where a row is made of itself alone.

Only attention mixes positions, and it goes back by hand (``attention.py``). What lies before it in a layer, from the
input to the heads, and after it, from the mix to the output, treats each row by itself. Autograd takes those parts back
for all targets at once, a block of rows at a time (``_autograd.py``). So a layer needs no backward code of its own.

 1. Above the top layer, a target's gradient stays in its row, except through the keys and values that those layers
    read: their gradients are added up over the layers (``_pull_upper_layers``).
 2. In the top layer, that is so except for its own keys and values. From there on, each unit's gradients are one sum.
 3. Every lower layer is run again from its input, and pushed through (``_pull_lower_layer``). A layer whose keys and
    values others have read adds those gradients to its own.
 4. Each layer also has a gradient by the tokens' vectors for it; with it, go back to both tables' embeddings.

Gradients have the position first, then the target, in float32 or better.

Shapes: L' positions that the targets see, C targets, U units, D width, E width of an embedding, S streams, n layers,
P width of a layer's own vector, N query heads, K key/value heads, H head width.
"""

# pyright: standard

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from promptlight.salience.decoder._autograd import Rowwise, pull_all, pull_each
from promptlight.salience.decoder.attention import attend_at, attend_causally, backward_attention, backward_attention_at
from promptlight.salience.decoder.decoder import Decoder
from promptlight.salience.decoder.heads import KeyValue
from promptlight.salience.decoder.layer import Layer, cut_rows, project_layer_heads, row_block, run_after_attention
from promptlight.salience.decoder.rope import Angles, take_angles
from promptlight.salience.decoder.trace import Trace

Ranges = list[tuple[int, int]]
Pull = Callable[[Rowwise, Sequence[Tensor], Sequence[Tensor]], tuple[Tensor, ...]]


@dataclass
class _Gradient:
    """A gradient on its way down, of U units."""

    by_input: Tensor  # [L', U, S D]
    by_own: Tensor | None  # [L', U, n, P]
    by_shared: dict[int, KeyValue]  # [L', U, K, H] each

    def add_shared(self, number: int, parts: Sequence[Tensor]) -> None:
        """Add to the gradients by a layer's keys and values."""
        _add_shared(self.by_shared, number, parts)


def pull_layerwise(decoder: Decoder, trace: Trace, units: Ranges, by_output: Tensor) -> Tensor:
    """Gradients by the rows of all targets [G, S D] -> of each unit's sum by the unscaled embeddings [L', units, E]."""
    gradient = _pull_upper_layers(decoder, trace, units, by_output)
    for number in reversed(range(decoder.top)):
        _pull_lower_layer(decoder, trace, number, gradient)
    return _pull_start(decoder, trace, gradient)


# ---- the upper layers, where each target is a row ------------------------------------------------------------------


def _pull_upper_layers(decoder: Decoder, trace: Trace, units: Ranges, by_output: Tensor) -> _Gradient:
    """Steps 1 and 2."""
    targets = torch.tensor([target for start, stop in units for target in range(start, stop)], device=by_output.device)
    unit = torch.tensor([number for number, (a, b) in enumerate(units) for _ in range(a, b)], device=by_output.device)
    rows = trace.rows[targets]
    seen = int(rows.max()) + 1
    by_rows, by_shared = by_output[targets], dict[int, KeyValue]()
    by_own = None if trace.own is None else by_rows.new_zeros(seen, len(units), *trace.own.shape[1:])
    for number in reversed(range(decoder.top, len(decoder.layers))):
        x = trace.inputs[-1][rows] if number == decoder.top else trace.row_inputs[number - decoder.top - 1][targets]
        own = None if trace.own is None else trace.own[rows, number]
        by_rows, by_others, by_vector = _pull_rows(decoder, trace, number, rows, x, own, by_rows)
        source = decoder.layers[number].source
        _add_shared(by_shared, number if source is None else source, by_others)
        if by_own is not None and by_vector is not None:
            by_own[:, :, number].index_put_((rows, unit), by_vector, accumulate=True)
    by_input = by_rows.new_zeros(seen, len(units), by_rows.shape[1])
    by_input.index_put_((rows, unit), by_rows, accumulate=True)
    summed = {
        number: (_sum_units(pair[0], unit, len(units)), _sum_units(pair[1], unit, len(units)))
        for number, pair in by_shared.items()
    }
    gradient = _Gradient(by_input, by_own, summed)
    _add_heads(decoder, trace, decoder.top, gradient, summed.pop(decoder.top))
    return gradient


def _pull_rows(
    decoder: Decoder, trace: Trace, number: int, rows: Tensor, x: Tensor, own: Tensor | None, by_output: Tensor
) -> tuple[Tensor, Sequence[Tensor], Tensor | None]:
    """One layer at the targets' rows: gradient by its output [C, S D] -> by its input x [C, S D], by the keys and
    values that it reads [L', C, K, H], and by the tokens' vectors for it ``own`` [C, P]."""
    layer = decoder.layers[number]
    cos, sin = trace.angles[layer.rope]
    angles = (cos[rows], sin[rows])
    key, value = trace.shared[number if layer.source is None else layer.source]
    others = (key[:, : int(rows.max()) + 1], value[:, : int(rows.max()) + 1])

    def query_of(x: Tensor) -> tuple[Tensor]:
        source = None if layer.source is None else others
        return (project_layer_heads(layer, x, angles, source).query.transpose(0, 1),)

    read = attend_at(layer.attention, query_of(x)[0].transpose(0, 1), others, rows)
    by_x, by_attended, by_own = _pull_after(layer, x, read.attended, own, by_output, pull_each)
    narrow = by_attended.to(x.dtype)
    by_query, *by_others = backward_attention_at(layer.attention, others, read, narrow)
    (by_read,) = pull_each(query_of, [x], [by_query])
    return by_x + by_read, by_others, by_own


def _take_source(trace: Trace, layer: Layer, rows: slice) -> KeyValue | None:
    """The keys and values that a layer reads instead of its own, of some positions."""
    if layer.source is None:
        return None
    key, value = trace.shared[layer.source]
    return key[:, rows], value[:, rows]


def _sum_units(by_target: Tensor, unit: Tensor, n_units: int) -> Tensor:
    """Sums over each unit's targets: [L', C, K, H] -> [L', U, K, H]."""
    total = by_target.new_zeros(len(by_target), n_units, *by_target.shape[2:])
    return total.index_add_(1, unit, by_target)


def _add_shared(by_shared: dict[int, KeyValue], number: int, parts: Sequence[Tensor]) -> None:
    key, value = parts
    if number in by_shared:
        key, value = by_shared[number][0] + key, by_shared[number][1] + value
    by_shared[number] = (key, value)


# ---- the lower layers ----------------------------------------------------------------------------------------------


def _pull_lower_layer(decoder: Decoder, trace: Trace, number: int, gradient: _Gradient) -> None:
    """Step 3 for one layer: change the gradient from one by its output to one by its input."""
    layer, seen = decoder.layers[number], slice(len(gradient.by_input))
    x, angles = trace.inputs[number][seen], take_angles(trace.angles[layer.rope], seen)
    own = None if trace.own is None else trace.own[seen, number]
    source = _take_source(trace, layer, seen)
    heads = project_layer_heads(layer, x, angles, source)
    attended = attend_causally(layer.attention, heads)
    by_attended = attended.new_empty(len(x), gradient.by_input.shape[1], attended.shape[1])
    for rows in cut_rows(gradient.by_input):
        vectors = None if own is None else own[rows]
        by_x, part, by_own = _pull_after(layer, x[rows], attended[rows], vectors, gradient.by_input[rows], pull_all)
        gradient.by_input[rows], by_attended[rows] = by_x, part
        if gradient.by_own is not None and by_own is not None:
            gradient.by_own[rows, :, number] = by_own
    by_query, *by_others = backward_attention(layer.attention, heads, by_attended)
    if layer.source is not None:
        gradient.add_shared(layer.source, by_others)
        _add_heads(decoder, trace, number, gradient, (), by_query)
        return
    if number in gradient.by_shared:
        gradient.add_shared(number, by_others)
        by_others = gradient.by_shared.pop(number)
    _add_heads(decoder, trace, number, gradient, by_others, by_query)


def _pull_after(
    layer: Layer, x: Tensor, attended: Tensor, own: Tensor | None, by_output: Tensor, pull: Pull
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Back through what comes after attention: by x, by the weighted values, and by ``own``."""

    def run(x: Tensor, attended: Tensor, own: Tensor | None = None) -> tuple[Tensor]:
        return (run_after_attention(layer, x, layer.attention.project(attended), own=own).output,)

    found = pull(run, [x, attended] if own is None else [x, attended, own], [by_output])
    return found[0], found[1], found[2] if own is not None else None


def _add_heads(
    decoder: Decoder,
    trace: Trace,
    number: int,
    gradient: _Gradient,
    by_others: Sequence[Tensor],
    by_query: Tensor | None = None,
) -> None:
    """Add the gradient through a layer's heads to that by its input: by queries [L', U, N, H], and by keys and values
    [L', U, K, H] if it has its own."""
    layer, wanted = decoder.layers[number], (*([] if by_query is None else [by_query]), *by_others)
    seen = slice(len(gradient.by_input))
    x, angles = trace.inputs[number][seen], take_angles(trace.angles[layer.rope], seen)
    source = _take_source(trace, layer, seen)
    for rows in cut_rows(gradient.by_input):
        turned = take_angles(angles, rows)
        read = None if source is None else (source[0][:, rows], source[1][:, rows])

        def run(x: Tensor, turned: Angles = turned, read: KeyValue | None = read) -> tuple[Tensor, ...]:
            heads = project_layer_heads(layer, x, turned, read)
            parts = [*([] if by_query is None else [heads.query]), *([heads.key, heads.value] if by_others else [])]
            return tuple(part.transpose(0, 1) for part in parts)

        gradient.by_input[rows] += pull_all(run, [x[rows]], [part[rows] for part in wanted])[0]


# ---- the embeddings ------------------------------------------------------------------------------------------------


def _pull_start(decoder: Decoder, trace: Trace, gradient: _Gradient) -> Tensor:
    """Step 4: from the first layer's input and the tokens' vectors to the unscaled embeddings, [L', U, E]."""
    if decoder.per_layer is None and decoder.streams is None:
        return gradient.by_input * decoder.embedding_scale
    result = gradient.by_input.new_empty(*gradient.by_input.shape[:2], decoder.embedding_width)
    for rows in cut_rows(gradient.by_input):
        scaled = trace.embeddings[: len(result)][rows].to(result.dtype) * decoder.embedding_scale
        parts = [part for part in scaled.tensor_split([decoder.width], dim=-1) if part.shape[-1]]
        wanted = [gradient.by_input[rows], *([] if gradient.by_own is None else [gradient.by_own[rows]])]

        def run(*parts: Tensor) -> tuple[Tensor, ...]:
            return tuple(part for part in decoder.spread(*parts) if part is not None)

        result[rows] = torch.cat(pull_all(run, parts, wanted), dim=-1)
    return result * decoder.embedding_scale


def count_layerwise_bytes(decoder: Decoder, length: int, n_targets: int, *, on_gpu: bool) -> int:
    """A chunk of C targets: for each, the gradients by the residual stream (three times), by both tables' rows (three
    times), by heads and by what is shared, and four blocks of scores; and for each row of a block, what autograd holds
    of the largest layer."""
    narrow, wide = decoder.itemsizes
    attentions = [layer.attention for layer in decoder.layers]
    read = [attentions[number].heads for number in {layer.source for layer in decoder.layers} if number is not None]
    stream = decoder.width * (1 if decoder.streams is None else decoder.streams.n_streams)
    shared = sum(4 * one.n_key_value_heads * one.head_dim for one in read)
    heads = max(one.heads.backward_size for one in attentions) + shared
    scores = max(one.block_size(length) for one in attentions)
    each = length * ((3 * stream + 3 * decoder.embedding_width) * wide + heads * narrow) + 4 * scores * narrow
    row = max(
        8 * stream + layer.attention.heads.backward_row_size + 3 * layer.feed_forward.gate.shape[1]
        for layer in decoder.layers
    )
    return n_targets * each + min(n_targets * length, row_block(on_gpu=on_gpu)) * row * wide
