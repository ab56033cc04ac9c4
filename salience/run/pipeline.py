"""The whole pipeline for many prompts: complete them, cut them into spans, explain them by gradients or ablation."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence

from promptlight.salience.ablation.maps import cut_sources, explain_by_ablation
from promptlight.salience.decoder.batch_plan import choose_batch_size
from promptlight.salience.errors import FoilError, OutOfMemoryError, TooFewAblationsError
from promptlight.salience.gradients.compute import GRADIENT_METHODS, Setting, compute_salience
from promptlight.salience.model import Model
from promptlight.salience.options.analysis import AnalysisOptions
from promptlight.salience.options.methods import ABLATION_METHODS
from promptlight.salience.progress import OnStep, ignore
from promptlight.salience.run.batches import WINDOW, complete_in_order, read_windows, set_aside
from promptlight.salience.run.workload import Parts
from promptlight.salience.text.completion import with_log_probs
from promptlight.salience.text.contrast import AUTO, GOLD
from promptlight.salience.text.foils import describe_foil, find_contrast
from promptlight.salience.text.spans import segment
from promptlight.salience.types import (
    Analysis,
    Completion,
    Granularity,
    Method,
    Objective,
    Prompt,
    Role,
    SalienceMap,
    Segmentation,
    SetAside,
    SetAsideCode,
)


def analyze(
    prompts: Iterable[Prompt],
    model: Model,
    options: AnalysisOptions | None = None,
    *,
    batch_size: int | None = None,
    on_step: OnStep = ignore,
) -> Iterator[Analysis | SetAside]:
    """Explain each prompt, in order; a prompt that does not fit the model or the memory is skipped with the reason.

    ``batch_size`` limits how many prompts are generated together (None: as many as are worth it). It changes speed and
    memory, not results. ``on_step`` is told each step: tokens that are written, targets that are explained.
    """
    options = options or AnalysisOptions()
    for window in read_windows(prompts, WINDOW * choose_batch_size(model.device, batch_size)):
        completions = complete_in_order(window, model, options, batch_size, on_step=on_step)
        for prompt, completion in zip(window, completions, strict=True):
            yield explain_or_set_aside(prompt, completion, model, options, on_step)


def explain_or_set_aside(
    prompt: Prompt,
    completion: Completion | SetAside,
    model: Model,
    options: AnalysisOptions,
    on_step: OnStep = ignore,
) -> Analysis | SetAside:
    """``explain`` a completion; if memory runs out, try once more with as little memory as possible."""
    if isinstance(completion, SetAside):
        return completion
    for thrifty in (False, True):
        try:
            return explain(completion, model, options, thrifty=thrifty, on_step=on_step)
        except OutOfMemoryError as error:
            reason, parameters = str(error), error.parameters  # drop the error itself: its frames hold tensors
        except FoilError as error:
            return set_aside(prompt, SetAsideCode.FOIL, str(error), error.parameters)
        except TooFewAblationsError as error:
            return set_aside(prompt, SetAsideCode.TOO_FEW_ABLATIONS, str(error), error.parameters)
    return set_aside(prompt, SetAsideCode.OUT_OF_MEMORY, reason, parameters)


def explain(
    completion: Completion,
    model: Model,
    options: AnalysisOptions,
    *,
    thrifty: bool = False,
    on_step: OnStep = ignore,
) -> Analysis:
    """Cut one completion into spans and compute its salience. Raises FoilError if its foil can't be used."""
    cuts = {cut: segment(completion, cut, options.compat) for cut in options.stored}
    request, literal = _choose_foil(completion.prompt, options)
    by_gradient = [method for method in options.methods if method in GRADIENT_METHODS]
    if request and options.objective is not Objective.LOGPROB:
        raise FoilError(f"foil {request!r}: expected the objective logprob, found {options.objective}; leave one out")
    if request and len(by_gradient) < len(options.methods):
        raise FoilError(f"foil {request!r}: expected gradient methods alone, found {', '.join(options.methods)}")
    runner_up, contrast = request == AUTO and not literal, None
    if request and not runner_up:
        tokenizer, most, part = model.tokenizer, model.facts.context_length, completion.prompt.foil_target
        contrast = find_contrast(completion, request, tokenizer, most, literal=literal, replaced=part)
    setting = Setting(
        objective=options.objective,
        options=options.method_options,
        special=[token.role is Role.SPECIAL for token in completion.tokens],
        contrast=contrast,
        runner_up=runner_up,
        name=completion.prompt.id,
    )
    parts = _plan_parts(completion, cuts, options, on_step)
    result = compute_salience(
        model.decoder,
        completion.ids,
        completion.n_prompt_tokens,
        cuts,
        methods=by_gradient,
        setting=setting,
        unit=options.targets,
        chunk=1 if thrifty else None,
        keep_activations=False if thrifty else None,
        counted=parts.count(by_gradient) if by_gradient else ignore,
    )
    maps = dict(result.maps)
    for method in options.methods:
        if method in ABLATION_METHODS:
            objective, how, counted = options.objective, options.method_options, parts.count([method])
            maps[method] = explain_by_ablation(
                model.decoder, completion, cuts, method, objective, how, unit=options.targets, counted=counted
            )
    return Analysis(
        completion=with_log_probs(completion, result.log_probs),
        segmentations=cuts,
        maps={method: _drop_unstored(maps[method], options.stored) for method in options.methods},
        compat=options.compat,
        foil=describe_foil(completion, request, contrast, result.runner_ups, model.tokenizer) if request else None,
    )


def _choose_foil(prompt: Prompt, options: AnalysisOptions) -> tuple[str | None, bool]:
    """The record's foil or that of the options, and whether it is taken literally."""
    if prompt.foil_text is not None:
        return prompt.foil_text, True
    if not prompt.foil and options.foil == GOLD:
        raise FoilError(
            f"foil {GOLD!r}: expected a right answer of an evaluation's log, found none; choose another foil"
        )
    return prompt.foil or options.foil, False


def _plan_parts(
    completion: Completion, cuts: Mapping[Granularity, Segmentation], options: AnalysisOptions, on_step: OnStep
) -> Parts:
    """The parts of an explanation, to count how much of it is done."""
    first, unit = completion.n_prompt_tokens, options.targets
    n_units = completion.n_targets if unit is Granularity.TOKEN else len(cuts[unit].spans_from(first))
    n_lines = len(cut_sources(completion, cuts, Method.OCCLUSION, options.method_options))
    return Parts(completion, options, n_units, n_lines, on_step)


def _drop_unstored(found: SalienceMap, stored: Sequence[Granularity]) -> SalienceMap:
    """Drop the tokens' scores from a map if they should not be stored; other unstored scores were never computed."""
    if Granularity.TOKEN in stored:
        return found
    errors = {
        name: {granularity: rows for granularity, rows in getattr(found, name).items() if granularity in stored}
        for name in ("standard_errors", "completeness_error")
    }
    return dataclasses.replace(found, scores=None, **errors)
