"""Estimate a run before it starts: prompts, tokens, memory, disk; with ``--dry-run``, time too.

1. Read every record once and take a sample (``survey.py``).
2. Tokenise the sample where the model is; memory follows from the lengths (``salience/run/estimate.py``), and so do
   bytes on disk (``io/results/sizes.py``).
3. A dry run also runs a few prompts, to measure time and the length of completions (``salience/run/dry_run.py``).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from promptlight.cli.views.estimate import RunEstimate, describe_estimate, spell_all, spell_line
from promptlight.cli.views.facts import describe_facts, describe_model
from promptlight.io.files import measure_free_space
from promptlight.io.places import Place
from promptlight.salience.types import Granularity

if TYPE_CHECKING:
    from promptlight.cli.work.engines import Workers
    from promptlight.cli.work.survey import Survey
    from promptlight.io.results.digits import Scores
    from promptlight.io.results.sizes import Kept
    from promptlight.salience.model import Model
    from promptlight.salience.options.analysis import AnalysisOptions
    from promptlight.salience.run.dry_run import Sampled
    from promptlight.salience.run.time_left import Workload


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The options of a run that change its cost."""

    options: AnalysisOptions
    batch_size: int | None
    scores: Scores
    flush_every: int


def plan_run(survey: Survey, asked: Asked, workers: Workers, output: Place) -> tuple[str, Workload]:
    """Estimate the run in a line, empty if nothing is to do; and the work that it is."""
    from promptlight.salience.run.time_left import Workload

    if not survey.n_to_do:
        return "", Workload(tasks=(), n_prompts=0, spans_per_token={}, options=asked.options)
    estimate, workload = workers.ask(partial(_estimate_run, survey, asked, workers.n_actors))
    return spell_line(estimate, measure_free_space(output)), workload


def try_run(survey: Survey, asked: Asked, workers: Workers, output: Place, *, as_json: bool) -> str:
    """The full estimate from a trial of a few prompts, as text or JSON; ``output`` is not changed."""
    estimate, _ = workers.ask(partial(_estimate_run, survey, asked, workers.n_actors, tried=True))
    free = measure_free_space(output)
    if as_json:
        return json.dumps({"model": describe_facts(workers.facts)} | describe_estimate(estimate, free), indent=1)
    return f"{'model':<8} {describe_model(workers.facts)}\n{spell_all(estimate, free)}"


def _estimate_run(
    survey: Survey, asked: Asked, n_actors: int, model: Model, *, tried: bool = False
) -> tuple[RunEstimate, Workload]:
    """Estimate a run before it starts; with ``tried``, a few prompts are run to measure time."""
    from promptlight.io.results.sizes import Kept
    from promptlight.salience.run.dry_run import measure_texts, plan_workload
    from promptlight.salience.run.estimate import estimate_work, range_over_fill

    options = asked.options
    sampled = measure_texts(survey.sample, survey.n_to_do, model, options)
    work = estimate_work(sampled, model, options, asked.batch_size, n_actors, tried=tried)
    targets = options.stored if options.targets is Granularity.TOKEN else (options.targets,)
    kept = Kept(methods=options.methods, targets=targets, scores=asked.scores, flush_every=asked.flush_every)
    estimate = RunEstimate(
        n_done=survey.n_done,
        n_set_aside=survey.n_set_aside,
        n_unusable=survey.n_unusable,
        work=work,
        disk=range_over_fill(work.speed, lambda fill: _measure_disk(sampled, kept, fill)),
    )
    return estimate, plan_workload(sampled, options)


def _measure_disk(sampled: Sampled, kept: Kept, fill: float) -> float:
    """Estimate the bytes of the results."""
    from promptlight.io.results.sizes import estimate_files, estimate_row

    rows = (
        estimate_row(text.need.n_prompt, text.n_new * (1 if text.is_given else fill), sampled.spans_per_token, kept)
        for text in sampled.texts
    )
    return sum(rows) * sampled.share + estimate_files(sampled.n_prompts, kept)
