"""How our time and memory grow with the length of the prompt, the number of targets and the size of the batch.

The model has the demo model's shape and random weights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from promptlight.salience.decoder.decoder import Decoder
from promptlight.salience.gradients.compute import compute_salience
from tests.benchmarks.generation import through_decoder
from tests.benchmarks.measure import Candidate, Settings, Table, alternate
from tests.benchmarks.memory import peak_bytes, settle
from tests.benchmarks.models import DEMO_SIZED, build_decoder, draw_ids
from tests.benchmarks.salience import make_cuts

N_TARGETS = 16


def run(settings: Settings) -> list[Table]:
    """Measure the three tables."""
    decoder = build_decoder(DEMO_SIZED)
    lengths = (500, 1000) if settings.quick else (500, 1000, 2000, 4000, 8000)
    counts = (8, 16) if settings.quick else (8, 16, 32, 64, 128)
    sizes = (1, 8) if settings.quick else (1, 2, 4, 8, 16, 32, 64)
    n_new = 8 if settings.quick else 32
    return [
        measure(
            f"Growth with the prompt: {N_TARGETS} targets, {DEMO_SIZED.name}",
            ("tokens before the targets", "CPU ms a target"),
            {length: explain(decoder, length, N_TARGETS) for length in lengths},
            [N_TARGETS] * len(lengths),
            settings,
        ),
        measure(
            f"Growth with the targets: 500 tokens before them, {DEMO_SIZED.name}",
            ("targets", "CPU ms a target"),
            {count: explain(decoder, 500, count) for count in counts},
            counts,
            settings,
        ),
        measure(
            f"Growth with the batch: prompts of 200 tokens, {n_new} new tokens, {DEMO_SIZED.name}",
            ("prompts together", "CPU ms a new token"),
            {size: write(decoder, size, n_new) for size in sizes},
            [size * n_new for size in sizes],
            settings,
        ),
    ]


def measure(
    title: str,
    columns: tuple[str, str],
    works: dict[int, Callable[[], object]],
    n_units: Sequence[int],
    settings: Settings,
) -> Table:
    """Measure the seconds of all in turns, then the memory of each."""
    candidates = {size: Candidate(work, n) for (size, work), n in zip(works.items(), n_units, strict=True)}
    seconds = alternate(candidates, settings)
    table = Table(title, (*columns, "smallest to largest", "times the row above", "MB beside the model"))
    last: float | None = None
    for size, taken in seconds.items():
        start = settle()
        works[size]()
        extra = peak_bytes() - start
        middle = sorted(taken)[len(taken) // 2] * 1000
        times = f"{middle / last:.2f}" if last else ""
        spread = f"{min(taken) * 1000:.3g} to {max(taken) * 1000:.3g}"
        table.rows.append((f"{size:,}", f"{middle:.3g}", spread, times, f"{extra / 1e6:.0f}"))
        table.figures[str(size)] = {"seconds": list(taken), "extra": extra}
        last = middle
    return table


def explain(decoder: Decoder, n_prompt: int, n_targets: int) -> Callable[[], object]:
    """Salience with all spans."""
    ids, cuts = draw_ids(n_prompt + n_targets, DEMO_SIZED), make_cuts(n_prompt, n_prompt + n_targets)
    return lambda: compute_salience(decoder, ids, n_prompt, cuts)


def write(decoder: Decoder, n_prompts: int, n_new: int) -> Callable[[], object]:
    """Greedy generation of a batch."""
    prompts = [draw_ids(200, DEMO_SIZED, seed) for seed in range(n_prompts)]
    return lambda: through_decoder(decoder, prompts, n_new)
