"""How often something may happen: token buckets, one for all or one for each address."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

MOST_ADDRESSES = 1024


class Bucket:
    """Lets ``burst`` things happen at once, and ``rate`` a second after that. Not for several threads."""

    def __init__(self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._burst, self._clock = rate, burst, clock
        self._left, self._read = burst, clock()

    def take(self, patience: float = 0.0) -> float | None:
        """Take one: the seconds to wait for it, or None, and nothing is taken, if that were more than ``patience``."""
        now = self._clock()
        self._left = min(self._burst, self._left + (now - self._read) * self._rate)
        self._read = now
        wait = max(0.0, (1 - self._left) / self._rate)
        if wait > patience:
            return None
        self._left -= 1
        return wait

    def give_back(self) -> None:
        """Undo a ``take``."""
        self._left = min(self._burst, self._left + 1)


class BucketEach:
    """A bucket for each address, of which the last ``MOST_ADDRESSES`` are remembered."""

    def __init__(self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._build = lambda: Bucket(rate, burst, clock)
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def take(self, address: str) -> bool:
        """Take one from this address's bucket, if there is one."""
        bucket = self._buckets.pop(address, None) or self._build()
        self._buckets[address] = bucket
        if len(self._buckets) > MOST_ADDRESSES:
            self._buckets.popitem(last=False)
        return bucket.take() is not None
