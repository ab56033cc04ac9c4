"""Keys and values of a batch of texts so far, so that each new token computes only its own.

Each row writes its next token at its own position: a row's slot *is* its position, and padding on the right is
overwritten before anything reads it.

Shapes: B rows, S slots, K key/value heads, H head width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from promptlight.salience.decoder.attention import Attend, Attention, attend_to
from promptlight.salience.decoder.heads import Heads
from promptlight.salience.decoder.layer import Layer


@dataclass
class KeyValueCache:
    """Keys and values so far of each layer that has its own [B, K, S, H], with room for ``n_slots`` positions;
    ``lengths`` [B] counts each row's."""

    lengths: Tensor
    n_slots: int
    keys: dict[int, Tensor] = field(default_factory=dict[int, Tensor])
    values: dict[int, Tensor] = field(default_factory=dict[int, Tensor])
    rows: Tensor = field(init=False)  # [B] their numbers

    def __post_init__(self) -> None:
        self.rows = torch.arange(len(self.lengths), device=self.lengths.device)

    def fill(self, number: int, heads: Heads) -> None:
        """Take a layer's keys and values of whole prompts [B, K, T, H]."""
        for store, new in ((self.keys, heads.key), (self.values, heads.value)):
            slots = new.new_zeros(*new.shape[:2], self.n_slots, new.shape[3])
            slots[:, :, : new.shape[2]] = new
            store[number] = slots

    def attend_from(self, number: int, visible: Tensor) -> Attend:
        """Attention of one new position in each row to the positions of layer ``number`` so far, and to itself; if the
        layer reads another one's keys and values, that one has run.

        ``visible`` [B, 1, 1, 1, k] says which of the first k slots each row sees.
        """
        n_seen = visible.shape[-1]

        def attend(attention: Attention, heads: Heads) -> Tensor:
            source = attention.heads.source
            if source is None:
                for store, new in ((self.keys, heads.key), (self.values, heads.value)):
                    store[number][self.rows, :, self.lengths] = new[:, :, 0]
            stored = number if source is None else source
            key, value = self.keys[stored][:, :, :n_seen], self.values[stored][:, :, :n_seen]
            return attend_to(attention, heads.query, key, value, visible)

        return attend

    def keep_rows(self, places: Sequence[int]) -> None:
        """Drop all rows but these, layer by layer, so that there is never a second copy of the cache."""
        index = torch.tensor(places, device=self.lengths.device, dtype=torch.long)
        for store in (self.keys, self.values):
            for number in store:
                store[number] = store[number][index]
        self.lengths, self.rows = self.lengths[index], self.rows[: len(places)]


def count_cache_bytes(layers: Sequence[Layer], n_slots: int, itemsize: int) -> int:
    """Bytes for one row: 2 K H numbers for each slot in every layer with keys and values of its own."""
    heads = (layer.attention.heads for layer in layers if layer.source is None)
    return sum(2 * one.n_key_value_heads * one.head_dim for one in heads) * n_slots * itemsize
