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

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from promptlight.salience.decoder._autograd import Recorded, record
from promptlight.salience.decoder.attention import attend_at, attend_causally, backward_attention, backward_attention_at
from promptlight.salience.decoder.decoder import Decoder
from promptlight.salience.decoder.heads import KeyValue
from promptlight.salience.decoder.layer import Layer, cut_rows, project_layer_heads, row_block, run_after_attention
from promptlight.salience.decoder.rope import Angles, take_angles
from promptlight.salience.decoder.trace import Blocks, LayerRecord, Trace

Ranges = list[tuple[int, int]]


@dataclass
class _Gradient:
    """A gradient on its way down, of U units."""

    by_input: Tensor  # [L', U, S D]
    by_own: Tensor | None  # [L', U, n, P]
    by_shared: dict[int, KeyValue]  # [L', U, K, H] each


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
    _pull_top_keys(decoder, trace, gradient)
    return gradient


def _pull_rows(
    decoder: Decoder, trace: Trace, number: int, rows: Tensor, x: Tensor, own: Tensor | None, by_output: Tensor
) -> tuple[Tensor, Sequence[Tensor], Tensor | None]:
    """One layer at the targets' rows: gradient by its output [C, S D] -> by its input x [C, S D], by the keys and
    values that it reads [L', C, K, H], and by the tokens' vectors for it ``own`` [C, P]."""
    layer = decoder.layers[number]
    cos, sin = trace.angles[layer.rope]
    others = _take_positions(trace.shared[number if layer.source is None else layer.source], slice(int(rows.max()) + 1))
    reading = _record_heads(layer, x, (cos[rows], sin[rows]), None if layer.source is None else others).only(slice(1))
    query = reading.outputs[0].detach().to(x.dtype).transpose(0, 1)
    read = attend_at(layer.attention, query, others, rows)
    by_x, by_attended, *by_own = _record_after(layer, x, read.attended, own).pull_each([by_output])
    by_query, *by_others = backward_attention_at(layer.attention, others, read, by_attended.to(x.dtype))
    return by_x + reading.pull_each([by_query])[0], by_others, by_own[0] if by_own else None


def _pull_top_keys(decoder: Decoder, trace: Trace, gradient: _Gradient) -> None:
    """Add the gradient through the top layer's keys and values to that by its input."""
    n_seen, n_units = gradient.by_input.shape[:2]
    layer = decoder.layers[decoder.top]
    parts, angles = gradient.by_shared.pop(decoder.top), trace.angles[layer.rope]
    for rows in cut_rows(n_seen, n_units, gradient.by_input.device):
        reading = _record_heads(layer, trace.inputs[-1][rows], take_angles(angles, rows), None).only(slice(1, None))
        (by_x,) = _pull_block(reading, rows, parts, again=False)
        gradient.by_input[rows] += by_x


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
    n_seen, n_units = gradient.by_input.shape[:2]
    found, layer = _find_record(decoder, trace, number, n_seen, n_units), decoder.layers[number]
    by_attended = found.attended.new_empty(n_seen, n_units, found.attended.shape[1])
    for rows, block in _take_seen(found.writing, n_seen):
        by_x, by_attended[rows], *by_own = _pull_block(block, rows, [gradient.by_input], again=trace.keeps)
        gradient.by_input[rows] = by_x
        if gradient.by_own is not None and by_own:
            gradient.by_own[rows, :, number] = by_own[0]
    by_query, *by_others = backward_attention(layer.attention, found.heads.take(slice(n_seen)), by_attended)
    if layer.source is not None:
        _add_shared(gradient.by_shared, layer.source, by_others)
        by_others = []
    elif number in gradient.by_shared:
        _add_shared(gradient.by_shared, number, by_others)
        by_others = gradient.by_shared.pop(number)
    for rows, block in _take_seen(found.reading, n_seen):
        (by_x,) = _pull_block(block, rows, [by_query, *by_others], again=trace.keeps)
        gradient.by_input[rows] += by_x


def _take_seen(blocks: Blocks, n_seen: int) -> Iterator[tuple[slice, Recorded]]:
    """The blocks that begin before the last position that a target sees."""
    for rows, block in blocks:
        if rows.start < n_seen:
            yield rows, block


def _pull_block(block: Recorded, rows: slice, gradients: Sequence[Tensor], *, again: bool) -> Sequence[Tensor]:
    """Back through a block of rows, of which the last may be behind all targets: they have no gradient."""
    parts = [gradient[rows] for gradient in gradients]
    n_seen, n_more = len(parts[0]), len(block.outputs[0]) - len(parts[0])
    if n_more:
        parts = [torch.cat([part, part.new_zeros(n_more, *part.shape[1:])]) for part in parts]
    return [one[:n_seen] for one in block.pull_all(parts, again=again)]


def _find_record(decoder: Decoder, trace: Trace, number: int, n_seen: int, n_units: int) -> LayerRecord:
    """Run a layer again over the positions that the targets see; or once over all, if memory allows to keep it."""
    if number in trace.records:
        return trace.records[number]
    layer, seen = decoder.layers[number], slice(len(trace.embeddings) if trace.keeps else n_seen)
    x, angles = trace.inputs[number][seen], take_angles(trace.angles[layer.rope], seen)
    own = None if trace.own is None else trace.own[seen, number]
    source = None if layer.source is None else _take_positions(trace.shared[layer.source], seen)
    heads = project_layer_heads(layer, x, angles, source)
    attended = attend_causally(layer.attention, heads)

    def read(rows: slice) -> Recorded:
        others = None if source is None else _take_positions(source, rows)
        return _record_heads(layer, x[rows], take_angles(angles, rows), others)

    def write(rows: slice) -> Recorded:
        return _record_after(layer, x[rows], attended[rows], None if own is None else own[rows])

    blocks = list(cut_rows(len(x), n_units, x.device))
    reading, writing = ((rows, read(rows)) for rows in blocks), ((rows, write(rows)) for rows in blocks)
    if not trace.keeps:
        return LayerRecord(heads, attended, reading, writing)
    trace.records[number] = LayerRecord(heads, attended, list(reading), list(writing))
    return trace.records[number]


def _take_positions(heads: KeyValue, rows: slice) -> KeyValue:
    """The keys and values of some positions."""
    key, value = heads
    return key[:, rows], value[:, rows]


def _record_heads(layer: Layer, x: Tensor, angles: Angles, source: KeyValue | None) -> Recorded:
    """Record the first part of a layer: queries [rows, N, H], and keys and values [rows, K, H] if it has its own."""

    def run(x: Tensor) -> tuple[Tensor, ...]:
        heads = project_layer_heads(layer, x, angles, source)
        return tuple(part.transpose(0, 1) for part in (heads.query, *(() if source else (heads.key, heads.value))))

    return record(run, [x])


def _record_after(layer: Layer, x: Tensor, attended: Tensor, own: Tensor | None) -> Recorded:
    """Record the second part of a layer, from its input, the weighted values and the tokens' vectors."""

    def run(x: Tensor, attended: Tensor, own: Tensor | None = None) -> tuple[Tensor]:
        return (run_after_attention(layer, x, layer.attention.project(attended), own=own).output,)

    return record(run, [x, attended] if own is None else [x, attended, own])


# ---- the embeddings ------------------------------------------------------------------------------------------------


def _pull_start(decoder: Decoder, trace: Trace, gradient: _Gradient) -> Tensor:
    """Step 4: from the first layer's input and the tokens' vectors to the unscaled embeddings, [L', U, E]."""
    if decoder.per_layer is None and decoder.streams is None:
        return gradient.by_input * decoder.embedding_scale
    n_seen, n_units = gradient.by_input.shape[:2]
    result = gradient.by_input.new_empty(n_seen, n_units, decoder.embedding_width)

    def run(*parts: Tensor) -> tuple[Tensor, ...]:
        return tuple(part for part in decoder.spread(*parts) if part is not None)

    for rows in cut_rows(n_seen, n_units, result.device):
        scaled = trace.embeddings[:n_seen][rows].to(result.dtype) * decoder.embedding_scale
        parts = [part for part in scaled.tensor_split([decoder.width], dim=-1) if part.shape[-1]]
        wanted = [gradient.by_input[rows], *([] if gradient.by_own is None else [gradient.by_own[rows]])]
        result[rows] = torch.cat(record(run, parts).pull_all(wanted), dim=-1)
    return result * decoder.embedding_scale


def count_layerwise_bytes(decoder: Decoder, length: int, n_targets: int, *, on_gpu: bool) -> int:
    """A chunk of C targets: for each, the gradients by the residual stream (three times), by both tables' rows (three
    times), by heads and by what is shared, and four blocks of scores; and for each row of a block, what autograd holds
    of the largest layer."""
    narrow, wide = decoder.itemsizes
    attentions = [layer.attention for layer in decoder.layers]
    read = [attentions[number].heads for number in {layer.source for layer in decoder.layers} if number is not None]
    stream = decoder.layers[0].width
    shared = sum(4 * one.n_key_value_heads * one.head_dim for one in read)
    heads = max(one.heads.backward_size for one in attentions) + shared
    scores = max(one.block_size(length) for one in attentions)
    each = length * ((3 * stream + 3 * decoder.embedding_width) * wide + heads * narrow) + 4 * scores * narrow
    row = max(
        8 * stream + layer.attention.heads.backward_row_size + 3 * layer.feed_forward.gate.shape[1]
        for layer in decoder.layers
    )
    return n_targets * each + min(n_targets * length, row_block(on_gpu=on_gpu)) * row * wide
