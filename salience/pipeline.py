"""The whole way for a batch of prompts: complete, cut into spans, explain."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from promptlight.salience.completion import EncodedPrompt, build_completion, encode_prompt, with_log_probs
from promptlight.salience.contrast import AUTO
from promptlight.salience.errors import FoilError, OutOfMemoryError, PromptTooLongError, SamplesError, UsageError
from promptlight.salience.foils import describe_foil, find_contrast
from promptlight.salience.generation import generate
from promptlight.salience.gradients import GRADIENT_METHODS, Setting, compute_salience
from promptlight.salience.methods import PERTURBATION_METHODS, MethodOptions
from promptlight.salience.model import Model
from promptlight.salience.removal import explain_by_removal
from promptlight.salience.sampling import Sampling, choose_tokens
from promptlight.salience.spans import segment
from promptlight.salience.types import (
    Analysis,
    Compat,
    Completion,
    Explain,
    Granularity,
    Method,
    Objective,
    Prompt,
    Role,
    SalienceMap,
    SetAside,
    StopReason,
)


@dataclass(frozen=True, kw_only=True)
class AnalysisOptions:
    """What is written and how it is explained; every one of these changes results."""

    max_new_tokens: int = 64
    sampling: Sampling = field(default_factory=Sampling)
    explain: Explain = Explain.RESPONSE
    methods: tuple[Method, ...] = (Method.GRAD_L2,)
    method_options: MethodOptions = field(default_factory=MethodOptions)
    objective: Objective = Objective.LOGPROB
    foil: str | None = None  # for records without one of their own: TARGET=>FOIL, another completion, or auto
    targets: Granularity = Granularity.TOKEN  # the finest targets that get a gradient of their own
    keep: tuple[Granularity, ...] = tuple(Granularity)  # of which targets scores are kept
    compat: Compat | None = None  # LIT's cuts; with the objective LOSS, its sign too

    def __post_init__(self) -> None:
        if not self.methods or len(set(self.methods)) < len(self.methods):
            known, found = ", ".join(Method), ", ".join(self.methods) or "none"
            raise UsageError(f"expected one or more different methods of {known}, found {found}")
        removing = [method for method in self.methods if method in PERTURBATION_METHODS]
        if removing and self.objective is Objective.KL:
            raise UsageError(
                f"expected another objective than kl for {removing[0]}: it is known of the whole text alone"
            )
        if removing and self.foil:
            raise UsageError(f"expected no foil for {removing[0]}, which takes no second text: leave one out")
        if self.foil and self.objective is not Objective.LOGPROB:
            raise UsageError(f"expected the objective logprob with a foil, found {self.objective}: leave one out")
        if self.targets not in self.keep and self.targets is not Granularity.TOKEN:
            kept = ", ".join(self.keep) or "none"
            raise UsageError(
                f"expected scores of {self.targets} targets to be kept, found only {kept}; add {self.targets}"
            )


def analyze(
    prompts: Iterable[Prompt], model: Model, options: AnalysisOptions | None = None, *, batch_size: int = 8
) -> Iterator[Analysis | SetAside]:
    """Explain each prompt, in order; one that does not fit the model is set aside with the reason.

    ``batch_size`` prompts are generated together; it changes speed and memory, not results.
    """
    options = options or AnalysisOptions()
    remaining = iter(prompts)
    while batch := list(itertools.islice(remaining, batch_size)):
        yield from analyze_batch(batch, model, options)


def analyze_batch(prompts: Sequence[Prompt], model: Model, options: AnalysisOptions) -> Iterator[Analysis | SetAside]:
    """``analyze`` for one batch."""
    completions = complete(prompts, model, options)
    for prompt, completion in zip(prompts, completions, strict=True):
        if isinstance(completion, SetAside):
            yield completion
            continue
        try:
            yield explain(completion, model, options)
        except (OutOfMemoryError, FoilError, SamplesError) as error:
            yield set_aside(prompt, str(error))


def complete(prompts: Sequence[Prompt], model: Model, options: AnalysisOptions) -> list[Completion | SetAside]:
    """Take each record's target where that is asked for, and generate for all the others together."""
    results: dict[int, Completion | SetAside] = {}
    waiting: list[tuple[int, EncodedPrompt]] = []
    for number, prompt in enumerate(prompts):
        encoded = encode_prompt(model.tokenizer, prompt)
        target = prompt.target if options.explain is Explain.TARGET else None
        target_ids = [] if target is None else model.tokenizer.encode(target)
        try:
            check_length(prompt, len(encoded.ids), len(target_ids), model)
        except PromptTooLongError as error:
            results[number] = set_aside(prompt, error.reason)
            continue
        if target is None:
            waiting.append((number, encoded))
        else:
            results[number] = build_completion(model.tokenizer, prompt, encoded, target_ids, StopReason.GIVEN)
    generated = generate(
        model.decoder,
        [encoded.ids for _, encoded in waiting],
        max_new_tokens=options.max_new_tokens,
        context_length=model.context_length,
        stops=model.stops,
        choose=choose_tokens(options.sampling, [prompts[number].id for number, _ in waiting]),
    )
    for (number, encoded), new in zip(waiting, generated, strict=True):
        results[number] = build_completion(model.tokenizer, prompts[number], encoded, new.ids, new.stop_reason)
    return [results[number] for number in range(len(prompts))]


def explain(completion: Completion, model: Model, options: AnalysisOptions) -> Analysis:
    """Cut one completion into spans and compute its salience. Raises FoilError if its foil does not fit it."""
    cuts = {cut: segment(completion, cut, options.compat) for cut in options.keep}
    request = completion.prompt.foil or options.foil
    by_gradient = [method for method in options.methods if method in GRADIENT_METHODS]
    if request and options.objective is not Objective.LOGPROB:
        raise FoilError(f"foil {request!r}: expected the objective logprob, found {options.objective}; leave one out")
    if request and len(by_gradient) < len(options.methods):
        raise FoilError(f"foil {request!r}: expected gradient methods alone, found {', '.join(options.methods)}")
    contrast = None
    if request and request != AUTO:
        contrast = find_contrast(completion, request, model.tokenizer, model.context_length)
    setting = Setting(
        objective=options.objective,
        options=options.method_options,
        special=[token.role is Role.SPECIAL for token in completion.tokens],
        pad_id=model.tokenizer.pad_id,
        contrast=contrast,
        runner_up=request == AUTO,
        name=completion.prompt.id,
    )
    result = compute_salience(
        model.decoder,
        completion.ids,
        completion.n_prompt_tokens,
        cuts,
        methods=by_gradient,
        setting=setting,
        unit=options.targets,
    )
    maps = dict(result.maps)
    for method in options.methods:
        if method in PERTURBATION_METHODS:
            objective, how = options.objective, options.method_options
            maps[method] = explain_by_removal(
                model.decoder, completion, cuts, method, objective, how, unit=options.targets
            )
    return Analysis(
        completion=with_log_probs(completion, result.log_probs),
        segmentations=cuts,
        maps=tuple(keep_granularities(maps[method], options.keep) for method in options.methods),
        compat=options.compat,
        foil=describe_foil(completion, request, contrast, result.runner_ups, model.tokenizer) if request else None,
    )


def keep_granularities(found: SalienceMap, keep: Sequence[Granularity]) -> SalienceMap:
    """The same map without tokens' scores if those are not to be kept; all others were not computed."""
    if Granularity.TOKEN in keep:
        return found
    errors = {
        name: {granularity: rows for granularity, rows in getattr(found, name).items() if granularity in keep}
        for name in ("standard_errors", "completeness_error")
    }
    return dataclasses.replace(found, scores=None, **errors)


def check_length(prompt: Prompt, n_prompt_tokens: int, n_target_tokens: int, model: Model) -> None:
    """Raise PromptTooLongError unless prompt and target, or prompt and one new token, fit into the model's context."""
    needed = n_prompt_tokens + max(n_target_tokens, 1)
    if needed > model.context_length:
        what = "prompt and target have" if n_target_tokens else "the prompt has"
        raise PromptTooLongError(
            prompt.path,
            prompt.line,
            f"{what} {n_prompt_tokens + n_target_tokens:,} tokens, but {model.name} reads {model.context_length:,} with"
            " what it writes: shorten it, or use a model with a longer context",
        )


def set_aside(prompt: Prompt, reason: str) -> SetAside:
    """A record that could not be analysed, and why."""
    return SetAside(
        id=prompt.id,
        path=prompt.path,
        line=prompt.line,
        reason=reason,
        source=prompt.source,
        prompt=prompt.text,
        fingerprint=prompt.fingerprint,
    )
