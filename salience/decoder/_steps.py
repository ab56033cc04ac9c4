"""The steps of generation after the prompts are read: each adds one token to every row.

Two ways, which write the same ids:
 - ``decode_step``, one at a time. It attends to as many slots of the cache as the longest row has filled, and the host
   looks at the ids after each.
 - ``StepsAhead``, several at once, greedily. Every step has the same shapes, attends to all slots and needs nothing of
   the host, so that a CUDA graph can hold it: one launch then takes the place of some hundred. A row that is finished
   writes on until somebody looks.

Shapes: B rows, V vocabulary, S slots.
"""

# pyright: standard

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from promptlight.salience.decoder._cache import KeyValueCache
from promptlight.salience.decoder.attention import visible_keys
from promptlight.salience.decoder.decoder import Decoder
from promptlight.salience.decoder.rope import Angles, Rope

N_AHEAD = 8
N_WARM_UP = 3  # as torch advises before a capture: libraries choose their kernels and take their workspaces


@dataclass(frozen=True)
class Slots:
    """The positions of a cache and their rotary angles, made once."""

    numbers: Tensor  # [S]
    angles: dict[Rope, Angles]

    @classmethod
    def make(cls, decoder: Decoder, n: int) -> Slots:
        """The slots 0 to n."""
        numbers = torch.arange(n, device=decoder.embedding.device)
        return cls(numbers, decoder.angles(numbers))

    def turn(self, positions: Tensor) -> dict[Rope, Angles]:
        """The angles of one position in each row [B], for heads [B, heads, 1, H]."""
        return {
            rope: (cos[positions][:, None, None], sin[positions][:, None, None])
            for rope, (cos, sin) in self.angles.items()
        }


def see(decoder: Decoder, positions: Tensor, slots: Tensor) -> dict[int | None, Tensor]:
    """Which slots one position in each row [B] sees, by the layers' windows: bool [B, 1, 1, 1, slots]."""
    windows = {layer.window for layer in decoder.layers}
    return {window: visible_keys(positions[:, None], slots, window)[:, None, None] for window in windows}


def decode_step(decoder: Decoder, cache: KeyValueCache, slots: Slots, ids: Tensor, n_seen: int) -> Tensor:
    """Append one token to each row: ids [B] -> logits of the next one [B, V]. No row has more than ``n_seen`` positions
    with it."""
    seen = see(decoder, cache.lengths, slots.numbers[:n_seen])
    residual = decoder.start(decoder.embed(ids[:, None]), slots.turn(cache.lengths))
    for number, layer in enumerate(decoder.layers):
        residual.run(number, cache.attend_from(number, seen[layer.window]))
    cache.lengths.add_(1)
    return decoder.logits(residual.x[:, 0])


def can_run_ahead(decoder: Decoder) -> bool:
    """Whether a step needs nothing of the host. Experts are chosen there, and a second table is read from its file."""
    return decoder.per_layer is None and all(layer.experts is None for layer in decoder.layers)


@dataclass
class StepsAhead:
    """Greedy steps of one shape, on a GPU as a CUDA graph. ``ids`` [B] are the tokens to append next.

    A row whose slots are full writes over its last one, which nobody reads any more.
    """

    decoder: Decoder
    cache: KeyValueCache
    slots: Slots
    ids: Tensor
    _graph: torch.cuda.CUDAGraph | None = field(default=None, init=False)

    def write(self, n: int) -> Tensor:
        """Append n tokens to each row; returns those that follow each, [n, B]. The last one is appended next."""
        written = self.ids.new_empty(n, len(self.ids))
        if self._graph is None and self.ids.is_cuda:
            self._capture()
        for number in range(n):
            if self._graph is None:
                self._run()
            else:
                self._graph.replay()
            written[number] = self.ids
        return written

    def keep_rows(self, places: list[int]) -> None:
        """Drop all rows but these."""
        self.cache.keep_rows(places)
        self.ids = self.ids[torch.tensor(places, device=self.ids.device)]
        self._graph = None

    def _run(self) -> None:
        """One step, in place. A finished row stays within its slots."""
        n_slots = len(self.slots.numbers)
        self.cache.lengths.clamp_(max=n_slots - 1)
        logits = decode_step(self.decoder, self.cache, self.slots, self.ids, n_slots)
        self.ids.copy_(logits.argmax(dim=-1))

    def _capture(self) -> None:
        """Record a step. What the steps before it write to the cache, the same steps write again."""
        ids, lengths = self.ids.clone(), self.cache.lengths.clone()
        aside = torch.cuda.Stream(self.ids.device)
        aside.wait_stream(torch.cuda.current_stream(self.ids.device))
        with torch.cuda.stream(aside):
            for _ in range(N_WARM_UP):
                self._run()
        torch.cuda.current_stream(self.ids.device).wait_stream(aside)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._run()
        self.ids.copy_(ids)
        self.cache.lengths.copy_(lengths)
