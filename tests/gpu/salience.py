"""Salience of 128 targets in a text of 512 tokens: by the size of a chunk, LIT's way, a loop, and the floor."""

# pyright: standard

from __future__ import annotations

import functools
import statistics
from collections.abc import Callable

import torch

from promptlight.salience.gradients.compute import compute_salience
from tests.benchmarks.floor import count_layer_weights
from tests.benchmarks.loops import through_decoder
from tests.benchmarks.measure import Candidate, Settings, Table, alternate, compare
from tests.benchmarks.models import Shape, draw_ids, freeze
from tests.benchmarks.salience import FLOOR, LIT, OURS, floor_candidate, make_cuts
from tests.gpu.shapes import build_causal
from tests.oracles.plain import keras_score_grad_l2

CHUNKS = (1, 2, 4, 8, 16, 32, 64)
N_LIT = 4  # of the targets: each one is a forward and a backward


def run(shape: Shape, settings: Settings) -> list[Table]:
    """Time and peak memory. LIT's way runs on the very weights that the decoder has."""
    n_prompt, n_targets = (48, 16) if settings.quick else (384, 128)
    keras = build_causal(shape, settings.device)
    decoder = freeze(keras.backbone)
    ids = draw_ids(n_prompt + n_targets, shape)
    cuts, places = make_cuts(n_prompt, len(ids)), list(range(n_prompt, len(ids)))
    work: dict[str, Callable[[], object]] = {
        f"chunks of {chunk}": functools.partial(compute_salience, decoder, ids, n_prompt, cuts, chunk=chunk)
        for chunk in CHUNKS
        if chunk <= n_targets
    }
    work[OURS] = functools.partial(compute_salience, decoder, ids, n_prompt, cuts)
    candidates = {name: Candidate(one, n_targets) for name, one in work.items()}
    candidates["pure torch, one forward, backward per target"] = Candidate(
        lambda: through_decoder(decoder, ids, places[-16:]), min(16, n_targets)
    )
    if hasattr(keras, "score"):  # keras-hub has none for Gemma 3
        candidates[LIT] = Candidate(lambda: keras_score_grad_l2(keras, ids, len(ids) - N_LIT), N_LIT)
    candidates[FLOOR] = floor_candidate(decoder, len(ids), n_targets)
    seconds = alternate(candidates, settings)
    title = f"Salience, shapes of {shape.name}: {n_targets} targets after {n_prompt} tokens, bfloat16"
    table = compare(title, seconds, OURS, unit="ms a target", scale=1000)
    if settings.device.type == "cuda":
        add_peaks(table, {name: candidate.work for name, candidate in candidates.items()})
    flop = 2 * count_layer_weights(decoder) * sum(range(n_prompt, len(ids))) / n_targets
    rate = flop / statistics.median(seconds[FLOOR]) / 1e12
    table.notes.append(f"The floor is {flop / 1e12:.2f} TFLOP a target, at {rate:.0f} TFLOP/s in this run.")
    table.figures["floor TFLOP/s"] = rate
    return [table]


def add_peaks(table: Table, works: dict[str, Callable[[], object]]) -> None:
    """Add a column of each candidate's peak memory beside what was taken before."""
    table.columns = (*table.columns, "peak GB beside the weights")
    for number, (name, work) in enumerate(works.items()):
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        work()
        torch.cuda.synchronize()
        peak = torch.cuda.max_memory_allocated() - before
        table.rows[number] = (*table.rows[number], f"{peak / 1e9:.2f}")
        table.figures[name]["peak_bytes"] = peak
