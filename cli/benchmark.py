"""``promptlight evaluate --benchmark``: methods on prompts whose responsible lines are known."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from promptlight.salience.causes import Benchmark
from promptlight.salience.errors import UsageError
from promptlight.salience.types import Method

N_PROMPTS = 300
METHODS = (Method.GRAD_L2, Method.GRAD_DOT_INPUT, Method.OCCLUSION)  # the quick ones


def run_benchmark(
    benchmark: Benchmark,
    *,
    methods: Sequence[Method] | None,
    n_prompts: int,
    seed: int,
    samples: int,
    model: str,
    device: str,
    as_json: bool,
    output: Path | None,
) -> None:
    """Draw the prompts, find their causes by editing, score them by each method, and print the hit rates."""
    from rich.console import Console

    from promptlight.cli.views.rates import render_rates
    from promptlight.io.files import writing
    from promptlight.salience.benchmark import measure
    from promptlight.salience.causes import find_known_causes
    from promptlight.salience.methods import MethodOptions
    from promptlight.salience.model import load_model

    if n_prompts < 1:
        raise UsageError(f"--prompts: expected 1 or more, found {n_prompts}")
    loaded = load_model(model, device=device)
    cases = find_known_causes(loaded, benchmark, n_prompts, seed=seed)
    options = MethodOptions(samples=samples, seed=seed)
    rates = measure(loaded.decoder, cases, methods or METHODS, options=options)
    text = json.dumps(
        {
            "benchmark": benchmark.value,
            "model": loaded.name,
            "prompts": n_prompts,
            "seed": seed,
            "rates": [asdict(rate) | {"rate": rate.rate, "interval": rate.interval} for rate in rates],
        },
        indent=1,
    )
    if output:
        with writing(output) as temporary:
            temporary.write_text(text + "\n", encoding="utf-8")
    if as_json:
        print(text)
    else:
        Console(highlight=False).print(render_rates(benchmark, rates, seed))
