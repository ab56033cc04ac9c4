"""Where the time of a chunk of salience and of steps of generation goes: the 20 kernels that take most."""

# pyright: standard

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.profiler import ProfilerActivity

from promptlight.salience.gradients.compute import compute_salience
from tests.benchmarks.measure import Settings, Table
from tests.benchmarks.models import Shape, draw_ids
from tests.gpu.generation import write
from tests.gpu.shapes import build_decoder

N_SHOWN = 20


def run(shape: Shape, settings: Settings) -> list[Table]:
    """A table for each of the two, after a round that warms up."""
    decoder = build_decoder(shape, settings.device)
    ids = draw_ids(64 if settings.quick else 512, shape)
    prompt = [draw_ids(32 if settings.quick else 200, shape)]
    works: dict[str, Callable[[], object]] = {
        "salience of 16 targets": lambda: compute_salience(decoder, ids, len(ids) - 16, {}, chunk=16),
        "the first token and 16 steps, one prompt": lambda: write(decoder, False, prompt, 17),
    }
    return [profile(f"{shape.name}, {name}", work, settings) for name, work in works.items()]


def profile(title: str, work: Callable[[], object], settings: Settings) -> Table:
    """The kernels by their own time on the device; on a CPU, the operators."""
    on_gpu = settings.device.type == "cuda"
    work()
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    with torch.profiler.profile(activities=activities) as profiler:
        work()
        if on_gpu:
            torch.cuda.synchronize()

    def own_time(event: Any) -> float:
        return event.self_device_time_total if on_gpu else event.self_cpu_time_total

    events = [event for event in profiler.key_averages() if own_time(event)]  # on a GPU, kernels and copies alone
    ranked = sorted(events, key=own_time, reverse=True)
    total = sum(map(own_time, ranked))
    table = Table(f"Kernels: {title}", ("kernel", "calls", "ms", "share"))
    for event in ranked[:N_SHOWN]:
        taken = own_time(event)
        table.rows.append((event.key[:90], str(event.count), f"{taken / 1000:.2f}", f"{taken / total:.1%}"))
        table.figures[event.key] = {"calls": event.count, "microseconds": taken}
    table.notes.append(f"{sum(event.count for event in ranked):,} launches, {total / 1000:.1f} ms in kernels.")
    return table
