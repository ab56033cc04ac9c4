"""How well an order of source spans says which of them matter: taken away, or put back, one after the other.

A *game* is ``value_of(kept)``: what a text is worth with only some of its S spans, bool [n, S] -> float64 [n]; here the
target's summed log-probability, in nats. An *order* has the span that should matter most first.

 1. *Deletion*: the first k spans of the order are removed, for k from 0 to S. A good order falls early.
 2. *Insertion*: all are removed and the first k put back. A good order rises early.
 3. A curve's *area* is its mean height over the share of spans k/S from 0 to 1, straight between the measured points
    (the trapezoidal rule). It is in the value's own unit: nats, from the value of all to that of none. Petsiuk et al.
    2018 (RISE, arXiv:1806.07421) take it of probabilities; of whole lines of text those are all but 0 or 1.
 4. *Drop at k*: the value of all minus that without the first k; the top-k log-probability drop of ContextCite
    (Cohen-Wang et al. 2024, arXiv:2409.00729).
 5. The same for random orders. Read backwards a random order is a random order, and what deletion leaves is what
    insertion along the reversed order has put back: so one set of curves is the measure for both areas.

Of long texts every tenth is measured (``N_STEPS``), beside the points that the drops need.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from promptlight.salience.statistics import BoolArray, WideArray

Order = NDArray[np.intp]
ValueOf = Callable[[BoolArray], WideArray]

TOP_K = (1, 3, 5)
N_STEPS = 10


@dataclass(frozen=True, kw_only=True)
class OrderFigures:
    """Areas and drops of one order, in nats; a drop is None where there are fewer spans than it removes."""

    deletion: float
    insertion: float
    drop_1: float | None
    drop_3: float | None
    drop_5: float | None


@dataclass(frozen=True, kw_only=True)
class Faithfulness:
    """The value of all spans and of none, and the figures of each named order and of each random one."""

    full: float
    empty: float
    orders: Mapping[str, OrderFigures]
    random: tuple[OrderFigures, ...]

    def mean_random(self) -> OrderFigures:
        """What a random order comes to on average."""
        drops = [[one.drop_1, one.drop_3, one.drop_5] for one in self.random]
        means = [None if None in column else float(np.mean(column)) for column in zip(*drops, strict=True)]
        return OrderFigures(
            deletion=float(np.mean([one.deletion for one in self.random])),
            insertion=float(np.mean([one.insertion for one in self.random])),
            drop_1=means[0],
            drop_3=means[1],
            drop_5=means[2],
        )

    def count_beaten(self, name: str) -> tuple[int, int]:
        """How many random orders have a higher deletion area, and how many a lower insertion area; ties don't count."""
        own = self.orders[name]
        return (
            sum(one.deletion > own.deletion for one in self.random),
            sum(one.insertion < own.insertion for one in self.random),
        )


def measure_orders(
    value_of: ValueOf, orders: Mapping[str, Order], random_orders: NDArray[np.intp], *, n_steps: int = N_STEPS
) -> Faithfulness:
    """Measure all orders, each a permutation of the S spans, and random ones [n, S]; ``value_of`` is called once."""
    named = np.stack(list(orders.values()))
    n_spans = named.shape[1]
    sizes = choose_sizes(n_spans, n_steps)
    left = keep_last(np.concatenate([named, random_orders.reshape(-1, n_spans)]), sizes)  # [orders, K, S]
    kept = np.concatenate([left, ~left[: len(named)]])
    values = value_each_once(value_of, kept.reshape(-1, n_spans)).reshape(len(kept), len(sizes))
    deletion, insertion = values[: len(left)], values[len(left) :]
    areas, areas_back = take_areas(deletion, sizes), take_areas(insertion, sizes)
    drops = [{size: float(row[0] - value) for size, value in zip(sizes.tolist(), row, strict=True)} for row in deletion]

    def collect(number: int, back: float) -> OrderFigures:
        found = drops[number]
        drop_1, drop_3, drop_5 = (found.get(size) for size in TOP_K)
        area = float(areas[number])
        return OrderFigures(deletion=area, insertion=float(back), drop_1=drop_1, drop_3=drop_3, drop_5=drop_5)

    return Faithfulness(
        full=float(deletion[0, 0]),
        empty=float(deletion[0, -1]),
        orders={name: collect(number, areas_back[number]) for number, name in enumerate(orders)},
        random=tuple(collect(number, areas[number]) for number in range(len(named), len(left))),
    )


def rank_sources(scores: ArrayLike, *, signed: bool) -> Order:
    """Positions of scores [S], the one that should raise the target most first; of equal ones the first in the text.

    Signed scores go from the most positive to the most negative: a source that held the target back is removed last,
    for its removal raises the curve that a good order lets fall. Scores without a sign go by their size.
    """
    values = np.asarray(scores, dtype=np.float64)
    return np.argsort(-(values if signed else np.abs(values)), kind="stable")


def choose_sizes(n_spans: int, n_steps: int = N_STEPS) -> NDArray[np.intp]:
    """After how many spans a curve is measured: increasing, from 0 to S, those of the drops among them, [K]."""
    even = np.rint(np.linspace(0, n_spans, min(n_spans, n_steps) + 1)).astype(np.intp)
    return np.unique(np.concatenate([even, [size for size in TOP_K if size <= n_spans]]).astype(np.intp))


def keep_last(orders: NDArray[np.intp], sizes: NDArray[np.intp]) -> BoolArray:
    """What is left when the first spans of each order are removed: [orders, S] and sizes [K] -> [orders, K, S]."""
    ranks = np.argsort(orders, axis=1)
    return ranks[:, None, :] >= sizes[:, None]


def value_each_once(value_of: ValueOf, kept: BoolArray) -> WideArray:
    """Values of coalitions [n, S], each different one asked for once and all together, [n]."""
    different, numbers = np.unique(kept, axis=0, return_inverse=True)
    return value_of(different)[numbers.ravel()]


def take_areas(values: WideArray, sizes: NDArray[np.intp]) -> WideArray:
    """The mean height of each curve over 0 to S: values [curves, K] at sizes [K] -> [curves]."""
    middles = (values[:, 1:] + values[:, :-1]) / 2
    return middles @ np.diff(sizes) / sizes[-1]
