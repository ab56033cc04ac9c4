"""The memory plan: the formula by hand, its limits, and that what it plans for is not exceeded."""

# pyright: standard

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from promptlight.salience.decoder.backward import activation_bytes, chunk_bytes
from promptlight.salience.decoder.chunks import CPU_BYTES, CPU_CHUNK, CPU_ROWS, keeps_activations, plan_chunk, plan_rows
from promptlight.salience.decoder.decoder import Decoder, count_logits_bytes
from promptlight.salience.decoder.layer import CPU_ROW_BLOCK
from promptlight.salience.decoder.precision import forward_dtype
from promptlight.salience.decoder.tensors import convert_tensors
from promptlight.salience.gradients.compute import compute_salience
from promptlight.salience.loading.keras.backbone import borrow_decoder
from tests.oracles.tiny import build_backbone, draw_ids


@pytest.fixture(scope="module")
def decoder() -> Decoder:
    """3 layers of width 32, 4 query and 2 key heads of 16, feed-forward 32, window 16, 300 pieces; float32."""
    return convert_tensors(borrow_decoder(build_backbone("gemma2")), torch.Tensor.detach)


def test_a_chunk_needs_what_the_formula_says(decoder: Decoder) -> None:
    length, block = 1000, 128
    by_position = 3 * 32 * 4 + (2 * 4 + 2 * 2) * 16 * 4
    attention = 4 * 4 * block * length * 4
    row = max(4 * 32 * 4 + 2.5 * 32 * 4, 3 * 32 * 4 + 3 * (4 + 2 * 2) * 16 * 4)
    assert {layer.window for layer in decoder.layers} == {16, None}
    assert chunk_bytes(decoder, length, 1) == length * by_position + attention + length * row
    assert chunk_bytes(decoder, length, 3) == 3 * (length * by_position + attention) + CPU_ROW_BLOCK * row
    windowed = replace(decoder, layers=tuple(layer for layer in decoder.layers if layer.window))
    spared = 4 * 4 * block * (length - 16 - block) * 4
    assert chunk_bytes(decoder, length, 3) - chunk_bytes(windowed, length, 3) == 3 * spared


@pytest.mark.parametrize(("n_fitting", "planned"), [(0, 1), (1, 1), (3, 3), (1000, CPU_CHUNK)])
def test_as_many_targets_as_fit_into_half_of_what_is_free(decoder: Decoder, n_fitting: int, planned: int) -> None:
    assert plan_chunk(decoder, 100, 64, free=2 * chunk_bytes(decoder, 100, n_fitting)) == planned
    assert plan_chunk(decoder, 100, 2, free=10**15) == 2  # no more than there are
    for n_positions in (10_000, 20_000, 200_000):  # whatever is free, a CPU takes little
        planned = plan_chunk(decoder, n_positions, 64, free=10**15)
        assert planned == 1 or chunk_bytes(decoder, n_positions, planned) <= CPU_BYTES
        assert planned == CPU_CHUNK or chunk_bytes(decoder, n_positions, planned + 1) > CPU_BYTES


def test_logits_of_as_many_targets_as_fit_go_together(decoder: Decoder) -> None:
    each = count_logits_bytes(decoder, forward_dtype(decoder).itemsize)
    assert each == 6 * 300 * 8  # float32 is read in float64
    assert [plan_rows(decoder, 64, free=2 * n * each) for n in (0, 1, 5)] == [1, 1, 5]
    assert (plan_rows(decoder, 3, free=10**15), plan_rows(decoder, 999, free=10**15)) == (3, CPU_ROWS)
    large = replace(decoder, own_head=torch.empty(262_144, 32))
    assert plan_rows(large, 64, free=10**15) == CPU_BYTES // (6 * 262_144 * 8) == 15


def test_activations_are_kept_while_they_fit_into_a_quarter(decoder: Decoder) -> None:
    needed = activation_bytes(decoder, 500)
    assert keeps_activations(decoder, 500, free=4 * needed)
    assert not keeps_activations(decoder, 500, free=4 * needed - 4)
    assert activation_bytes(decoder, 1000) == 2 * needed


def test_scores_are_the_same_where_activations_are_computed_again(
    decoder: Decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = draw_ids(40)
    kept = compute_salience(decoder, ids, 30, {})
    monkeypatch.setattr("promptlight.salience.gradients._problem.keeps_activations", lambda *_: False)
    again = compute_salience(decoder, ids, 30, {})
    for method, expected in kept.maps.items():
        assert again.maps[method].scores == pytest.approx(expected.scores, rel=1e-5)
