"""Let a model answer prompts of variable tracking: which does it solve, and which lines does its answer hang on?

1. ``ask_in_batches`` has prompts answered until enough are solved: the model writes exactly the value, with exactly the
   chain before it. Only solved prompts say something about salience; what the model did instead in the others is not
   known. Some are solved by luck. So the same block is asked about its other chains, too: a model that always takes the
   nearest one is seldom right about all.
2. ``build_case`` turns a solved prompt into a case: its target is the value at the end, its causes are the chain's
   lines.
3. ``write_without`` takes each of the block's lines away and lets the model write again. That shows how far the model
   hangs on the lines that it should hang on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from promptlight.salience.benchmark.causes import KnownCause
from promptlight.salience.benchmark.tracking import Form, TrackingPrompt, draw_prompts, read_value
from promptlight.salience.errors import UsageError
from promptlight.salience.model import Model
from promptlight.salience.options.analysis import AnalysisOptions
from promptlight.salience.run.batches import complete
from promptlight.salience.text.spans import describe_spans, segment
from promptlight.salience.types import Completion, Granularity, Prompt, Role

AT_ONCE = 20  # prompts that are completed together
FEWEST_SOLVED = 0.04  # of all prompts drawn: below it, the model is given up
MIN_DRAWN = 100  # prompts before that
NEW_TOKENS_PER_LINE = 12  # more than an answer takes; it ends with its line anyway


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """A prompt, what the model wrote, and whether it is also right about the block's other chains."""

    prompt: TrackingPrompt
    completion: Completion
    is_consistent: bool = False

    @property
    def is_solved(self) -> bool:
        """Whether it is the right answer and nothing else."""
        return self.completion.completion_text.strip() == self.prompt.answer.strip()


@dataclass(frozen=True, kw_only=True)
class Rewritten:
    """Whether the model writes another value without a line, for each of the block's lines in order."""

    changed: tuple[bool, ...]


def ask_in_batches(model: Model, form: Form, n_solved: int, *, seed: int = 0) -> Iterator[list[Attempt]]:
    """Have prompts answered, a batch at a time, until ``n_solved`` are solved; always the same for a seed.

    The last batch may have more than enough. Raises UsageError if too few are solved.
    """
    prompts = draw_prompts(form, seed=seed)
    n_found = n_drawn = 0
    while n_found < n_solved:
        if n_drawn >= MIN_DRAWN and n_found < FEWEST_SOLVED * n_drawn:
            raise UsageError(
                f"expected a model that follows variables over {form.hops} hops, found {n_found} solved of"
                f" {n_drawn:,} prompts: ask for fewer hops, or use a larger model",
                parameters=("hops", "model"),
            )
        batch = _check_others(model, _answer_all(model, list(islice(prompts, AT_ONCE))))
        n_drawn += len(batch)
        n_found += sum(attempt.is_solved for attempt in batch)
        yield batch


def build_case(attempt: Attempt) -> KnownCause:
    """The case of a solved prompt: the tokens of the value at its end, and the lines of the block."""
    completion, prompt = attempt.completion, attempt.prompt
    spans = describe_spans(completion, segment(completion, Granularity.LINE))
    number_of = {span.line: span.number for span in spans if span.role is Role.PROMPT}
    stop = completion.prompt_stop + len(completion.completion_text.rstrip())
    start = stop - len(prompt.block.value)
    tokens = completion.tokens
    target = [at for at, token in enumerate(tokens) if token.start < stop and token.stop > start]
    return KnownCause(
        completion=completion,
        target=(target[0], target[-1] + 1),
        candidates=tuple(number_of[line] for line in prompt.candidates),
        causes=tuple(number_of[line] for line in reversed(prompt.causes)),
    )


def write_without(model: Model, attempt: Attempt) -> Rewritten:
    """Let the model write again without each of the block's lines, one at a time."""
    prompt = attempt.prompt
    changed = _answer_all(model, [prompt.without(number) for number in range(len(prompt.block.assignments))])
    value = prompt.block.value
    return Rewritten(changed=tuple(read_value(one.completion.completion_text) != value for one in changed))


def _check_others(model: Model, attempts: Sequence[Attempt]) -> list[Attempt]:
    """Where a prompt is solved, ask about the block's other chains as well."""
    others = [attempt.prompt.ask_others() if attempt.is_solved else [] for attempt in attempts]
    answers = iter(_answer_all(model, [prompt for some in others for prompt in some]))
    checked: list[Attempt] = []
    for attempt, some in zip(attempts, others, strict=True):
        are_right = [next(answers).is_solved for _ in some]
        checked.append(replace(attempt, is_consistent=attempt.is_solved and all(are_right)))
    return checked


def _answer_all(model: Model, prompts: Sequence[TrackingPrompt]) -> list[Attempt]:
    """What the model writes after each prompt, up to the end of the line."""
    if not prompts:
        return []
    batch = [Prompt(id=str(number), text=prompt.text) for number, prompt in enumerate(prompts)]
    n_new = NEW_TOKENS_PER_LINE * (prompts[0].form.hops + 1)
    options = AnalysisOptions(max_new_tokens=n_new, stop=("\n",))
    attempts: list[Attempt] = []
    for prompt, found in zip(prompts, complete(batch, model, options), strict=True):
        if not isinstance(found, Completion):
            raise UsageError(f"expected a model that reads prompts of variable tracking: {found.reason}")
        attempts.append(Attempt(prompt=prompt, completion=found))
    return attempts
