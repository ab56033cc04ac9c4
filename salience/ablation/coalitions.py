"""Choose which spans to keep: the ablations that each method needs.

A *coalition* is a set of spans that are kept, a row of bool [n, S]. All randomness comes from the generator that is
passed in. Nothing here knows a coalition's value.
"""

# pyright: standard

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from promptlight.salience.statistics import BoolArray, WideArray


def start_stream(seed: int, name: str) -> np.random.Generator:
    """A random generator for one prompt, as in ``decoder/sampling.py``: other prompts of the batch change nothing."""
    return np.random.default_rng(random.Random(f"{seed} {name}").getrandbits(128))


def leave_one_out(n_spans: int) -> BoolArray:
    """Each span removed in turn, [S, S]."""
    return ~np.eye(n_spans, dtype=np.bool_)


def enumerate_all(n_spans: int) -> BoolArray:
    """All coalitions, [2**S, S]: row n keeps the spans whose bits are set in n; the first span is the lowest bit."""
    return (np.arange(2**n_spans)[:, None] >> np.arange(n_spans) & 1).astype(np.bool_)


def draw_halves(n: int, n_spans: int, stream: np.random.Generator) -> BoolArray:
    """Each span is kept with probability 1/2, [n, S]."""
    return stream.random((n, n_spans)) < 0.5


def draw_sizes_evenly(n: int, n_spans: int, stream: np.random.Generator) -> BoolArray:
    """1 to S spans are removed, each number equally likely, as LIME samples texts, [n, S]."""
    return _draw_subsets(n_spans - stream.integers(1, n_spans + 1, n), n_spans, stream)


def draw_pairs(n_pairs: int, n_spans: int, stream: np.random.Generator) -> BoolArray:
    """Coalitions from the Shapley kernel, each followed by its complement, [2 x pairs, S]; at least two spans.

    The probability of size k is proportional to 1 / (k (S - k)): Lundberg and Lee's kernel (arXiv:1705.07874). Pairs
    follow Covert and Lee (arXiv:2012.01536).
    """
    sizes = np.arange(1, n_spans)
    drawn = _draw_subsets(stream.choice(sizes, n_pairs, p=_kernel_sizes(n_spans)[1:-1]), n_spans, stream)
    return np.stack([drawn, ~drawn], axis=1).reshape(2 * n_pairs, n_spans)


def draw_orders(n: int, n_spans: int, stream: np.random.Generator) -> NDArray[np.intp]:
    """Random orders in which spans join, [n, S]."""
    return np.stack([stream.permutation(n_spans) for _ in range(n)])


def join_in_order(order: NDArray[np.intp]) -> BoolArray:
    """The coalitions on the way from none to all when spans join in this order, [S + 1, S]."""
    ranks = np.argsort(order)
    return ranks < np.arange(len(order) + 1)[:, None]


def _kernel_sizes(n_spans: int) -> WideArray:
    """The Shapley kernel's probability of each size 0..S, [S + 1]; sizes 0 and S have probability 0."""
    sizes = np.arange(1, n_spans)
    weights = 1 / (sizes * (n_spans - sizes))
    return np.concatenate([[0.0], weights / weights.sum(), [0.0]])


def kernel_weights(kept: BoolArray, columns: Sequence[int]) -> WideArray:
    """Importance weights that turn coalitions drawn from the kernel of all S spans into a sample for some of them, [n].

    A target's sources are only the spans before it; the others change nothing. A coalition's weight is the probability
    of its size under the kernel of the m ``columns`` alone, divided by the probability that a draw from the kernel of
    all S spans has that many of them.
    """
    n_spans, m = kept.shape[1], len(columns)
    sizes = kept[:, columns].sum(axis=1)
    if m == n_spans:
        return np.ones(len(kept))
    wanted, drawn = _kernel_sizes(m), np.zeros(m + 1)
    for size, chance in enumerate(_kernel_sizes(n_spans)):
        for part in range(max(0, size - n_spans + m), min(m, size) + 1):
            ways = math.comb(m, part) * math.comb(n_spans - m, size - part) / math.comb(n_spans, size)
            drawn[part] += chance * ways
    return (wanted / drawn)[sizes]


def _draw_subsets(sizes: NDArray[np.integer], n_spans: int, stream: np.random.Generator) -> BoolArray:
    """A random subset of each size, [n, S]."""
    ranks = stream.random((len(sizes), n_spans)).argsort(axis=1).argsort(axis=1)
    return ranks < sizes[:, None]
