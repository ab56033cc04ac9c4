"""From prompts to stored salience: LIT's pipeline against ``analyze`` and the Parquet store.

LIT's: keras-hub generates for one prompt at a time (its server's default), and each token of the completion takes its
own ``score`` and autograd. LIT's second tokenisation is skipped, so that both explain the same tokens. LIT stores
nothing. Ours does the same as ``promptlight run``: generate, explain every token, word, sentence and line, and write
Parquet.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from promptlight.io.results.writer import ResultsWriter
from promptlight.salience.loading.handles import DEMO_FOLDER
from promptlight.salience.model import Model, ModelFacts
from promptlight.salience.run.pipeline import AnalysisOptions, analyze
from promptlight.salience.text.tokenizer import Tokenizer
from promptlight.salience.types import Analysis, Method, Prompt
from tests.benchmarks.generation import through_keras
from tests.benchmarks.measure import Settings, Table, judge, measure_seconds, median_ratio
from tests.benchmarks.models import BOS, SMALL, Trio, build_trio
from tests.oracles.plain import keras_score_grad_l2

VOCABULARY = DEMO_FOLDER / "assets" / "tokenizer" / "vocabulary.spm"
EXAMPLES = Path(__file__).parents[2] / "examples" / "prompts.jsonl"
N_SILENT = 260  # ids at the start of the vocabulary: control pieces and bytes
LIT, OURS = "LIT's pipeline", "promptlight"

Way = Callable[[Sequence[Prompt]], int]
"""Does the whole work for some prompts and says how many targets were explained."""


def run(settings: Settings) -> list[Table]:
    """Time both sides in turns, a group of prompts each."""
    n_prompts, n_new, size = (2, 8, 1) if settings.quick else (12, 64, 4)
    tokenizer = Tokenizer.from_file(VOCABULARY)
    trio = build_trio(dataclasses.replace(SMALL, vocabulary=len(tokenizer)))
    silence_bytes(trio)
    ways = {LIT: lit_way(trio, tokenizer, n_new), OURS: our_way(trio, tokenizer, n_new)}
    prompts = cut_prompts(tokenizer, n_prompts, 200)
    for way in ways.values():
        way([Prompt(id="warm-up", text=prompts[0].text[:20])])
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    n_targets: dict[str, list[int]] = {name: [] for name in ways}
    for start in range(0, n_prompts, size):
        for name, way in ways.items():
            work = functools.partial(do_group, way, prompts[start : start + size], n_targets[name])
            seconds[name].append(measure_seconds(work, settings.device))
    table = report(f"Pipeline: {n_prompts} prompts of 200 tokens, {n_new} new tokens each", seconds, n_targets)
    ratio = table.figures[LIT]["times_ours"]
    judge(table, settings, f"at least 3 times faster than LIT's pipeline ({ratio:.2f})", ratio >= 3)
    return [table]


def do_group(way: Way, prompts: Sequence[Prompt], n_targets: list[int]) -> None:
    """Run one turn of one side."""
    n_targets.append(way(prompts))


def report(title: str, seconds: dict[str, list[float]], n_targets: dict[str, list[int]]) -> Table:
    """Report sums over all groups, and ratios group by group."""
    table = Table(f"{title}, float32", ("pipeline", "targets", "CPU s", "CPU ms a target", "times ours"))
    for name, taken in seconds.items():
        middle, shown = median_ratio(taken, seconds[OURS])
        explained = sum(n_targets[name])
        cells = (str(explained), f"{sum(taken):.3g}", f"{sum(taken) / explained * 1000:.3g}")
        table.rows.append((name, *cells, shown if name != OURS else "1"))
        table.figures[name] = {"seconds": taken, "targets": n_targets[name], "times_ours": middle}
    return table


def lit_way(trio: Trio, tokenizer: Tokenizer, n_new: int) -> Way:
    """LIT's side, with keras-hub's own task."""
    trio.keras.compile(sampler="greedy")

    def work(prompts: Sequence[Prompt]) -> int:
        explained = 0
        for prompt in prompts:
            ids = [BOS, *tokenizer.encode(prompt.text)]
            (new,) = through_keras(trio.keras, [ids], n_new)
            explained += len(keras_score_grad_l2(trio.keras, [*ids, *new], len(ids)))
        return explained

    return work


def our_way(trio: Trio, tokenizer: Tokenizer, n_new: int) -> Way:
    """Our side: the library's ``analyze`` and the command's store."""
    facts = ModelFacts(
        name="random",
        preset="random",
        dtype=str(trio.decoder.embedding.dtype).removeprefix("torch."),
        device=str(trio.decoder.embedding.device),
        config_hash="",
        context_length=8192,
        n_bytes=0,
    )
    model = Model(decoder=trio.decoder, tokenizer=tokenizer, facts=facts)

    def work(prompts: Sequence[Prompt]) -> int:
        explained = 0
        options = AnalysisOptions(max_new_tokens=n_new)
        with tempfile.TemporaryDirectory() as folder, ResultsWriter(folder, describe(), {}) as writer:
            for result in analyze(prompts, model, options):
                assert isinstance(result, Analysis), result.reason
                writer.add(result)
                explained += result.completion.n_targets
        return explained

    return work


def describe() -> dict[str, Any]:
    """The settings that the store needs."""
    return {"methods": [Method.GRAD_L2.value], "objective": AnalysisOptions().objective.value, "compat": None}


def silence_bytes(trio: Trio) -> None:
    """Let models write ordinary pieces only: bytes of a random model would rarely make a valid text."""
    with torch.no_grad():
        table = trio.keras.backbone.token_embedding.embeddings.value
        table[[n for n in range(N_SILENT) if n != BOS]] = 0


def cut_prompts(tokenizer: Tokenizer, n_prompts: int, n_tokens: int) -> list[Prompt]:
    """Texts of about ``n_tokens``, cut from the words of the example prompts, each starting at another word."""
    lines = EXAMPLES.read_text(encoding="utf-8").splitlines()
    words = " ".join(json.loads(line)["prompt"] for line in lines).split(" ")
    prompts: list[Prompt] = []
    for number in range(n_prompts):
        text = " ".join(words[30 * number :])
        while len(tokenizer.encode(text)) >= n_tokens:
            text = text.rpartition(" ")[0]
        prompts.append(Prompt(id=str(number), text=text))
    return prompts
