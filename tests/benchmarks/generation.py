"""Greedy generation with the same weights: keras-hub's ``generate``, transformers' ``generate``, ours.

keras-hub fills every row of a batch up to one total length, so in a ragged batch its shorter prompts get more tokens.
"""

# pyright: standard

from __future__ import annotations

import functools
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from promptlight.salience.decoder.decoder import Decoder
from promptlight.salience.decoder.generate import generate
from tests.benchmarks.measure import Candidate, Settings, Table, alternate, compare, judge, median_ratio
from tests.benchmarks.models import SMALL, Trio, build_trio, draw_ids

Prompts = Sequence[Sequence[int]]

KERAS, THEIRS, OURS = "keras-hub generate", "transformers generate", "promptlight generate"


def run(settings: Settings) -> list[Table]:
    """One prompt, eight of equal length, eight of different lengths."""
    trio = build_trio(SMALL)
    trio.keras.compile(sampler="greedy")
    if settings.quick:
        return [run_batch(trio, "1 prompt of 200 tokens", [200], 16, settings)]
    batches = {
        "1 prompt of 200 tokens": [200],
        "8 prompts of 200 tokens": [200] * 8,
        "8 prompts of 61 to 200 tokens": [61, 81, 101, 121, 141, 161, 181, 200],
    }
    return [run_batch(trio, name, lengths, 32, settings) for name, lengths in batches.items()]


def run_batch(trio: Trio, name: str, lengths: Sequence[int], n_new: int, settings: Settings) -> Table:
    """Time all three on one batch after a check that their ids are equal; the first token is also timed alone."""
    prompts = [draw_ids(length, SMALL, seed) for seed, length in enumerate(lengths)]
    ways: dict[str, Callable[[int], list[list[int]]]] = {
        KERAS: lambda n: through_keras(trio.keras, prompts, n),
        THEIRS: lambda n: through_transformers(trio.theirs, prompts, n),
        OURS: lambda n: through_decoder(trio.decoder, prompts, n),
    }
    written = {way: write(n_new) for way, write in ways.items()}
    is_ragged = len(set(lengths)) > 1
    counts = [n_new] if is_ragged else [1, n_new]  # in a ragged batch, keras-hub's first token takes many steps
    racing = {(way, n): Candidate(functools.partial(write, n)) for way, write in ways.items() for n in counts}
    seconds = alternate(racing, settings)
    title = f"Generation, {name}: {n_new} new tokens, greedy, float32"
    table = compare(title, {way: seconds[way, n_new] for way in ways}, OURS, unit="CPU s")
    if not is_ragged:
        add_steps(table, seconds, n_new)
    same = {way: ids == written[OURS] for way, ids in written.items()}
    table.notes.append(f"The ids are {'equal' if all(same.values()) else f'DIFFERENT: {same}'}.")
    table.figures["ids are equal"] = all(same.values())
    judge_speed(table, settings)
    return table


def add_steps(table: Table, seconds: Mapping[tuple[str, int], Sequence[float]], n_new: int) -> None:
    """Add two columns for a token after the first, which excludes the pass over the prompt."""
    ways = (KERAS, THEIRS, OURS)
    steps = {
        way: [(whole - first) / (n_new - 1) for whole, first in zip(seconds[way, n_new], seconds[way, 1], strict=True)]
        for way in ways
    }
    table.columns = (*table.columns, "CPU ms a token after the first", "times ours")
    for number, (way, taken) in enumerate(steps.items()):
        middle, shown = median_ratio(taken, steps[OURS])
        milliseconds = f"{statistics.median(taken) * 1000:.3g}"
        table.rows[number] = (*table.rows[number], milliseconds, shown if way != OURS else "1")
        table.figures[way] |= {"seconds_a_step": taken, "times_ours_a_step": middle}


def judge_speed(table: Table, settings: Settings) -> None:
    """Judge two goals, for all tokens and, if it was timed, for a token after the first."""
    for what, key in (("as a whole", "times_ours"), ("a token after the first", "times_ours_a_step")):
        if key not in table.figures[OURS]:
            continue
        keras, theirs = (table.figures[way][key] for way in (KERAS, THEIRS))
        judge(table, settings, f"at least 4 times faster than keras-hub {what} ({keras:.2f})", keras >= 4)
        judge(table, settings, f"not slower than transformers {what} ({theirs:.2f})", theirs >= 1)


def through_decoder(decoder: Decoder, prompts: Prompts, n_new: int) -> list[list[int]]:
    """Ours; only the limit stops it."""
    return [list(one.ids) for one in generate(decoder, prompts, max_new_tokens=n_new, context_length=8192, stops={})]


def through_transformers(model: Any, prompts: Prompts, n_new: int) -> list[list[int]]:
    """transformers, padded on the left as it requires."""
    longest = max(map(len, prompts))
    ids = torch.tensor([[0] * (longest - len(prompt)) + list(prompt) for prompt in prompts])
    mask = torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts])
    written = model.generate(
        ids, attention_mask=mask, max_new_tokens=n_new, do_sample=False, eos_token_id=None, pad_token_id=0
    )
    return written[:, longest:].tolist()


def through_keras(model: Any, prompts: Prompts, n_new: int) -> list[list[int]]:
    """keras-hub, padded on the right up to the total length, which it fills."""
    total = max(map(len, prompts)) + n_new
    ids = torch.tensor([[*prompt, *[0] * (total - len(prompt))] for prompt in prompts], dtype=torch.int32)
    mask = torch.arange(total) < torch.tensor([[len(prompt)] for prompt in prompts])
    outputs = model.generate({"token_ids": ids, "padding_mask": mask}, stop_token_ids=None)
    rows = torch.as_tensor(outputs["token_ids"]).tolist()
    return [row[len(prompt) : len(prompt) + n_new] for row, prompt in zip(rows, prompts, strict=True)]
