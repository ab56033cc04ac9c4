"""The row that every ablation runs: a text with spans removed, and copies of the parts that a target needs intact.

Stream 0 holds the text with spans removed, each further stream intact tokens (``forward.py`` says why). All streams lie
behind each other in one row. A token of an intact stream sees stream 0 before its origin, and its own stream up to
itself.

Shapes: B ablations of a batch, L entries of a row, R rows of logits.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

FILLING = -1  # the stream of padding

Ranges = Sequence[tuple[int, int]]


@dataclass(frozen=True)
class Layout:
    """The row of every ablation before anything is removed (L entries), and where to read its predictions."""

    tokens: Tensor  # [L] number of the token in the text
    streams: Tensor  # [L] 0: with spans removed, from 1: intact
    origins: Tensor  # [L] where an entry's intact stream begins; 0 in stream 0
    rows: Tensor  # [R] entries that predict a target's token
    next_tokens: Tensor  # [R] number of the token that they predict
    members: NDArray[np.float64]  # [targets, R] 1 where a row predicts a token of the target


def lay_out_streams(bounds: Sequence[int], targets: Ranges, device: torch.device) -> Layout:
    """Streams for these targets; ``bounds`` are those of the source segmentation.

    Sources are words 'a' 'bc' 'de', the targets are 'e' and 'bc'. 'e' begins in the middle of a word, 'bc' is one:

        token      0 1 2   1   3        of 'e', 'd' has to be intact, and of 'bc', 'b'
        text       a b c   b   d
        stream     0 0 0   1   2
        predicts   b       c   e
    """
    # a target's last token is not an input
    ends: dict[int, int] = {}
    for start, stop in targets:
        origin = _origin_of(bounds, start)
        ends[origin] = max(ends.get(origin, 0), stop - 1)
    entries = [(token, 0, 0) for token in range(max(ends))]
    places: dict[tuple[int, int], int] = {}
    for stream, (origin, stop) in enumerate(sorted(ends.items()), 1):
        places[origin, origin] = origin - 1
        for token in range(origin, stop):
            places[origin, token + 1] = len(entries)
            entries.append((token, stream, origin))
    wanted = sorted({(_origin_of(bounds, start), token) for start, stop in targets for token in range(start, stop)})
    numbers = {row: number for number, row in enumerate(wanted)}
    members = np.zeros((len(targets), len(wanted)))
    for member, (start, stop) in zip(members, targets, strict=True):
        member[[numbers[_origin_of(bounds, start), token] for token in range(start, stop)]] = 1
    tokens, streams, origins = torch.tensor(entries, device=device).T
    return Layout(
        tokens=tokens,
        streams=streams,
        origins=origins,
        rows=torch.tensor([places[row] for row in wanted], device=device),
        next_tokens=torch.tensor([token for _, token in wanted], device=device),
        members=members,
    )


def _origin_of(bounds: Sequence[int], start: int) -> int:
    """The start of the source span that holds a target's first token; the text's first token is in no span."""
    return max(1, max(bound for bound in bounds if bound <= start))


@dataclass(frozen=True)
class Rows:
    """The masks of a batch of rows, [B, L] each, and where to read the logits [B, R]; B is 1 if rows are alike."""

    tokens: Tensor
    streams: Tensor
    origins: Tensor
    positions: Tensor
    read: Tensor

    @classmethod
    def of(cls, layout: Layout, present: Tensor) -> Rows:
        """Make the rows before anything is dropped: ``present`` [B, L] marks the entries that stay."""
        left = present.cumsum(dim=1)
        before = torch.cat([torch.zeros_like(left[:, :1]), left], dim=1)  # number of entries left before each entry
        intact = layout.streams > 0
        positions = torch.where(intact, before[:, layout.origins] + layout.tokens - layout.origins, before[:, :-1])
        shape = present.shape
        return cls(
            layout.tokens.expand(shape),
            layout.streams.expand(shape),
            layout.origins.expand(shape),
            positions,
            # the first token after a removed span is predicted by the last entry left before it
            left[:, layout.rows] - 1,
        )

    def take(self, places: Tensor) -> Rows:
        """The entries at these places [B, L'] of each row."""
        return Rows(
            self.tokens.gather(1, places),
            self.streams.gather(1, places),
            self.origins.gather(1, places),
            self.positions.gather(1, places),
            self.read,
        )

    def see(self, keys: Rows, window: int | None) -> Tensor:
        """Which keys each entry sees, bool [B, L, keys]."""
        token, stream, origin, position = (
            part[:, :, None] for part in (self.tokens, self.streams, self.origins, self.positions)
        )
        key_token, key_stream, key_position = (part[:, None] for part in (keys.tokens, keys.streams, keys.positions))
        visible = (key_stream == stream) & (key_token <= token) | (key_stream == 0) & (key_token < origin)
        return visible if window is None else visible & (position - key_position < window)


def drop_removed(layout: Layout, entries: Tensor, removed: Tensor) -> tuple[Tensor, Rows]:
    """Drop removed entries [B, L] from the rows: embeddings [B, L', D] and masks."""
    present = ~removed
    lengths = present.sum(dim=1)
    # a stable sort by what is removed moves the rest to the front, in order
    places = removed.to(torch.int8).argsort(dim=1, stable=True)[:, : int(lengths.max())]
    rows = Rows.of(layout, present).take(places)
    beyond = torch.arange(places.shape[1], device=places.device) >= lengths[:, None]
    streams, origins = rows.streams.masked_fill(beyond, FILLING), rows.origins.masked_fill(beyond, 0)
    return entries[places], dataclasses.replace(rows, streams=streams, origins=origins)
