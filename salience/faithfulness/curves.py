"""Measure how well an order of source spans ranks them: remove them, or put them back, one after the other.

A *game* is ``value_of(kept)``: the value of a text with only some of its S spans, bool [n, S] -> float64 [n]; here the
target's summed log-probability, in nats. An *order* lists first the span that should matter most.

 1. *Deletion*: remove the first k spans of the order, for k from 0 to S. The curve of a good order falls early.
 2. *Insertion*: remove all spans and put back the first k. The curve of a good order rises early.
 3. A curve's *area* is its mean height over the share of spans k/S from 0 to 1, by the trapezoidal rule. It is in the
    value's own unit: nats, between the value of all spans and the value of none. Petsiuk et al. 2018 (RISE,
    arXiv:1806.07421) use probabilities; for whole lines of text, those are almost 0 or almost 1.
 4. *Drop at k*: the value of all spans minus the value without the first k; the top-k log-probability drop of
    ContextCite (Cohen-Wang et al. 2024, arXiv:2409.00729).
 5. Measure random orders too. A random order read backwards is again a random order, and deletion along an order leaves
    the same spans as insertion along its reverse. So one set of random curves is the baseline for both areas.

Long texts are measured at ``N_STEPS`` even steps, plus the points that the drops need.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from promptlight.salience.explain.direction import Order
from promptlight.salience.statistics import BoolArray, WideArray

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

    def drop(self, size: int) -> float:
        """The drop at this size, of those in ``TOP_K``, where there are enough spans for it."""
        value = {1: self.drop_1, 3: self.drop_3, 5: self.drop_5}[size]
        assert value is not None
        return value


@dataclass(frozen=True, kw_only=True)
class Faithfulness:
    """The value of all spans and of none, and the figures of each named order and of each random one."""

    full: float
    empty: float
    orders: Mapping[str, OrderFigures]
    random: tuple[OrderFigures, ...]

    def mean_random(self) -> OrderFigures:
        """The mean figures of the random orders."""
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
        """Count random orders with a higher deletion area, and those with a lower insertion area; ties don't count."""
        own = self.orders[name]
        return (
            sum(one.deletion > own.deletion for one in self.random),
            sum(one.insertion < own.insertion for one in self.random),
        )


def measure_orders(
    value_of: ValueOf, orders: Mapping[str, Order], random_orders: NDArray[np.intp], *, n_steps: int = N_STEPS
) -> Faithfulness:
    """Measure all orders, each a permutation of the S spans, and random ones [n, S]; ``value_of`` is called once."""
    named, kept, sizes = _list_kept(orders, random_orders, n_steps)
    values = _value_each_once(value_of, kept.reshape(-1, kept.shape[-1])).reshape(len(kept), len(sizes))
    n_orders = len(kept) - named
    deletion, insertion = values[:n_orders], values[n_orders:]
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
        random=tuple(collect(number, areas[number]) for number in range(named, n_orders)),
    )


def count_values(orders: Mapping[str, Order], random_orders: NDArray[np.intp], *, n_steps: int = N_STEPS) -> int:
    """The number of different sets of spans that ``measure_orders`` values."""
    _, kept, _ = _list_kept(orders, random_orders, n_steps)
    return len(np.unique(kept.reshape(-1, kept.shape[-1]), axis=0))


def _list_kept(
    orders: Mapping[str, Order], random_orders: NDArray[np.intp], n_steps: int
) -> tuple[int, BoolArray, NDArray[np.intp]]:
    """The number of named orders, what is kept [curves, K, S], and the sizes [K].

    Curves are the deletions of all orders, the named ones first, then the insertions of the named ones.
    """
    named = np.stack(list(orders.values()))
    n_spans = named.shape[1]
    sizes = choose_sizes(n_spans, n_steps)
    left = _keep_last(np.concatenate([named, random_orders.reshape(-1, n_spans)]), sizes)  # [orders, K, S]
    return len(named), np.concatenate([left, ~left[: len(named)]]), sizes


def choose_sizes(n_spans: int, n_steps: int = N_STEPS) -> NDArray[np.intp]:
    """The numbers of spans at which to measure a curve: increasing, from 0 to S, including those of the drops, [K]."""
    even = np.rint(np.linspace(0, n_spans, min(n_spans, n_steps) + 1)).astype(np.intp)
    return np.unique(np.concatenate([even, [size for size in TOP_K if size <= n_spans]]).astype(np.intp))


def _keep_last(orders: NDArray[np.intp], sizes: NDArray[np.intp]) -> BoolArray:
    """The spans left after removing the first ones of each order: [orders, S] and sizes [K] -> [orders, K, S]."""
    ranks = np.argsort(orders, axis=1)
    return ranks[:, None, :] >= sizes[:, None]


def _value_each_once(value_of: ValueOf, kept: BoolArray) -> WideArray:
    """Values of coalitions [n, S]: all distinct ones in a single call, [n]."""
    different, numbers = np.unique(kept, axis=0, return_inverse=True)
    return value_of(different)[numbers.ravel()]


def take_areas(values: WideArray, sizes: NDArray[np.intp]) -> WideArray:
    """The mean height of each curve over 0 to S: values [curves, K] at sizes [K] -> [curves]."""
    middles = (values[:, 1:] + values[:, :-1]) / 2
    return middles @ np.diff(sizes) / sizes[-1]
