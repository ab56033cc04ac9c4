"""Who sees whom: the mask by hand, and in blocks."""

# pyright: standard

from __future__ import annotations

import torch

from promptlight.salience.decoder.attention import CPU_QUERY_BLOCK, causal_blocks, visible_keys


def test_blocks_cover_each_visible_pair_once() -> None:
    length, window = 2 * CPU_QUERY_BLOCK + 7, 100
    seen = torch.zeros(length, length, dtype=torch.int)
    for queries, keys, visible in causal_blocks(length, window, torch.device("cpu")):
        seen[queries, keys] += visible.int()
    positions = torch.arange(length)
    assert torch.equal(seen, visible_keys(positions, positions, window).int())


def test_visible_keys_by_hand() -> None:
    positions = torch.arange(4)
    assert visible_keys(positions, positions, None).int().tolist() == [
        [1, 0, 0, 0],
        [1, 1, 0, 0],
        [1, 1, 1, 0],
        [1, 1, 1, 1],
    ]
    assert visible_keys(positions, positions, 2).int().tolist() == [
        [1, 0, 0, 0],
        [1, 1, 0, 0],
        [0, 1, 1, 0],
        [0, 0, 1, 1],
    ]
