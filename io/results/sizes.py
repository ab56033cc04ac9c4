"""Estimate the bytes of results on disk from the number of scores; docs/store.md has the measurements.

A prompt of P tokens with G tokens of completion has G rows of P to P + G - 1 scores, and a row of about P + G / 2 for
each target span of a coarser granularity. In bytes:

    a score        3.3 for grad_l2 and smoothgrad, 3.6 for gradient methods with a sign, 1.2 for ablation methods (a
                   span's tokens share a score); in float16 1.7, 2.1 and 0.7
    a token        20, with its text
    a file         19,000, and 650 for each column of scores, shared by all prompts in the file
"""

# pyright: standard

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from promptlight.io.results.digits import Scores
from promptlight.io.results.schema import build_schema, find_matrix_columns
from promptlight.salience.types import Granularity, Method

UNSIGNED, SIGNED, OF_SPANS = (3.3, 1.7), (3.6, 2.1), (1.2, 0.7)  # bytes a score in float32 and float16
BYTES_OF_TOKEN = 20
BYTES_OF_FILE, BYTES_OF_COLUMN = 19_000, 650


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What a run stores of each prompt; ``targets`` are the granularities of the targets with scores."""

    methods: Sequence[Method]
    targets: Collection[Granularity]
    scores: Scores
    flush_every: int


def estimate_row(n_prompt: int, n_new: float, spans_per_token: Mapping[Granularity, float], kept: Kept) -> float:
    """Estimate the bytes of one prompt's row; ``spans_per_token`` says how finely its text is cut."""
    n_scores = sum(
        _count_spans(n_new, spans_per_token.get(name, 1.0)) * (n_prompt + n_new / 2) for name in kept.targets
    )
    each = sum(_bytes_of_score(method, kept.scores) * (1 + method.draws) for method in kept.methods)
    return n_scores * each + (n_prompt + n_new) * BYTES_OF_TOKEN


def estimate_files(n_prompts: int, kept: Kept) -> float:
    """Estimate the bytes that each file takes apart from rows."""
    n_columns = len(find_matrix_columns(build_schema(kept.methods)))
    return -(-n_prompts // kept.flush_every) * (BYTES_OF_FILE + BYTES_OF_COLUMN * n_columns)


def _count_spans(n_tokens: float, spans_per_token: float) -> float:
    """The number of target spans for this many tokens, at least one."""
    return min(n_tokens, max(1.0, n_tokens * spans_per_token))


def _bytes_of_score(method: Method, scores: Scores) -> float:
    """Bytes of a compressed score."""
    kind = OF_SPANS if method.takes_spans else SIGNED if method.is_signed else UNSIGNED
    return kind[scores is Scores.FLOAT16]
