"""What a run would take, said before it begins: prompts, tokens, memory, disk; with ``--dry-run``, time too.

1. every record is read once, in little memory: which are done, which are to do, and an even sample of those;
2. the sample is tokenised; memory and disk follow from the lengths (``planning.py``, ``io/sizes.py``);
3. a dry run also tries a few prompts out, for the time and for how long completions become (``workload.py``).
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promptlight.cli.views.estimate import describe_estimate, spell_all, spell_line
from promptlight.io.files import measure_free_space
from promptlight.salience.types import Granularity, Prompt, SetAside

if TYPE_CHECKING:
    from promptlight.cli.work.engines import Workers
    from promptlight.io.prompts.reader import PromptReader
    from promptlight.io.results.digits import Scores
    from promptlight.io.results.done import Done
    from promptlight.io.results.sizes import Kept
    from promptlight.salience.model import Model
    from promptlight.salience.options.analysis import AnalysisOptions
    from promptlight.salience.run.dry_run import Sampled
    from promptlight.salience.run.estimate import Estimate

SAMPLE = 512  # prompts that are tokenised


@dataclass(frozen=True, kw_only=True)
class Survey:
    """How many records there are of each kind, and some of those that are to do."""

    n_to_do: int
    n_done: int
    n_set_aside: int  # by an earlier run, for good
    n_unusable: int  # found broken now
    sample: list[Prompt]


def survey_records(records: Iterable[Prompt | SetAside], done: Mapping[str, Done]) -> Survey:
    """Look at every record once; the sample is drawn evenly, the same each time."""
    generator = random.Random(0)
    n_to_do = n_done = n_set_aside = n_unusable = 0
    sample: list[Prompt] = []
    for record in records:
        known = done.get(record.id)
        if known is not None and known.settles(record.fingerprint):
            n_done, n_set_aside = n_done + (known.error is None), n_set_aside + (known.error is not None)
        elif isinstance(record, SetAside):
            n_unusable += 1
        else:
            n_to_do += 1
            if len(sample) < SAMPLE:
                sample.append(record)
            elif (place := generator.randrange(n_to_do)) < SAMPLE:
                sample[place] = record
    return Survey(n_to_do=n_to_do, n_done=n_done, n_set_aside=n_set_aside, n_unusable=n_unusable, sample=sample)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the command line asks of a run, as far as it changes what the run takes."""

    options: AnalysisOptions
    batch_size: int | None
    scores: Scores
    flush_every: int


def plan_run(reader: PromptReader, asked: Asked, workers: Workers, output: Path, done: Mapping[str, Done]) -> str:
    """A line on what is to do; empty if nothing is."""
    survey = survey_records(reader.without_strictness(), done)
    if not survey.n_to_do:
        return ""
    estimate = workers.ask(partial(estimate_run, survey, asked, workers.n_actors))
    return spell_line(estimate, measure_free_space(output))


def try_run(
    reader: PromptReader, asked: Asked, workers: Workers, output: Path, settings: dict[str, Any], *, as_json: bool
) -> str:
    """All that can be said when a few prompts are tried out, as text or JSON; ``output`` is left as it is."""
    from promptlight.io.results.done import read_done

    survey = survey_records(reader.without_strictness(), read_done(output, settings))
    estimate = workers.ask(partial(estimate_run, survey, asked, workers.n_actors, tried=True))
    free = measure_free_space(output)
    return json.dumps(describe_estimate(estimate, free), indent=1) if as_json else spell_all(estimate, free)


def estimate_run(survey: Survey, asked: Asked, n_actors: int, model: Model, *, tried: bool = False) -> Estimate:
    """All that can be said of a run before it begins; ``tried`` says whether a few prompts may be tried out."""
    from promptlight.io.results.sizes import Kept
    from promptlight.salience.decoder.batch_plan import choose_batch_size, plan_memory
    from promptlight.salience.run.dry_run import estimate_seconds, measure_texts, try_out
    from promptlight.salience.run.estimate import Estimate, Range

    options = asked.options
    sampled = measure_texts(survey.sample, survey.n_to_do, model, options)
    speed = try_out(sampled, model, options, asked.batch_size) if tried else None
    fill = speed.fill if speed and speed.fill is not None else 1.0
    kept = Kept(
        methods=options.methods, targets=list_kept_targets(options), scores=asked.scores, flush_every=asked.flush_every
    )
    most = choose_batch_size(model.device, asked.batch_size)
    n_at_work = max(1, min(n_actors, -(-survey.n_to_do // most)))  # each takes a batch at a time
    needs = [text.need for text in sampled.texts]
    to_write = [text.need for text in sampled.texts if not text.is_given]
    return Estimate(
        n_to_do=survey.n_to_do,
        n_done=survey.n_done,
        n_set_aside=survey.n_set_aside,
        n_unusable=survey.n_unusable,
        n_too_long=round(sampled.n_too_long * sampled.share),
        n_actors=n_at_work,
        n_sampled=len(survey.sample),
        n_prompt_tokens=round(sum(need.n_prompt for need in needs) * sampled.share),
        longest=max((need.n_prompt for need in needs), default=0),
        new_tokens=Range(expected=count_new(sampled, fill), most=count_new(sampled, 1.0)),
        memory=plan_memory(model.decoder, to_write, needs, most),
        disk=Range(expected=measure_disk(sampled, kept, fill), most=measure_disk(sampled, kept, 1.0)),
        seconds=speed
        and Range(
            expected=estimate_seconds(sampled, speed, options, fill) / n_at_work,
            most=estimate_seconds(sampled, speed, options, 1.0) / n_at_work,
        ),
        speed=speed,
    )


def list_kept_targets(options: AnalysisOptions) -> tuple[Granularity, ...]:
    """Of which targets scores are stored."""
    return options.stored if options.targets is Granularity.TOKEN else (options.targets,)


def count_new(sampled: Sampled, fill: float) -> int:
    """Tokens of completions, if they take this part of what is allowed."""
    return round(sum(text.n_new * (1 if text.is_given else fill) for text in sampled.texts) * sampled.share)


def measure_disk(sampled: Sampled, kept: Kept, fill: float) -> float:
    """Bytes of the results."""
    from promptlight.io.results.sizes import estimate_files, estimate_row

    rows = (
        estimate_row(text.need.n_prompt, text.n_new * (1 if text.is_given else fill), sampled.spans_per_token, kept)
        for text in sampled.texts
    )
    return sum(rows) * sampled.share + estimate_files(sampled.n_prompts, kept)
