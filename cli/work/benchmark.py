"""Test methods on prompts with known causes."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict

from promptlight.cli.options.evaluation import BenchmarkOptions
from promptlight.cli.options.picture import Picture
from promptlight.cli.views.output import View
from promptlight.cli.views.progress import Standing
from promptlight.cli.views.rates import render_rates
from promptlight.cli.work.progress import Display, open_display
from promptlight.salience.benchmark.causes import KnownCause, find_known_causes
from promptlight.salience.benchmark.rates import OBJECTIVES, QUICK, measure
from promptlight.salience.loading.load import load_model
from promptlight.salience.options.methods import AblationKind, MethodOptions
from promptlight.salience.progress import Phase

N_PROMPTS = 300


def run_benchmark(
    options: BenchmarkOptions,
    picture: Picture,
    *,
    seed: int,
    ablate: AblationKind,
    model: str,
    device: str,
    as_json: bool,
) -> None:
    """Draw the prompts, find their causes by editing, score them by each method, and print the hit rates."""
    benchmark, n_prompts = options.benchmark, options.n_prompts or N_PROMPTS
    assert benchmark is not None
    with open_display() as display:
        with display.loading(model):
            loaded = load_model(model, device=device, on_fetch=display.say)
        cases = find_known_causes(loaded, benchmark, n_prompts, seed=seed)
        rates = measure(
            loaded.decoder,
            show_each(cases, n_prompts, display),
            options.method or QUICK,
            options.objective or OBJECTIVES,
            options=MethodOptions(seed=seed, ablate=ablate),
        )
    described = {
        "benchmark": benchmark.value,
        "model": loaded.facts.name,
        "prompts": n_prompts,
        "seed": seed,
        "ablate": ablate.value,
        "rates": [asdict(rate) | {"rate": rate.rate, "interval": rate.interval} for rate in rates],
    }
    view = View(
        paint=lambda _, __: render_rates(benchmark, rates, seed),
        describe=lambda: described,
        signed=False,
        title="promptlight evaluate --benchmark",
    )
    picture.draw(view, as_json=as_json)


def show_each(cases: Iterable[KnownCause], n_prompts: int, display: Display) -> Iterator[KnownCause]:
    """Pass the cases on, and show how many are measured; finding the next one takes part of the time."""
    started = time.monotonic()
    for number, case in enumerate(cases):
        share, spent = number / n_prompts, time.monotonic() - started
        standing = Standing(
            text=f"{Phase.EVALUATING}: {number:,}/{n_prompts:,} prompts",
            share=share,
            seconds_left=spent / share - spent if number else None,
        )
        display.show(Phase.EVALUATING, lambda standing=standing: standing, begins=not number)
        yield case
