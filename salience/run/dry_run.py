"""Estimate a run before it starts: its tokens, and the time that they take on this machine.

1. Tokenise all prompts or a sample (``_measure_text``).
2. Complete a few of them, short and long, together, and explain some of those (``try_out``): as many prompts and new
   tokens as a few seconds allow.
3. Scale the measured times to all prompts: generation by new tokens, explanation by token passes (``workload.py``).
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from promptlight.salience.decoder.batch_plan import Need, choose_batch_size
from promptlight.salience.model import Model
from promptlight.salience.options.analysis import AnalysisOptions
from promptlight.salience.run.batches import complete, count_needed, limit_tokens, take_prompt
from promptlight.salience.run.pipeline import explain_or_set_aside
from promptlight.salience.run.time_left import Task, Workload
from promptlight.salience.run.workload import count_passes
from promptlight.salience.text.completion import EncodedPrompt, build_completion
from promptlight.salience.text.spans import segment
from promptlight.salience.types import Analysis, Completion, Granularity, Prompt, SetAside, StopReason

FEW_TOKENS = 8  # new tokens of the first attempt, for slow machines
SECONDS = 5.0  # rough limit for each of the two parts of try_out
PATIENCE = 4  # on a slow machine, the first attempt may take this many times SECONDS
N_CUT = 32  # prompts whose spans are counted


@dataclass(frozen=True, kw_only=True)
class Text:
    """A prompt's tokens, and how many more to expect: those of its own target, or as many as are allowed."""

    prompt: Prompt
    completion: Completion  # without the tokens that have yet to be generated
    n_new: int

    @property
    def need(self) -> Need:
        """The numbers of tokens that memory must hold."""
        return Need(self.completion.n_prompt_tokens, self.n_new)

    @property
    def is_given(self) -> bool:
        """Whether the completion is given, so that nothing has to be generated."""
        return self.completion.n_targets > 0


@dataclass(frozen=True, kw_only=True)
class Speed:
    """Speed as measured on a few prompts.

    ``per_token`` are seconds for a new token of a batch, ``per_pass`` for a pass of one token through the layers.
    ``fill`` is the share of the allowed tokens that completions used (None: they were cut off too early to tell).
    ``spent`` are the seconds that the measurement took.
    """

    per_token: float
    per_pass: float
    fill: float | None
    n_completed: int
    n_explained: int
    spent: float


@dataclass(frozen=True, kw_only=True)
class Sampled:
    """Texts that represent ``n_prompts``; ``n_too_long`` more of the sampled prompts exceed the model's context."""

    texts: Sequence[Text]
    n_prompts: int
    n_too_long: int = 0
    spans_per_token: Mapping[Granularity, float] = field(default_factory=dict[Granularity, float])

    @property
    def share(self) -> float:
        """How many prompts each text represents."""
        return self.n_prompts / max(1, len(self.texts) + self.n_too_long)

    @property
    def is_all(self) -> bool:
        """Whether every prompt was tokenised."""
        return self.n_prompts == len(self.texts) + self.n_too_long


def measure_texts(prompts: Sequence[Prompt], n_prompts: int, model: Model, options: AnalysisOptions) -> Sampled:
    """Tokenise prompts that represent ``n_prompts``, and count the spans of some of them."""
    found = [_measure_text(prompt, model, options) for prompt in prompts]
    texts = [text for text in found if text is not None]
    return Sampled(
        texts=texts,
        n_prompts=n_prompts,
        n_too_long=len(found) - len(texts),
        spans_per_token=_count_spans_per_token(texts[:: max(1, len(texts) // N_CUT)], options),
    )


def plan_workload(sampled: Sampled, options: AnalysisOptions, *, explains: bool = True) -> Workload:
    """What is to do for these texts, to say later how much time is left."""
    tasks = [
        Task(id=text.prompt.id, n_prompt=text.need.n_prompt, n_new=text.n_new, is_given=text.is_given)
        for text in sampled.texts
    ]
    return Workload(
        tasks=tasks,
        n_prompts=sampled.n_prompts,
        spans_per_token=sampled.spans_per_token,
        options=options,
        explains=explains,
    )


def _measure_text(prompt: Prompt, model: Model, options: AnalysisOptions) -> Text | None:
    """Tokenise a prompt; None if it is too long for the model."""
    taken = take_prompt(prompt, model, options)
    if isinstance(taken, Completion):
        return Text(prompt=prompt, completion=taken, n_new=taken.n_targets)
    if not isinstance(taken, EncodedPrompt):
        return None
    n_new = count_needed(taken, model, limit_tokens(prompt, options)).n_new
    completion = build_completion(model.tokenizer, taken, [], StopReason.GIVEN)
    return Text(prompt=prompt, completion=completion, n_new=n_new)


def _count_spans_per_token(texts: Sequence[Text], options: AnalysisOptions) -> dict[Granularity, float]:
    """Count spans per token at each granularity; completions are assumed to be like the prompts."""
    n_tokens = max(1, sum(len(text.completion.tokens) for text in texts))
    return {
        name: sum(len(segment(text.completion, name, options.compat)) for text in texts) / n_tokens
        for name in Granularity
        if name is not Granularity.TOKEN
    } | {Granularity.TOKEN: 1.0}


def try_out(sampled: Sampled, model: Model, options: AnalysisOptions, batch_size: int | None) -> Speed | None:
    """Complete and explain a few of the texts, short and long; None if none could be explained."""
    started = time.monotonic()
    texts = sorted(sampled.texts, key=lambda text: text.need.n_prompt)
    chosen = texts[:: -(-len(texts) // choose_batch_size(model.device, batch_size)) or 1]
    completions, seconds, n_allowed = _try_generation([text.prompt for text in chosen], model, options)
    made = [one for one in completions if one.stop_reason is not StopReason.GIVEN]
    n_new = sum(completion.n_targets for completion in made)
    limits = [limit_tokens(completion.prompt, options) for completion in made]
    per_pass, n_explained = _try_explaining(completions, sampled, model, options)
    if not n_explained:
        return None
    return Speed(
        per_token=seconds / max(1, n_new),
        per_pass=per_pass,
        fill=n_new / sum(limits) if made and max(limits) <= n_allowed else None,
        n_completed=len(completions),
        n_explained=n_explained,
        spent=time.monotonic() - started,
    )


def _try_generation(
    prompts: Sequence[Prompt], model: Model, options: AnalysisOptions
) -> tuple[list[Completion], float, int]:
    """Complete these prompts, or fewer with fewer tokens if it would take too long. One prompt goes first, to warm up
    and to measure the speed. Returns completions, the seconds that they took, and how many tokens were allowed."""
    most = max((limit_tokens(prompt, options) for prompt in prompts), default=1)
    allowed = min(FEW_TOKENS, most)
    middle = len(prompts) // 2
    _, seconds = _complete_in(prompts[middle : middle + 1], model, options, allowed)
    chosen = prompts[:: math.ceil(len(prompts) * seconds / (PATIENCE * SECONDS)) or 1]
    results, seconds = _complete_in(chosen, model, options, allowed)
    longer = min(most, int(allowed * SECONDS / max(seconds, 1e-9)))
    longer = most if 2 * longer >= most else longer  # many end early
    if longer > allowed:
        (results, seconds), allowed = _complete_in(chosen, model, options, longer), longer
    return [one for one in results if isinstance(one, Completion)], seconds, allowed


def _complete_in(
    prompts: Sequence[Prompt], model: Model, options: AnalysisOptions, n_new: int
) -> tuple[list[Completion | SetAside], float]:
    """Run ``complete`` with at most ``n_new`` new tokens; returns its results and the seconds that it took."""
    start = time.monotonic()
    results = complete(prompts, model, options, at_most=n_new)
    return results, time.monotonic() - start


def _try_explaining(
    completions: Sequence[Completion], sampled: Sampled, model: Model, options: AnalysisOptions
) -> tuple[float, int]:
    """Explain completions from the middle outwards while time allows; returns seconds per pass and their number."""
    order = sorted(range(len(completions)), key=lambda place: abs(place - (len(completions) - 1) / 2))
    seconds = passes = 0.0
    n_explained = 0
    for place in order:
        completion = completions[place]
        start = time.monotonic()
        result = explain_or_set_aside(completion.prompt, completion, model, options)
        if isinstance(result, Analysis):
            n_explained += 1
            seconds += time.monotonic() - start
            size = completion.n_prompt_tokens, completion.n_targets
            passes += count_passes(*size, sampled.spans_per_token, options)
        if seconds > SECONDS:
            break
    return seconds / max(1.0, passes), n_explained


def estimate_seconds(sampled: Sampled, speed: Speed, options: AnalysisOptions, fill: float) -> float:
    """Estimate the seconds for all prompts if completions use the share ``fill`` of their allowed tokens."""
    seconds = 0.0
    for text in sampled.texts:
        n_new = text.n_new if text.is_given else text.n_new * fill
        seconds += 0 if text.is_given else n_new * speed.per_token
        seconds += speed.per_pass * count_passes(text.need.n_prompt, n_new, sampled.spans_per_token, options)
    return seconds * sampled.share
