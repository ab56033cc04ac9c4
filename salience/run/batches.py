"""Complete prompts: read a window of them, cut it into batches of similar length, and complete them in order.

 1. Read a window of ``WINDOW`` times as many prompts as one batch may have (``read_windows``).
 2. Tokenise them, and plan batches of similar length that fit in memory (``batch_plan.plan_batches``).
 3. Go through the window in input order. Generate a batch when its first prompt is due, so that results come, and can
    be stored, in the order of the input while the run goes on.
 4. If a batch does not fit after all, halve it, down to a single prompt; a single one that does not fit is skipped.
A prompt's completion does not depend on its batch (``decoder/generate.py``, ``decoder/sampling.py``). A record's own
``max_new_tokens`` comes before the options', and its stop texts add to theirs.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterable, Iterator, Sequence

from promptlight.salience.decoder.batch_plan import Need, choose_batch_size, plan_batches
from promptlight.salience.decoder.chunks import WHAT_HELPS_BY, run_in_halves, say_what_helps
from promptlight.salience.decoder.generate import Generated, generate
from promptlight.salience.decoder.sampling import choose_tokens
from promptlight.salience.errors import OUT_OF_MEMORY, InputError, PromptTooLongError
from promptlight.salience.model import Model
from promptlight.salience.options.analysis import AnalysisOptions
from promptlight.salience.progress import OnStep, Phase, Step, Unit, ignore
from promptlight.salience.text.completion import EncodedPrompt, build_completion, encode_given, encode_prompt
from promptlight.salience.text.stopping import StopWatch, cut_at_stop
from promptlight.salience.types import Completion, Explain, Prompt, SetAside, SetAsideCode, StopReason

WINDOW = 4  # batches: enough to find prompts of similar length, few enough to hold in memory
Numbered = tuple[int, EncodedPrompt]  # a prompt's number in its window, and its tokens


def read_windows(prompts: Iterable[Prompt], size: int) -> Iterator[list[Prompt]]:
    """Cut prompts into lists of ``size``. Prompts read before an input error are yielded before it is raised."""
    remaining = iter(prompts)
    fault = None
    while fault is None:
        window: list[Prompt] = []
        try:
            for prompt in itertools.islice(remaining, size):
                window.append(prompt)  # one by one: keep these if the next one fails
        except InputError as error:
            fault = error
        if window:
            yield window
        elif fault is None:
            return
    raise fault


def complete(
    prompts: Sequence[Prompt],
    model: Model,
    options: AnalysisOptions,
    *,
    at_most: int | None = None,
    on_step: OnStep = ignore,
) -> list[Completion | SetAside]:
    """Take each record's own completion if that is requested, and generate the others, as many together as fit.

    ``at_most`` is a limit of new tokens above all others, for a trial.
    """
    return list(complete_in_order(prompts, model, options, len(prompts), at_most=at_most, on_step=on_step))


def complete_in_order(
    prompts: Sequence[Prompt],
    model: Model,
    options: AnalysisOptions,
    batch_size: int | None = None,
    *,
    at_most: int | None = None,
    on_step: OnStep = ignore,
) -> Iterator[Completion | SetAside]:
    """``complete`` for a window, yielding the results one by one in input order; ``on_step`` is told each step."""
    limits = [min(limit_tokens(prompt, options), at_most or sys.maxsize) for prompt in prompts]
    results: dict[int, Completion | SetAside] = {}
    waiting: list[Numbered] = []
    for number, prompt in enumerate(prompts):
        taken = take_prompt(prompt, model, options)
        if isinstance(taken, EncodedPrompt):
            waiting.append((number, taken))
        else:
            results[number] = taken
    needs = [count_needed(encoded, model, limits[number]) for number, encoded in waiting]
    batches = plan_batches(model.decoder, needs, choose_batch_size(model.device, batch_size))
    batch_of = {waiting[place][0]: [waiting[one] for one in sorted(batch)] for batch in batches for place in batch}
    for number in range(len(prompts)):
        if number not in results:
            results.update(_complete_batch(batch_of[number], prompts, limits, model, options, on_step))
        yield results.pop(number)


def take_prompt(prompt: Prompt, model: Model, options: AnalysisOptions) -> EncodedPrompt | Completion | SetAside:
    """Tokenise a prompt; if its own target should be explained, return that as its completion."""
    thinking = options.thinking if prompt.thinking is None else prompt.thinking
    if thinking and not prompt.turns:
        reason = "expected a chat with thinking, found a plain prompt; give `messages`, or make chats of all prompts"
        return set_aside(prompt, SetAsideCode.UNUSABLE, reason, ("chat", "thinking"))
    encoded = encode_prompt(model.tokenizer, prompt, thinking=thinking)
    target = None if options.explain is Explain.RESPONSE else prompt.given_completion
    target_ids = encode_given(model.tokenizer, encoded.prompt, target or "")
    try:
        _check_length(prompt, len(encoded.ids), len(target_ids), model)
    except PromptTooLongError as error:
        return set_aside(prompt, SetAsideCode.TOO_LONG, error.reason)
    if target is None:
        return encoded
    return build_completion(model.tokenizer, encoded, target_ids, StopReason.GIVEN, given=target)


def limit_tokens(prompt: Prompt, options: AnalysisOptions) -> int:
    """The most new tokens that a prompt may get: the record's own limit, or that of all."""
    return prompt.max_new_tokens or options.max_new_tokens


def _list_stops(prompt: Prompt, options: AnalysisOptions) -> tuple[str, ...]:
    """The texts before which a prompt's completion ends."""
    return tuple(dict.fromkeys((*options.stop, *prompt.stop)))


def count_needed(encoded: EncodedPrompt, model: Model, max_new_tokens: int) -> Need:
    """The numbers of tokens that memory must hold for a prompt."""
    n_prompt = len(encoded.ids)
    return Need(n_prompt, min(max_new_tokens, model.facts.context_length - n_prompt))


def _complete_batch(
    batch: Sequence[Numbered],
    prompts: Sequence[Prompt],
    limits: Sequence[int],
    model: Model,
    options: AnalysisOptions,
    on_step: OnStep,
) -> Iterator[tuple[int, Completion | SetAside]]:
    """Generate for some of the window's prompts together, or for as many at a time as fit in memory."""

    def write(rows: Sequence[Numbered]) -> list[Generated]:
        ids, n_prompt = tuple(prompts[number].id for number, _ in rows), sum(len(encoded.ids) for _, encoded in rows)
        watches = [StopWatch(model.tokenizer, _list_stops(prompts[number], options)) for number, _ in rows]
        written: list[list[int]] = [[] for _ in rows]

        def sees(row: int, token: int) -> bool:
            written[row].append(token)
            return watches[row].sees(token)

        return generate(
            model.decoder,
            [encoded.ids for _, encoded in rows],
            max_new_tokens=[limits[number] for number, _ in rows],
            context_length=model.facts.context_length,
            stops=model.stops,
            choose=choose_tokens(options.sampling, ids),
            is_stopped=sees,
            counted=lambda done, total: on_step(
                Step(
                    phase=Phase.WRITING,
                    done=done,
                    total=total,
                    unit=Unit.TOKENS,
                    ids=ids,
                    n_prompt=n_prompt,
                    written=written,
                )
            ),
        )

    for (number, encoded), new in run_in_halves(write, batch):
        prompt = prompts[number]
        if new is None:
            reason = f"{OUT_OF_MEMORY} while its completion was generated: {say_what_helps()}"
            yield number, set_aside(prompt, SetAsideCode.OUT_OF_MEMORY, reason, WHAT_HELPS_BY)
        else:
            yield number, _build_generated(encoded, new, model, _list_stops(prompt, options))


def _build_generated(encoded: EncodedPrompt, new: Generated, model: Model, stops: Sequence[str]) -> Completion:
    """Join a prompt and what was generated, up to the first stop text."""
    cut = cut_at_stop(model.tokenizer, new.ids, stops)
    if cut is None:
        return build_completion(model.tokenizer, encoded, new.ids, new.stop_reason)
    n_kept, text = cut
    ids = new.ids[:n_kept]
    return build_completion(model.tokenizer, encoded, ids, StopReason.STOP_TEXT, stop_text=text)


def _check_length(prompt: Prompt, n_prompt_tokens: int, n_target_tokens: int, model: Model) -> None:
    """Raise PromptTooLongError unless prompt and target, or prompt and one new token, fit in the model's context."""
    needed = n_prompt_tokens + max(n_target_tokens, 1)
    if needed > model.facts.context_length:
        what = "prompt and target have" if n_target_tokens else "the prompt has"
        raise PromptTooLongError(
            prompt.path,
            prompt.line,
            f"{what} {n_prompt_tokens + n_target_tokens:,} tokens, but {model.facts.name} reads"
            f" {model.facts.context_length:,} with what it writes: shorten it, or use a model with a longer context",
        )


def set_aside(prompt: Prompt, code: SetAsideCode, reason: str, parameters: tuple[str, ...] = ()) -> SetAside:
    """Make the result of a prompt that could not be analysed; ``parameters`` name what would help."""
    return SetAside(
        id=prompt.id,
        path=prompt.path,
        line=prompt.line,
        code=code,
        reason=reason,
        label=prompt.label,
        prompt=prompt.text,
        fingerprint=prompt.fingerprint,
        parameters=parameters,
    )
