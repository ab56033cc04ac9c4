"""``promptlight evaluate``: measure how far stored salience can be trusted, by method and by prompt."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from promptlight.cli.options.completion import complete_folder
from promptlight.cli.options.evaluation import BenchmarkOptions, Measuring, Output
from promptlight.cli.options.given import names_of, refuse_given
from promptlight.cli.options.groups import with_groups
from promptlight.cli.options.picture import Picture
from promptlight.cli.options.question import Asking
from promptlight.cli.options.shared import RESULTS_HELP, IdsOption, WhereOption
from promptlight.cli.work.stored_results import ChosenResults
from promptlight.io.results.folders import find_folder
from promptlight.salience.errors import UsageError
from promptlight.salience.types import Benchmark

OF_BOTH = {"json", "overwrite", "seed", "model", "device", "ablate"}  # what results and benchmarks take
OF_ABLATIONS = ("ablate", "random_orders", "noisy_texts")


@with_groups
def evaluate(
    context: typer.Context,
    results: Annotated[
        str | None, typer.Argument(help=f"{RESULTS_HELP} and no --benchmark).", autocompletion=complete_folder)
    ] = None,
    *,
    asking: Asking,
    id: IdsOption = None,
    where: WhereOption = None,
    measuring: Measuring,
    output: Output,
    picture: Picture,
    benchmark: BenchmarkOptions,
) -> None:
    """Measure how far stored scores can be trusted: remove the strongest sources, and see how the model reacts.

    Each method's order is compared with random ones and with simple rules. The findings are stored with the results;
    show and report then give them in a line. With --regenerate, the model writes again without each part of the prompt,
    and the methods are judged by the parts that change the answer. With --benchmark, methods are tested on prompts of
    the demo model where edits have shown which line the answer depends on; with --benchmark tracking, on prompts where
    the task says so, and any model that solves them.
    """
    if results is not None and benchmark.benchmark is not None:
        raise UsageError("expected either a results folder or --benchmark NAME, found both: leave one out")
    if output.output is None:
        unused = ["format"] if picture.files else ["format", "overwrite"]
        refuse_given(context, unused, "without --output FILE")
    if benchmark.benchmark is not None:
        groups = (Asking, Measuring, Output)
        of_results = {"id", "where"}.union(*map(names_of, groups))
        refuse_given(context, of_results - OF_BOTH, "on a --benchmark: it is for stored results")
        picture.check(as_json=output.json, overwrite=output.overwrite)
        _measure_on(context, benchmark.benchmark, benchmark, measuring, picture, as_json=output.json)
        return
    refuse_given(context, names_of(BenchmarkOptions), "on stored results: it is for a --benchmark")
    folder = find_folder(results, instead="--benchmark NAME")
    chosen = ChosenResults(folder, ids=id, where=where, sections=asking.sections, tried=False)
    if measuring.regenerate:
        from promptlight.cli.work.regenerating import judge_results

        refuse_given(context, OF_ABLATIONS, "with --regenerate, which takes parts away by writing again")
        judge_results(folder, chosen, asking, measuring, output, picture, each=bool(id))
    else:
        from promptlight.cli.work.evaluating import evaluate_results

        evaluate_results(folder, chosen, asking, measuring, output, picture, each=bool(id))
    if chosen.n_left_out:
        from promptlight.cli.views.estimate import count

        left_out = count(chosen.n_left_out, "prompt")
        print(f"note: left out {left_out} that someone tried: choose them with --where source=tried", file=sys.stderr)
    chosen.raise_damage()


def _measure_on(
    context: typer.Context,
    name: Benchmark,
    options: BenchmarkOptions,
    measuring: Measuring,
    picture: Picture,
    *,
    as_json: bool,
) -> None:
    """Measure methods on a benchmark's prompts."""
    if name is Benchmark.TRACKING:
        from promptlight.cli.work.tracking import run_tracking

        refuse_given(context, ["ablate", "objective"], "on the benchmark tracking: it is measured one way")
        run_tracking(
            options, picture, seed=measuring.seed, model=measuring.model, device=measuring.device, as_json=as_json
        )
        return
    from promptlight.cli.work.benchmark import run_benchmark

    refuse_given(context, ["hops", "at_once"], f"on the benchmark {name}: it is for tracking")
    run_benchmark(
        options,
        picture,
        seed=measuring.seed,
        ablate=measuring.ablate,
        model=measuring.model or "demo",
        device=measuring.device,
        as_json=as_json,
    )
