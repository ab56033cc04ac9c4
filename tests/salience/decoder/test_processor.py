"""bfloat16 is recommended on a CPU only where it is fast."""

from __future__ import annotations

import pytest
import torch

from promptlight.salience.decoder import processor
from promptlight.salience.decoder.chunks import say_what_helps
from promptlight.salience.decoder.processor import has_fast_bfloat16
from promptlight.salience.loading.model_size import GIB, Room, Size


@pytest.mark.parametrize(("slowdown", "is_fast"), [(0.4, True), (1.5, True), (12.0, False)])
def test_advice_follows_the_measured_speed(monkeypatch: pytest.MonkeyPatch, slowdown: float, *, is_fast: bool) -> None:
    monkeypatch.setattr(processor, "measure_slowdown", lambda: slowdown)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert has_fast_bfloat16() == is_fast
    assert ("bfloat16" in say_what_helps()) == is_fast
    size = Size(2_614_000_000, 256_000 * 2304)
    for room in (
        Room(device="CPU", dtype="float32", weight_bytes=4, free=12 * GIB),
        Room(device="CUDA (T4)", dtype="bfloat16", weight_bytes=2, free=GIB, free_on_cpu=11 * GIB),
    ):
        assert ("bfloat16" in ", ".join(room.list_ways(size))) == is_fast
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert "bfloat16" in say_what_helps()


def test_without_memory_for_the_measurement_bfloat16_counts_as_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    def never() -> float:
        raise torch.OutOfMemoryError("planted")

    monkeypatch.setattr(processor, "measure_slowdown", never)
    assert not has_fast_bfloat16()


def test_the_speed_is_measured() -> None:
    assert processor.measure_slowdown() > 0
