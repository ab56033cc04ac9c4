"""Hand batches to actors, which stay for the whole run, and bring the results back in the order of the batches.

1. Each actor loads its model. One that has is handed a batch, and a second one that waits there, so that no actor idles
   while the driver reads or writes.
2. Wait until an actor answers. Results that come before their turn wait here; only so many batches are out at a time.
3. An actor that dies starts again, here or on another machine, and loads its model again. What it had goes back to be
   handed out first. Actors that find no machine again are left out: the others do their work.
4. A batch over which ``MOST_DEATHS`` actors have died comes back without results.
"""

# pyright: standard

from __future__ import annotations

import heapq
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import ray
from ray.exceptions import ActorUnavailableError, ObjectLostError, RayActorError

from promptlight.salience.errors import PromptlightError

MOST_DEATHS = 3  # of actors on one batch; then its prompts are skipped, and the next run tries them again
PER_ACTOR = 2  # batches that an actor has: one in work, one waiting
REST = 0.5  # seconds between two looks whether a dead actor is back
AHEAD_PER_ACTOR = 4  # batches for each actor that may be out or wait for their turn
Batch = list[bytes]  # pickled prompts
Results = list[bytes] | None  # pickled results; None for a deadly batch


@dataclass(eq=False)
class _Hand:
    """An actor, and what it has to answer, in this order: its loading, or else the numbers of its batches."""

    actor: Any
    loading: Any = None
    is_ready: bool = False
    batches: deque[tuple[Any, int]] = field(default_factory=deque)
    n_deaths: int = 0  # while it loaded its model
    rests_until: float = 0.0

    @property
    def next_answer(self) -> Any:
        """What it answers next; None if it has nothing to do, or may not be back."""
        return self.loading if self.loading is not None else self.batches[0][0] if self.batches else None

    @property
    def is_away(self) -> bool:
        """Whether it must be asked to load its model, once it is back."""
        return not self.is_ready and self.loading is None

    def wake(self) -> None:
        """Have it load its model, if it is away and has been for a while."""
        if self.is_away and time.monotonic() >= self.rests_until:
            self.loading = self.actor.load.remote()

    def rest(self) -> None:
        """Ask it again after a while."""
        self.is_ready, self.loading, self.rests_until = False, None, time.monotonic() + REST

    def finish_loading(self) -> None:
        """Take note that it has loaded its model, or died. Raises what loading raises, or its third death."""
        answer, self.loading = self.loading, None
        try:
            ray.get(answer)
        except ActorUnavailableError:  # it starts again, or there is no machine for it
            self.rest()
        except RayActorError:
            self.n_deaths += 1
            if self.n_deaths == MOST_DEATHS:
                raise
            self.rest()
        else:
            self.is_ready, self.n_deaths = True, 0


class Dispatch:
    """Batches on their way to actors and back."""

    def __init__(self, actors: Sequence[Any], batches: Iterator[Batch]) -> None:
        self._hands = [_Hand(actor) for actor in actors]
        self._batches, self._n_read, self._all_read = batches, 0, False
        self._fault: PromptlightError | None = None
        self._out: dict[int, Batch] = {}  # with an actor, or back from one that died
        self._back: list[int] = []  # the numbers of those that are back, as a heap
        self._done: dict[int, Results] = {}
        self._deaths = Counter[int]()

    def collect(self) -> Iterator[tuple[Batch, Results]]:
        """Each batch with its results, in order. An error of the batches is raised after all before it are done."""
        due = 0
        while True:
            self._hand_out(due + AHEAD_PER_ACTOR * len(self._hands))
            if due in self._done:
                yield self._out.pop(due), self._done.pop(due)
                due += 1
            elif self._hands and (self._out or not self._all_read):
                self._wait()
            elif self._fault is not None:
                raise self._fault
            else:
                return

    def _hand_out(self, stop: int) -> None:
        """Give batches before number ``stop`` to actors that have few, one each before any gets a second."""
        ready = [hand for hand in self._hands if hand.is_ready]
        for n_most in range(1, PER_ACTOR + 1):
            for hand in ready:
                if len(hand.batches) < n_most:
                    number = self._take(stop)
                    if number is None:
                        return
                    hand.batches.append((hand.actor.explain.remote(self._out[number]), number))

    def _take(self, stop: int) -> int | None:
        """The number of the next batch to hand out."""
        if self._back:
            return heapq.heappop(self._back)
        if self._all_read or self._n_read >= stop:
            return None
        batch = None
        try:
            batch = next(self._batches, None)
        except PromptlightError as error:
            self._fault = error
        if batch is None:
            self._all_read = True
            return None
        self._out[self._n_read] = batch
        self._n_read += 1
        return self._n_read - 1

    def _wait(self) -> None:
        """Wait for the next answer of any actor."""
        for hand in self._hands:
            hand.wake()
        answers = {hand.next_answer: hand for hand in self._hands if hand.next_answer is not None}
        if not answers:
            time.sleep(REST)
            return
        limit = REST if any(hand.is_away for hand in self._hands) else None
        found, _ = ray.wait(list(answers), num_returns=1, timeout=limit)
        if not found:
            return
        (answer,) = found
        hand = answers[answer]
        if hand.loading is not None:
            hand.finish_loading()
            return
        try:
            results: Any = ray.get(answer)
        except (RayActorError, ObjectLostError):
            self._take_back(hand)
            return
        self._done[hand.batches.popleft()[1]] = results

    def _take_back(self, hand: _Hand) -> None:
        """Take back what a dead actor had. The first batch was in work, so it may be what kills."""
        numbers = [number for _, number in hand.batches]
        hand.batches.clear()
        hand.rest()
        self._deaths[numbers[0]] += 1
        if self._deaths[numbers[0]] >= MOST_DEATHS:
            self._done[numbers.pop(0)] = None
        for number in numbers:
            heapq.heappush(self._back, number)
