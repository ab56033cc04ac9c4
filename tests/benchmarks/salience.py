"""Salience of 32 targets after a prompt of 214 tokens: LIT's way, loops of backwards, ours, and the floor.

Ways that start over for each target run on some of the targets; the time per target is compared.
"""

# pyright: standard

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from promptlight.salience.decoder.decoder import Decoder
from promptlight.salience.gradients.compute import compute_salience
from promptlight.salience.types import Granularity, Method, Segmentation
from tests.benchmarks.floor import multiply_all, n_repeats, share_of_need
from tests.benchmarks.loops import (
    through_decoder,
    through_decoder_again,
    through_transformers,
    through_transformers_again,
)
from tests.benchmarks.measure import Candidate, Settings, Table, alternate, compare, judge
from tests.benchmarks.models import SMALL, WIDE, Shape, Trio, build_trio, draw_ids
from tests.benchmarks.peers import peer_candidates
from tests.oracles.plain import keras_score_grad_l2

LIT = "LIT's way: keras-hub score, autograd per target"
OURS = "promptlight, with words, sentences and lines"
FLOOR = "floor: the matrix products alone"
N_PROMPT, N_TARGETS = 214, 32


def run(settings: Settings) -> list[Table]:
    """Two shapes in float32 (quick: only the first)."""
    return [run_shape(shape, settings) for shape in ((SMALL,) if settings.quick else (SMALL, WIDE))]


def run_shape(shape: Shape, settings: Settings) -> Table:
    """Time all candidates on one model, after a check of their scores against ours."""
    n_targets = 8 if settings.quick else N_TARGETS
    trio, ids = build_trio(shape), draw_ids(N_PROMPT + n_targets, shape)
    check_scores(trio, ids)
    n_sampled = n_targets // 4
    if shape is WIDE:  # half a minute per candidate
        n_sampled, settings = n_targets // 8, dataclasses.replace(settings, rounds=min(settings.rounds, 3))
    first = N_PROMPT + (n_targets - n_sampled) // 2  # from the middle, where prefixes have mean length
    sampled = list(range(first, first + n_sampled))
    peers, notes = peer_candidates(trio.theirs, ids, N_PROMPT, sampled)
    seconds = alternate({**peers, **candidates(trio, ids, sampled)}, settings)
    title = f"Salience, {shape.name}: {n_targets} targets after {N_PROMPT} tokens, float32"
    table = compare(title, seconds, OURS, unit="CPU ms a target", scale=1000)
    table.notes += notes
    judge_speed(table, settings, seconds, trio.decoder)
    return table


def candidates(trio: Trio, ids: list[int], sampled: list[int]) -> dict[str, Candidate]:
    """The candidates; those that start over for each target run on the ``sampled`` targets only."""
    decoder, places = trio.decoder, list(range(N_PROMPT, len(ids)))
    n, n_sampled = len(places), len(sampled)
    cuts = make_cuts(N_PROMPT, len(ids))
    return {
        LIT: Candidate(lambda: keras_score_grad_l2(trio.keras, ids, len(ids) - n_sampled), n_sampled),
        "transformers, forward and backward per target": Candidate(
            lambda: through_transformers_again(trio.theirs, ids, sampled), n_sampled
        ),
        "transformers, one forward, backward per target": Candidate(
            lambda: through_transformers(trio.theirs, ids, places), n
        ),
        "pure torch, forward and backward per target": Candidate(
            lambda: through_decoder_again(decoder, ids, sampled), n_sampled
        ),
        "pure torch, one forward, backward per target": Candidate(lambda: through_decoder(decoder, ids, places), n),
        OURS: Candidate(lambda: compute_salience(decoder, ids, N_PROMPT, cuts), n),
        FLOOR: floor_candidate(decoder, len(ids), n),
    }


def floor_candidate(decoder: Decoder, n_tokens: int, n_targets: int) -> Candidate:
    """The floor as a candidate, timed per target like the others; it multiplies for a few targets only."""
    return Candidate(multiply_all(decoder, n_tokens), n_targets / n_repeats(n_tokens, n_targets))


def make_cuts(n_prompt: int, n_tokens: int) -> dict[Granularity, Segmentation]:
    """Words of 2 tokens, sentences of 8, lines of 16."""
    sizes = {Granularity.WORD: 2, Granularity.SENTENCE: 8, Granularity.LINE: 16}
    return {
        name: Segmentation(
            granularity=name, bounds=(0, *range(1, n_prompt, size), *range(n_prompt, n_tokens, size), n_tokens)
        )
        for name, size in sizes.items()
    }


def check_scores(trio: Trio, ids: list[int]) -> None:
    """Check that all ways agree on the last target before they are timed."""
    scores = compute_salience(trio.decoder, ids, N_PROMPT, {}).maps[Method.GRAD_L2].scores
    assert scores is not None
    expected, last = torch.from_numpy(scores)[-1, :-1], [len(ids) - 1]
    ways: dict[str, Tensor] = {
        LIT: keras_score_grad_l2(trio.keras, ids, len(ids) - 1)[0, :-1],
        "transformers": through_transformers(trio.theirs, ids, last)[0],
        "pure torch": through_decoder(trio.decoder, ids, last)[0],
    }
    for name, found in ways.items():
        error = float((found - expected).norm() / expected.norm())
        if error > 1e-3:
            raise SystemExit(f"{name} and promptlight differ by {error:.1e}: nothing to compare")


def judge_speed(table: Table, settings: Settings, seconds: Mapping[str, Sequence[float]], decoder: Decoder) -> None:
    """Judge the two goals: against LIT and against the floor."""
    lit = table.figures[LIT]["times_ours"]
    above = statistics.median(a / b for a, b in zip(seconds[OURS], seconds[FLOOR], strict=True))
    judge(table, settings, f"at least 2.3 times faster than LIT's way ({lit:.2f})", lit >= 2.3)
    judge(table, settings, f"at most 1.3 times the floor ({above:.2f})", above <= 1.3)
    share = share_of_need(decoder)
    table.notes.append(
        f"With the top layer at target rows alone, the floor is {share:.2f} of that, ours {above / share:.2f} times it."
    )
    table.figures["times the floor"], table.figures["share of need"] = above, share
