"""Take each part of every stored prompt away, let the model write again, and judge the methods by what changes.

1. Plan every prompt (``salience/regeneration/finding_causes.py``): this needs no model, and says how much to write.
2. Load the model, unless all prompts were done before with the same settings.
3. Write what is left, and keep each prompt's parts as soon as they are there: a stopped evaluation goes on from them.
4. Judge the stored methods by each way (``salience/regeneration/judging.py``), without the model, and print what was
   found.
"""

# pyright: standard

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.metadata import version

from promptlight.cli.failures import name_options
from promptlight.cli.options.evaluation import Measuring, Output
from promptlight.cli.options.picture import Picture
from promptlight.cli.options.question import Asking
from promptlight.cli.options.shared import Dtype
from promptlight.cli.views.judging import view_judged
from promptlight.cli.work._asked import describe_question
from promptlight.cli.work._kept import report_kept
from promptlight.cli.work._writing_again import Load, Pen
from promptlight.cli.work.progress import open_display
from promptlight.cli.work.signals import ending_in_order
from promptlight.cli.work.stored_results import ChosenResults, say_where_model_is
from promptlight.cli.work.tally import Tally
from promptlight.io.places import Place
from promptlight.io.results.folders import is_bundled
from promptlight.io.results.reader import read_settings
from promptlight.io.results.regenerations import RegenerationStore, judgement_schema
from promptlight.io.tables.formats import check_output
from promptlight.io.tables.kinds import TableKind
from promptlight.salience.errors import UsageError
from promptlight.salience.explain.explanation import Question
from promptlight.salience.loading.handles import spell_stored
from promptlight.salience.options.analysis import AnalysisOptions
from promptlight.salience.regeneration.finding_causes import LAST, PartsPlan, find_causes, plan_parts
from promptlight.salience.regeneration.judging import Judged
from promptlight.salience.regeneration.prompt_causes import PromptCauses
from promptlight.salience.types import Explain, Granularity


def judge_results(
    results: Place,
    chosen: ChosenResults,
    asking: Asking,
    measuring: Measuring,
    output: Output,
    picture: Picture,
    *,
    each: bool,
) -> None:
    """Find the causes of every prompt's answer, print how the methods rank them, and keep the causes."""
    if output.output:
        check_output(output.output, output.format, overwrite=output.overwrite)
    picture.check(as_json=output.json, overwrite=output.overwrite)
    settings = read_settings(results)
    question = _give_defaults(asking.question())
    dtype = settings["dtype"] if measuring.dtype is Dtype.AUTO else measuring.dtype.value
    described = describe_question(question, asking.sections) | {"dtype": dtype, "promptlight": version("promptlight")}
    store = RegenerationStore(results, described, anew=measuring.anew, keeps=not is_bundled(results))
    work = _Regeneration(chosen=chosen, question=question, store=store)
    load = work.survey()
    if load.n_prompts:
        from promptlight.cli.work._own_model import load_own_model  # and torch, which all else here does without

        print(load.spell(), file=sys.stderr, flush=True)
        tally = Tally(total=load.n_prompts)
        options = replace(AnalysisOptions.from_settings(settings), explain=Explain.RESPONSE)
        with ending_in_order(tally), open_display() as display:
            with display.loading(measuring.model or spell_stored(settings["model"])):
                model = load_own_model(settings, measuring, say_where_model_is(results), display.say)
            judged = work.write(Pen(model, options, load, display), tally)
    else:
        judged = work.collect()
    sampling = AnalysisOptions.from_settings(settings).sampling
    error = judged.refusal
    refusal = name_options(str(error), error.parameters) if error else ""
    view = view_judged(judged, described, sampling, measuring.seed, each=each, details=output.details, refusal=refusal)
    picture.draw(view, as_json=output.json)
    kind = TableKind(name="judgements", schema=judgement_schema())
    report_kept(store.flush(), [row.to_row() for row in judged.rows], kind, output, results=results)


def _give_defaults(question: Question) -> Question:
    """The question with the last line as target, unless the user chose one."""
    return replace(question, target=question.target or LAST, target_by=question.target_by or Granularity.LINE)


@dataclass(frozen=True, kw_only=True)
class _Regeneration:
    """The prompts whose parts are taken away, and what was written before."""

    chosen: ChosenResults
    question: Question
    store: RegenerationStore

    def survey(self) -> Load:
        """What is left to write. Raises UsageError if no prompt has parts to take away."""
        load, judged = Load(), Judged()
        for plan in self._plan_all(judged):
            load = load.with_plan(plan, kept=self._find_kept(plan) is not None)
        if not load.n_prompts + load.n_kept:
            raise UsageError(
                f"expected prompts to write again, found none among {judged.n_skipped} that were explained;"
                f" {judged.reason}"
            )
        return load

    def write(self, pen: Pen, tally: Tally) -> Judged:
        """Write what is left; all prompts' causes and judgements, in order."""
        judged = Judged()
        try:
            for plan in self._plan_all(judged):
                causes = self._find_kept(plan)
                if causes is None:
                    try:
                        causes = find_causes(plan, pen.follow(plan))
                    except UsageError as error:
                        judged.skip(name_options(str(error), error.parameters))
                        continue
                    self.store.add(causes.to_rows())
                    tally.explained(plan.analysis)
                judged.add(plan.analysis, self.question, causes)
        finally:
            self.store.flush()
        return judged

    def collect(self) -> Judged:
        """The causes and judgements of prompts that were all done before."""
        judged = Judged()
        for plan in self._plan_all(judged):
            causes = self._find_kept(plan)
            assert causes is not None
            judged.add(plan.analysis, self.question, causes)
        return judged

    def _plan_all(self, judged: Judged) -> Iterator[PartsPlan]:
        """A plan for each prompt whose parts can be taken away; the others are counted."""
        for analysis in self.chosen:
            try:
                yield plan_parts(analysis, self.question)
            except UsageError as error:
                judged.skip(name_options(str(error), error.parameters))

    def _find_kept(self, plan: PartsPlan) -> PromptCauses | None:
        """What was found before for the same parts of a prompt; None if nothing was."""
        prompt = plan.analysis.completion.prompt
        rows = self.store.find_prompt(prompt.id, prompt.fingerprint)
        causes = PromptCauses.from_rows(rows) if rows else None
        return causes if causes and plan.is_of(causes) else None
