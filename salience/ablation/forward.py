"""Score a text with parts removed: the objective of every target, for many ablations at once.

An ablation keeps some source spans and removes the others; ``AblationKind`` says how. A target is scored as it was
written: its own tokens are never removed, nor is anything from the start of the source span that it begins in, because
only spans wholly before a target are its sources.

One forward scores one ablation for all targets, although each target needs another part of the text intact. The method:
 1. *Streams.* Stream 0 holds the text with the spans removed. For each position where the intact text of some targets
    begins (their *origin*), there is one more stream: the intact tokens from there to the end of the longest one.
 2. All streams follow each other in one row. A token of an intact stream sees stream 0 before its origin, and its own
    stream up to itself. Its position is the one that it would have after the rest of stream 0.
 3. With ``drop``, removed tokens leave the row; the rows of a batch are padded on the right, and nothing sees padding.
 4. Logits are computed only at the rows that predict a target's token.

Shapes: B ablations of a batch, L entries of a row, R rows of logits, S removable spans, N query heads, K key/value
heads, H head width, D width, E width of an embedding, S streams.
"""

# pyright: standard

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from promptlight.salience.ablation.streams import Layout, Rows, drop_removed
from promptlight.salience.decoder.attention import Attend, Attention, attend_to, query_block
from promptlight.salience.decoder.chunks import GPU_CHUNK, naming_lack_of_memory, run_in_chunks, take_budget
from promptlight.salience.decoder.decoder import Decoder, count_logits_bytes
from promptlight.salience.decoder.heads import Heads
from promptlight.salience.decoder.layer_bytes import count_run_bytes
from promptlight.salience.decoder.objectives import objective_value
from promptlight.salience.decoder.rope import Angles, Rope
from promptlight.salience.decoder.tensors import at_least_float32
from promptlight.salience.options.methods import AblationKind
from promptlight.salience.progress import Counted, ignore
from promptlight.salience.types import PAD_ID, Objective

CPU_ROWS = 8  # a CPU gains nothing from more


@naming_lack_of_memory("an ablation")
@torch.no_grad()
def score_ablations(
    decoder: Decoder,
    ids: Sequence[int],
    layout: Layout,
    removable: NDArray[np.bool_],
    kept: NDArray[np.bool_],
    *,
    ablate: AblationKind,
    objective: Objective = Objective.LOGPROB,
    batch: int | None = None,
    counted: Counted = ignore,
) -> NDArray[np.float64]:
    """The summed objective of each target under each ablation: [n, targets], in nats (logits for LOGIT and MARGIN).

    ``removable`` [S, T] gives the tokens of each span, ``kept`` [n, S] the spans that an ablation keeps. The text's
    first token must be in no span: something has to predict the next one. ``batch`` overrides the planned number of
    ablations per forward; it only changes rounding. ``counted`` is told how many are scored.
    """
    device = decoder.embedding.device
    removed = ~kept @ removable  # [n, T]
    assert not removed[:, 0].any()
    order = np.argsort(removed.sum(axis=1), kind="stable")  # by length, for drop
    sequence = torch.tensor(ids, device=device)
    entries = decoder.embed(sequence[layout.tokens])
    filler = _filler(decoder, ablate)
    values = np.zeros((len(kept), len(layout.members)))

    def work(start: int, stop: int) -> NDArray[np.float64]:
        chosen = torch.from_numpy(removed[order[start:stop]]).to(device)[:, layout.tokens] & (layout.streams == 0)
        if filler is None:
            x, rows = drop_removed(layout, entries, chosen)
        else:
            x = torch.where(chosen[..., None], filler, entries)
            rows = Rows.of(layout, torch.ones_like(chosen[:1]))
        logits = decoder.logits(_run(decoder, x, rows)).flatten(0, 1)
        logits = logits.to(at_least_float32(logits.dtype))
        scores = objective_value(objective, logits, sequence[layout.next_tokens].repeat(stop - start))
        return scores.double().cpu().numpy().reshape(stop - start, -1) @ layout.members.T

    size = batch or plan_batch(decoder, len(layout.tokens), len(layout.rows), len(kept))
    counted(0, len(kept))
    for start, result in run_in_chunks(work, len(kept), size, "ablation"):
        values[order[start : start + len(result)]] = result
        counted(start + len(result), len(kept))
    return values


def plan_batch(decoder: Decoder, n_entries: int, n_rows: int, n_ablations: int, free: int | None = None) -> int:
    """Ablations per forward: as many as fit in half of the free memory, at least one.

    Each takes a layer's forward pass with a block of scores, the logits of all rows at once, and masks: a byte for each
    pair of entries, two if some layers have a window.
    """
    narrow, wide = decoder.itemsizes
    each = max(
        count_run_bytes(layer, n_entries, narrow, wide) + layer.attention.block_size(n_entries) * 2 * (narrow + wide)
        for layer in decoder.layers
    )
    each += n_rows * count_logits_bytes(decoder, wide) + 2 * n_entries**2
    most = GPU_CHUNK if decoder.embedding.device.type == "cuda" else CPU_ROWS
    return max(1, min(n_ablations, most, take_budget(decoder, free) // each))


def _filler(decoder: Decoder, ablate: AblationKind) -> Tensor | None:
    """The embedding [E] that replaces a removed token."""
    match ablate:
        case AblationKind.MASK_EMBEDDING:
            return decoder.mean_embedding().to(decoder.embedding.dtype)
        case AblationKind.PAD:
            return decoder.embed(torch.tensor(PAD_ID, device=decoder.embedding.device))
        case AblationKind.DROP:
            return None


def _run(decoder: Decoder, embeddings: Tensor, rows: Rows) -> Tensor:
    """Run all layers: unscaled embeddings [B, L, E] -> the last layer's output at the read entries [B, R, S D]."""
    lower, upper = decoder.layers[: decoder.top], decoder.layers[decoder.top :]
    attends = {window: _attend(rows.see(rows, window), in_order=True) for window in {layer.window for layer in lower}}
    residual = decoder.start(embeddings, _turn(decoder, rows.positions))
    for number, layer in enumerate(lower):
        residual.run(number, attends[layer.window])
    del attends
    read = rows.read.expand(len(embeddings), -1)
    reading = rows.take(rows.read)
    seen = {window: reading.see(rows, window) for window in {layer.window for layer in upper}}
    residual.run(decoder.top, _attend(seen[upper[0].window], read=read), pick=lambda x: _pick_rows(x, read))
    residual.angles = _turn(decoder, reading.positions)
    for number, layer in enumerate(upper[1:], decoder.top + 1):
        residual.run(number, _attend(seen[layer.window]))
    return residual.x


def _turn(decoder: Decoder, positions: Tensor) -> dict[Rope, Angles]:
    """The angles of positions [B, L], for heads [B, heads, L, H]."""
    return {rope: (cos[:, None], sin[:, None]) for rope, (cos, sin) in decoder.angles(positions).items()}


def _attend(visible: Tensor, *, read: Tensor | None = None, in_order: bool = False) -> Attend:
    """Attention to the visible entries, bool [B or 1, queries, L]: of those at ``read`` [B, R] alone, or of all.

    ``in_order``: the queries are the row's entries in order, and none sees later entries.
    """

    def attend(attention: Attention, heads: Heads) -> Tensor:
        query = heads.query if read is None else _pick_rows(heads.query, read[:, None])
        return _attend_in_blocks(attention, query, heads, visible, in_order=in_order)

    return attend


def _pick_rows(x: Tensor, places: Tensor) -> Tensor:
    """The rows of x [..., L, W] at these places [..., R] (an axis of size 1 is broadcast)."""
    return x.gather(-2, places[..., None].expand(*x.shape[:-2], -1, x.shape[-1]))


def _attend_in_blocks(attention: Attention, query: Tensor, heads: Heads, visible: Tensor, *, in_order: bool) -> Tensor:
    """Attention in blocks of queries [B, N, L', H]: weighted values [B, L', N H]."""
    blocks: list[Tensor] = []
    size = query_block(query.device)
    for start in range(0, query.shape[2], size):
        stop = min(start + size, query.shape[2])
        seen = slice(stop if in_order else None)
        key, value = heads.key[:, :, seen], heads.value[:, :, seen]
        blocks.append(
            attend_to(attention, query[:, :, start:stop], key, value, visible[:, None, None, start:stop, seen])
        )
    return torch.cat(blocks, dim=1)
