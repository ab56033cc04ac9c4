"""Estimate a run before it starts: prompts, tokens, memory, disk; with ``--dry-run``, time too.

1. Read every record once, in little memory: count those done and to do, and take an even sample of those to do.
2. Tokenise the sample; memory and disk follow from the lengths (``salience/decoder/batch_plan.py``,
   ``io/results/sizes.py``).
3. A dry run also runs a few prompts, to measure time and the length of completions (``salience/run/dry_run.py``).
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

SAMPLE = 512  # prompts to tokenise


@dataclass(frozen=True, kw_only=True)
class Survey:
    """The number of records of each kind, and a sample of those to do."""

    n_to_do: int
    n_done: int
    n_set_aside: int  # by an earlier run, and not tried again
    n_unusable: int  # found unusable now
    sample: list[Prompt]


def survey_records(records: Iterable[Prompt | SetAside], done: Mapping[str, Done]) -> Survey:
    """Read every record once; the sample is spread evenly and the same each time."""
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
    """The options of a run that change its cost."""

    options: AnalysisOptions
    batch_size: int | None
    scores: Scores
    flush_every: int


def plan_run(reader: PromptReader, asked: Asked, workers: Workers, output: Path, done: Mapping[str, Done]) -> str:
    """Estimate the run in a line; empty if nothing is to do."""
    survey = survey_records(reader.without_strictness(), done)
    if not survey.n_to_do:
        return ""
    estimate = workers.ask(partial(estimate_run, survey, asked, workers.n_actors))
    return spell_line(estimate, measure_free_space(output))


def try_run(
    reader: PromptReader, asked: Asked, workers: Workers, output: Path, settings: dict[str, Any], *, as_json: bool
) -> str:
    """The full estimate from a trial of a few prompts, as text or JSON; ``output`` is not changed."""
    from promptlight.io.results.done import read_done

    survey = survey_records(reader.without_strictness(), read_done(output, settings))
    estimate = workers.ask(partial(estimate_run, survey, asked, workers.n_actors, tried=True))
    free = measure_free_space(output)
    return json.dumps(describe_estimate(estimate, free), indent=1) if as_json else spell_all(estimate, free)


def estimate_run(survey: Survey, asked: Asked, n_actors: int, model: Model, *, tried: bool = False) -> Estimate:
    """Estimate a run before it starts; with ``tried``, a few prompts are run to measure time."""
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
    n_at_work = max(1, min(n_actors, -(-survey.n_to_do // most)))  # each works on one batch at a time
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
    """The granularities of the targets with stored scores."""
    return options.stored if options.targets is Granularity.TOKEN else (options.targets,)


def count_new(sampled: Sampled, fill: float) -> int:
    """Count tokens of completions if they use the share ``fill`` of their allowed tokens."""
    return round(sum(text.n_new * (1 if text.is_given else fill) for text in sampled.texts) * sampled.share)


def measure_disk(sampled: Sampled, kept: Kept, fill: float) -> float:
    """Estimate the bytes of the results."""
    from promptlight.io.results.sizes import estimate_files, estimate_row

    rows = (
        estimate_row(text.need.n_prompt, text.n_new * (1 if text.is_given else fill), sampled.spans_per_token, kept)
        for text in sampled.texts
    )
    return sum(rows) * sampled.share + estimate_files(sampled.n_prompts, kept)
