"""Gradient salience: from token ids to scores.

For a target x_t, its objective F_t (by default log p(x_t | x_<t)) and the unscaled embedding e_i of an earlier token:
 - ``grad_l2``: the L2 norm of dF_t/de_i. It has no sign. For log p it is also the norm of the loss's gradient, which is
   what LIT's "Grad L2 Norm" shows.
 - ``grad_dot_input``: e_i . dF_t/de_i. Positive raises the objective.
 - ``integrated_gradients`` (``integrated.py``) and ``smoothgrad`` (``smooth.py``): gradients at many other embeddings.
For whole target spans, gradients are summed as vectors first (``_span_sums.py``).

Where a model has two tables, e_i is a row of both, (e, R sqrt(P / D)), which times sqrt(D) is what enters the network
(``decoder/per_layer.py``). So the norm is sqrt(|g|^2 + D / P |h|^2) with the gradients g by e and h by the row R as it
is stored, and e_i . dF_t/de_i = e . g + R . h. ``EmbeddingPart.MAIN`` leaves h out.

The method in steps:
 1. Run one forward over the sequence without its last token, and one over the foil's if there is one (``Problem.run``).
 2. At the targets' rows, compute the logits and the objectives' gradients by the last layer's output, for all targets
    once (``Pass.reading``).
 3. For each chunk of targets (``Pass.pull``), go back through the decoder to the embeddings (``decoder/trace.py``).
 4. Reduce [L, C, E] to scores [C, L] (``_take_l2_norm``, ``take_product``), for single tokens and for spans.
All methods share the first forward; methods that use other embeddings repeat the steps there. ``plan_chunk`` says how
many targets fit in memory together.
"""

# pyright: standard

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from promptlight.salience.decoder.chunks import naming_lack_of_memory
from promptlight.salience.decoder.decoder import Decoder
from promptlight.salience.decoder.tensors import at_least_float32
from promptlight.salience.errors import UsageError
from promptlight.salience.gradients._problem import Answer, Problem, read_without_prompt
from promptlight.salience.gradients._span_sums import Reduction, Scores, reduce_spans, take_product
from promptlight.salience.gradients.forward_pass import Ranges, Steps
from promptlight.salience.gradients.integrated import cut_path, integrate_gradients, make_baseline, place_probes
from promptlight.salience.gradients.smooth import smooth_gradients, start_noise
from promptlight.salience.options.methods import EmbeddingPart, MethodOptions
from promptlight.salience.progress import Counted, Counter, ignore
from promptlight.salience.text.contrast import Contrast
from promptlight.salience.types import FloatArray, Granularity, Method, Objective, SalienceMap, Segmentation

GRADIENT_METHODS = (Method.GRAD_L2, Method.GRAD_DOT_INPUT, Method.INTEGRATED_GRADIENTS, Method.SMOOTHGRAD)


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What the gradients of a text depend on besides its tokens.

    ``special`` marks tokens that are not the text's own: baselines and noise do not change them (None: only the first
    one is special). ``contrast`` is with a foil; ``runner_up`` contrasts every target with the likeliest other token.
    ``name`` is mixed into the random seed. ``shift`` is noise on the embeddings, relative to the standard deviation of
    their entries, to test how stable scores are (``faithfulness/noise.py``).
    """

    objective: Objective = Objective.LOGPROB
    options: MethodOptions = field(default_factory=MethodOptions)
    special: Sequence[bool] | None = None
    contrast: Contrast | None = None
    runner_up: bool = False
    name: str = ""
    shift: float = 0.0

    def __post_init__(self) -> None:
        if (self.contrast or self.runner_up) and self.objective is not Objective.LOGPROB:
            raise UsageError(
                f"expected the objective logprob with a foil, found {self.objective}: a foil makes it a difference"
            )


@dataclass(frozen=True, kw_only=True)
class SalienceResult:
    """Natural-log probability of each of the G targets, a map per method, and the runner-ups if they are foils."""

    log_probs: list[float]
    maps: Mapping[Method, SalienceMap]
    runner_ups: list[int] | None = None


def _take_l2_norm(gradient: Tensor) -> Tensor:
    """``grad_l2``: the L2 norm of the gradient by each of the first l embeddings, [l, E] -> [l]."""
    return gradient.norm(dim=-1)


@naming_lack_of_memory("an explanation")
@torch.no_grad()
def compute_salience(
    decoder: Decoder,
    ids: Sequence[int],
    n_prompt_tokens: int,
    segmentations: Mapping[Granularity, Segmentation],
    *,
    methods: Sequence[Method] = (Method.GRAD_L2,),
    setting: Setting | None = None,
    unit: Granularity = Granularity.TOKEN,
    chunk: int | None = None,
    keep_activations: bool | None = None,
    counted: Counted = ignore,
) -> SalienceResult:
    """Scores of every earlier token for every target, and for every target span of each segmentation.

    ``ids`` are the T tokens; the last G = T - ``n_prompt_tokens`` of them are targets. Target spans are those that
    contain targets. A span that begins in the prompt, as LIT's can, is explained as a whole, except the text's first
    token, which nothing predicts. A ``unit`` other than TOKEN runs one backward per target span of that granularity
    instead of one per token, and gives only the scores of those spans. ``chunk`` overrides the planned number of
    backwards per pass, ``keep_activations`` whether they find the forward's activations or compute them again. Raises
    OutOfMemoryError if a single backward does not fit. ``counted`` is told the backwards that are done: one for each
    unit at each of the embeddings. It hears of nothing done twice: before the first forward, and after it.
    """
    setting = setting or Setting()
    first, units, wanted = _plan_units(segmentations, n_prompt_tokens, len(ids), unit)
    sequence = torch.tensor(ids, device=decoder.embedding.device)
    special = setting.special or [place == 0 for place in range(len(ids))]
    counter = Counter(len(units) * _count_rounds(methods, setting.options), counted)
    problem = Problem(
        decoder=decoder,
        ids=sequence,
        first=first,
        units=units,
        steps=_plan_steps(decoder, sequence, first, special, setting),
        contrast=setting.contrast,
        chunk=chunk,
        keep_activations=keep_activations,
        main_only=setting.options.embedding is EmbeddingPart.MAIN,
    )
    if setting.shift:
        wide = problem.embeddings.to(at_least_float32(problem.embeddings.dtype))
        problem = dataclasses.replace(problem, shift=start_noise(wide, special, setting.shift, setting.name)())
    plain = problem.run(problem.embeddings)
    if setting.runner_up:
        plain = plain.with_runner_ups()
    log_probs, values = plain.read()
    counter.add(0)
    work = _Work(plain=plain, wanted=wanted, special=special, setting=setting, values=np.array(values), counter=counter)
    rivals = plain.problem.steps.rivals
    return SalienceResult(
        log_probs=log_probs[n_prompt_tokens - first :],
        maps=work.explain(methods),
        runner_ups=None if rivals is None else rivals[n_prompt_tokens - first :].tolist(),
    )


def _count_rounds(methods: Sequence[Method], options: MethodOptions) -> int:
    """At how many embeddings these methods together go back from each unit; 0 without a gradient method."""
    rounds = {
        Method.GRAD_L2: 0,
        Method.GRAD_DOT_INPUT: 0,
        Method.INTEGRATED_GRADIENTS: options.ig_steps,
        Method.SMOOTHGRAD: options.smoothgrad_samples,
    }
    asked = [rounds[method] for method in methods if method in rounds]
    return sum(asked) + (0 in asked)  # the text's own, once for both


def _plan_units(
    segmentations: Mapping[Granularity, Segmentation], n_prompt_tokens: int, n_tokens: int, unit: Granularity
) -> tuple[int, Ranges, dict[Granularity, Ranges]]:
    """The first token to explain, the units as ranges of tokens from there, the target spans as ranges of units."""
    spans = {
        name: [cut.ranges()[number] for number in cut.spans_from(n_prompt_tokens)]
        for name, cut in segmentations.items()
    }
    spans[Granularity.TOKEN] = [(token, token + 1) for token in range(n_prompt_tokens, n_tokens)]
    wanted = spans if unit is Granularity.TOKEN else {unit: spans[unit]}
    first = max(1, min((ranges[0][0] for ranges in wanted.values() if ranges), default=n_prompt_tokens))
    behind = {name: [(max(start - first, 0), stop - first) for start, stop in wanted[name]] for name in wanted}
    if unit is Granularity.TOKEN:
        return first, [(row, row + 1) for row in range(n_tokens - first)], behind
    return first, behind[unit], {unit: [(number, number + 1) for number in range(len(behind[unit]))]}


def _plan_steps(decoder: Decoder, ids: Tensor, first: int, special: Sequence[bool], setting: Setting) -> Steps:
    """The objective of each target, from the first one on."""
    contrast = setting.contrast
    return Steps(
        ids=ids[first:],
        objective=setting.objective,
        counted=(contrast.shared - first, contrast.stop - first) if contrast else (0, len(ids) - first),
        reference=read_without_prompt(decoder, ids, special, first) if setting.objective is Objective.KL else None,
    )


@dataclass(frozen=True, kw_only=True)
class _Work:
    """The first forward's answer, and the maps that methods compute from it and from further forwards.

    ``wanted`` are target spans as ranges of units, ``values`` each target's objective.
    """

    plain: Answer
    wanted: dict[Granularity, Ranges]
    special: Sequence[bool]
    setting: Setting
    values: np.ndarray
    counter: Counter

    def explain(self, methods: Sequence[Method]) -> dict[Method, SalienceMap]:
        """A map for each method, in the requested order."""
        x = self.plain.problem.embeddings
        x = x.to(at_least_float32(x.dtype))
        reductions = {Method.GRAD_L2: _take_l2_norm, Method.GRAD_DOT_INPUT: take_product(x)}
        first = [method for method in methods if method in reductions]
        reduced = self._reduce(self.plain, [reductions[method] for method in first]) if first else []
        maps = {method: self._build_map(method, scores) for method, scores in zip(first, reduced, strict=True)}
        for method in methods:
            if method is Method.INTEGRATED_GRADIENTS:
                maps[method] = self._integrate(x)
            elif method is Method.SMOOTHGRAD:
                maps[method] = self._smooth(x)
        return {method: maps[method] for method in methods}

    def _integrate(self, x: Tensor) -> SalienceMap:
        problem, options = self.plain.problem, self.setting.options
        baseline = problem.hold(make_baseline(problem.decoder, x, self.special, options.ig_baseline))

        def read_at(place: float, *, exact: bool) -> list[float]:
            return problem.run(baseline + place * (x - baseline), pulls=False, exact=exact).read()[1]

        probed = [read_at(place, exact=False) for place in place_probes()[1:-1]]  # they only choose where to cut
        values = np.array([read_at(0.0, exact=True), *probed, self.values])
        scores = integrate_gradients(self._score_at, x, baseline, cut_path(values, options.ig_steps))
        change = np.array([(values[-1] - values[0])[start:stop].sum() for start, stop in problem.units])
        errors = {
            name: rows.sum(axis=1) - np.array([change[start:stop].sum() for start, stop in self.wanted[name]])
            for name, rows in scores.items()
        }
        return self._build_map(Method.INTEGRATED_GRADIENTS, scores, completeness_error=_narrow(errors))

    def _smooth(self, x: Tensor) -> SalienceMap:
        problem, options = self.plain.problem, self.setting.options
        scores, errors = smooth_gradients(
            lambda embeddings: self._score_at(problem.hold(embeddings), _take_l2_norm),
            problem.free(x),
            self.special,
            n_samples=options.smoothgrad_samples,
            noise=options.smoothgrad_noise,
            seed=f"{options.seed} {self.setting.name}",
        )
        return self._build_map(Method.SMOOTHGRAD, scores, standard_errors=_narrow(errors))

    def _score_at(self, embeddings: Tensor, reduce: Reduction) -> Scores:
        (scores,) = self._reduce(self.plain.problem.run(embeddings), [reduce])
        return scores

    def _reduce(self, answer: Answer, reductions: Sequence[Reduction]) -> list[Scores]:
        return reduce_spans(self._count(answer.pull()), self.wanted, len(answer.problem.ids), reductions)

    def _count(self, chunks: Iterator[tuple[int, Tensor]]) -> Iterator[tuple[int, Tensor]]:
        """Pass the chunks on; count each one's units when its scores are done."""
        for start, gradient in chunks:
            yield start, gradient
            self.counter.add(gradient.shape[1])
            del gradient  # before the next chunk makes its own

    def _build_map(self, method: Method, scores: Scores, **errors: Any) -> SalienceMap:
        narrow = _narrow(scores)
        token_scores = narrow.pop(Granularity.TOKEN, None)
        objective = self.setting.objective
        return SalienceMap(method=method, objective=objective, scores=token_scores, span_scores=narrow, **errors)


def _narrow(numbers: Mapping[Granularity, np.ndarray]) -> dict[Granularity, FloatArray]:
    return {name: rows.astype(np.float32) for name, rows in numbers.items()}
