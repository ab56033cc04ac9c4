"""Test stored scores with the model that made them, prompt by prompt.

1. Plan every prompt (``salience/faithfulness/plan.py``): this needs no model, and says how many passes there are.
2. Load the model, unless all prompts were measured before with the same settings.
3. Measure what is left, and keep each prompt's rows as soon as they are there: a stopped evaluation goes on from them.
4. Print the findings, of prompts measured now and before alike.
"""

# pyright: standard

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from promptlight.cli.failures import name_options
from promptlight.cli.options.evaluation import Measuring, Output
from promptlight.cli.options.picture import Picture
from promptlight.cli.options.question import Asking
from promptlight.cli.options.shared import Dtype
from promptlight.cli.views.evaluation import view_findings
from promptlight.cli.work._asked import describe_question
from promptlight.cli.work._kept import report_kept
from promptlight.cli.work._own_model import load_own_model
from promptlight.cli.work._passes import Meter, Workload
from promptlight.cli.work.progress import open_display
from promptlight.cli.work.signals import ending_in_order
from promptlight.cli.work.stored_results import ChosenResults, say_where_model_is
from promptlight.cli.work.tally import Tally
from promptlight.io.places import Place
from promptlight.io.results.evaluations import EvaluationStore, evaluation_schema
from promptlight.io.results.folders import is_bundled
from promptlight.io.results.reader import read_settings
from promptlight.io.tables.formats import check_output
from promptlight.io.tables.kinds import TableKind
from promptlight.salience.errors import UsageError
from promptlight.salience.explain.explanation import Question
from promptlight.salience.faithfulness.evaluation import measure_plan
from promptlight.salience.faithfulness.findings import Findings
from promptlight.salience.faithfulness.plan import NOISE, EvaluationOptions, Plan, plan_evaluation
from promptlight.salience.faithfulness.summaries import PromptEvaluation
from promptlight.salience.loading.handles import spell_stored
from promptlight.salience.model import Model
from promptlight.salience.options.methods import MethodOptions


def evaluate_results(
    results: Place,
    chosen: ChosenResults,
    asking: Asking,
    measuring: Measuring,
    output: Output,
    picture: Picture,
    *,
    each: bool,
) -> None:
    """Measure every prompt, print the findings, and keep them with the results."""
    if output.output:
        check_output(output.output, output.format, overwrite=output.overwrite)
    picture.check(as_json=output.json, overwrite=output.overwrite)
    settings = read_settings(results)
    options = EvaluationOptions(
        ablate=measuring.ablate,
        n_random=measuring.random_orders,
        n_noisy=measuring.noisy_texts,
        seed=measuring.seed,
        method_options=MethodOptions.from_settings(settings),
    )
    question = asking.question()
    dtype = settings["dtype"] if measuring.dtype is Dtype.AUTO else measuring.dtype.value
    described = describe_settings(question, options, dtype, asking.sections)
    store = EvaluationStore(results, described, anew=measuring.anew, keeps=not is_bundled(results))
    evaluation = _Evaluation(chosen=chosen, question=question, options=options, store=store)
    load = evaluation.survey()
    if load.n_prompts:
        print(load.spell(), file=sys.stderr, flush=True)
        tally = Tally(total=load.n_prompts)
        with ending_in_order(tally), open_display() as display:
            with display.loading(measuring.model or spell_stored(settings["model"])):
                model = load_own_model(settings, measuring, say_where_model_is(results), display.say)
            found = evaluation.measure(model, Meter(load, display), tally)
    else:
        found = evaluation.collect()
    view = view_findings(found, described, question.target, options.seed, each=each, details=output.details)
    picture.draw(view, as_json=output.json)
    kind = TableKind(name="evaluation", schema=evaluation_schema())
    report_kept(store.flush(), [row.to_row() for row in found.rows], kind, output, results=results)


@dataclass(frozen=True, kw_only=True)
class _Evaluation:
    """The prompts to measure, how to measure them, and what was measured before."""

    chosen: ChosenResults
    question: Question
    options: EvaluationOptions
    store: EvaluationStore

    def survey(self) -> Workload:
        """What is left to measure. Raises UsageError if nothing can be measured at all."""
        load, found = Workload(), Findings()
        for plan in self._plan_all(found):
            load = load.with_plan(plan, kept=bool(self._find_kept(plan)))
        if not load.n_prompts + load.n_kept:
            raise UsageError(
                f"expected prompts to evaluate, found none among {found.n_skipped} that were explained; {found.reason}"
            )
        return load

    def measure(self, model: Model, meter: Meter, tally: Tally) -> Findings:
        """Measure what is left; the findings of all prompts, in order."""
        found = Findings()
        try:
            for plan in self._plan_all(found):
                rows = self._find_kept(plan)
                if not rows:
                    rows = measure_plan(plan, model, meter.follow(plan.n_tokens)).rows
                    self.store.add([row.to_row() for row in rows])
                    tally.explained(plan.analysis)
                found.add(rows, plan.agreements)
        finally:
            self.store.flush()
        return found

    def collect(self) -> Findings:
        """The findings of prompts that were all measured before."""
        found = Findings()
        for plan in self._plan_all(found):
            found.add(self._find_kept(plan), plan.agreements)
        return found

    def _plan_all(self, found: Findings) -> Iterable[Plan]:
        """A plan for each prompt that can be measured; the others are counted."""
        for analysis in self.chosen:
            try:
                yield plan_evaluation(analysis, self.question, self.options)
            except UsageError as error:
                found.skip(name_options(str(error), error.parameters))

    def _find_kept(self, plan: Plan) -> list[PromptEvaluation]:
        """A prompt's rows that were measured before; empty if one is missing, or is of another text."""
        prompt = plan.analysis.completion.prompt
        rows = self.store.find(prompt.id, prompt.fingerprint, [method.value for method in plan.analysis.maps])
        found = [PromptEvaluation.from_row(row) for row in rows]
        return found if all(map(plan.is_of, found)) else []


def describe_settings(
    question: Question, options: EvaluationOptions, dtype: str, sections: Path | None
) -> dict[str, Any]:
    """Describe all settings that change the measurements, apart from the results themselves."""
    return describe_question(question, sections) | {
        "pool": question.pooling.value,
        "ablate": options.ablate.value,
        "samples": options.n_random,
        "steps": options.n_steps,
        "noise": NOISE,
        "noise_samples": options.n_noisy,
        "seed": options.seed,
        "dtype": dtype,
        "promptlight": version("promptlight"),
    }
