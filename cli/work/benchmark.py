"""Test methods on prompts with known causes."""

from __future__ import annotations

import json
from dataclasses import asdict

from rich.console import Console

from promptlight.cli.options.evaluation import BenchmarkOptions
from promptlight.cli.views.rates import render_rates
from promptlight.salience.benchmark.causes import find_known_causes
from promptlight.salience.benchmark.rates import measure
from promptlight.salience.loading.load import load_model
from promptlight.salience.options.methods import MethodOptions
from promptlight.salience.types import Method

METHODS = (Method.GRAD_L2, Method.GRAD_DOT_INPUT, Method.OCCLUSION)  # the quick ones


def run_benchmark(options: BenchmarkOptions, *, seed: int, model: str, device: str, as_json: bool) -> None:
    """Draw the prompts, find their causes by editing, score them by each method, and print the hit rates."""
    benchmark = options.benchmark
    assert benchmark is not None
    loaded = load_model(model, device=device)
    cases = find_known_causes(loaded, benchmark, options.n_prompts, seed=seed)
    rates = measure(loaded.decoder, cases, options.method or METHODS, options=MethodOptions(seed=seed))
    if not as_json:
        Console(highlight=False).print(render_rates(benchmark, rates, seed))
        return
    described = {
        "benchmark": benchmark.value,
        "model": loaded.facts.name,
        "prompts": options.n_prompts,
        "seed": seed,
        "rates": [asdict(rate) | {"rate": rate.rate, "interval": rate.interval} for rate in rates],
    }
    print(json.dumps(described, indent=1))
