"""The cost of each method: gradients against ablation, on the demo model and the tutorial's prompts.

All methods explain the same targets, every line and word of the completion, by the same sources, the lines before them.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path

from promptlight.io import read_prompts
from promptlight.salience import load_model
from promptlight.salience.ablation.scores import AblationOptions, ShapleySampling, compute_ablation_scores
from promptlight.salience.gradients.compute import compute_salience
from promptlight.salience.model import Model
from promptlight.salience.options.analysis import AnalysisOptions
from promptlight.salience.options.methods import AblationKind
from promptlight.salience.run.batches import complete
from promptlight.salience.text.spans import segment
from promptlight.salience.types import Completion, Granularity, Method, Prompt
from tests.benchmarks.measure import Candidate, Settings, Table, alternate, compare

EXAMPLES = Path(__file__).parents[2] / "examples" / "prompts.jsonl"
TUTORIAL = ("dish-mistake", "dish-fixed", "dish-constitution")
GRADIENT = "grad_l2, with words and lines"
N_ABLATIONS = 128


def run(settings: Settings) -> list[Table]:
    """Make one table from at most 3 rounds; quick explains one prompt."""
    settings = dataclasses.replace(settings, rounds=min(settings.rounds, 3))
    model = load_model("demo", device="cpu")
    completions = complete_tutorial(model, 1 if settings.quick else len(TUTORIAL))
    ways: dict[str, Callable[[Completion], object]] = {GRADIENT: functools.partial(by_gradient, model, Method.GRAD_L2)}
    for method in (Method.GRAD_DOT_INPUT, Method.INTEGRATED_GRADIENTS, Method.SMOOTHGRAD):
        ways[method.value] = functools.partial(by_gradient, model, method)
    for name, method, options in (
        ("occlusion", Method.OCCLUSION, AblationOptions()),
        ("occlusion, drop", Method.OCCLUSION, AblationOptions(ablate=AblationKind.DROP)),
        ("lime", Method.LIME, AblationOptions(ablations=N_ABLATIONS)),
        ("shap, kernel", Method.SHAP, AblationOptions(ablations=N_ABLATIONS)),
        ("shap, orders", Method.SHAP, AblationOptions(ablations=N_ABLATIONS, shapley=ShapleySampling.ORDERS)),
        ("surrogate", Method.SURROGATE, AblationOptions(ablations=N_ABLATIONS)),
        ("surrogate, drop", Method.SURROGATE, AblationOptions(ablations=N_ABLATIONS, ablate=AblationKind.DROP)),
    ):
        ways[name] = functools.partial(by_ablation, model, method, options)
    seconds = alternate(
        {
            name: Candidate(lambda way=way: [way(completion) for completion in completions], len(completions))
            for name, way in ways.items()
        },
        settings,
    )
    title = f"Methods on the demo model: prompts {len(completions)}, sources are lines, {N_ABLATIONS} ablations"
    table = compare(title, seconds, GRADIENT, unit="CPU ms a prompt", scale=1000)
    table.notes.append(describe_work(completions))
    return [table]


def complete_tutorial(model: Model, n: int) -> list[Completion]:
    """The model's completions of the tutorial's first prompts."""
    records = (record for record in read_prompts(EXAMPLES) if isinstance(record, Prompt))
    prompts = {record.id: record for record in records}
    completions = complete([prompts[id] for id in TUTORIAL[:n]], model, AnalysisOptions())
    return [completion for completion in completions if isinstance(completion, Completion)]


def by_gradient(model: Model, method: Method, completion: Completion) -> object:
    """A backward per token, and the exact scores of words and lines."""
    cuts = {name: segment(completion, name) for name in (Granularity.WORD, Granularity.LINE)}
    return compute_salience(model.decoder, completion.ids, completion.n_prompt_tokens, cuts, methods=(method,))


def by_ablation(model: Model, method: Method, options: AblationOptions, completion: Completion) -> object:
    """Explain every word and line of the completion by lines."""
    lines = segment(completion, Granularity.LINE)
    return compute_ablation_scores(model.decoder, completion, lines, find_targets(completion), method, options)


def find_targets(completion: Completion) -> list[tuple[int, int]]:
    """The words and lines of the completion."""
    first = completion.n_prompt_tokens
    cuts = (segment(completion, name) for name in (Granularity.WORD, Granularity.LINE))
    return [cut.ranges()[number] for cut in cuts for number in cut.spans_from(first)]


def describe_work(completions: list[Completion]) -> str:
    """The mean numbers of tokens, lines and targets of a prompt."""
    n = len(completions)
    tokens = sum(len(completion.tokens) for completion in completions) / n
    lines = sum(len(segment(completion, Granularity.LINE)) for completion in completions) / n
    targets = sum(len(find_targets(completion)) for completion in completions) / n
    return f"A prompt has {tokens:.0f} tokens, {lines:.0f} lines and {targets:.0f} targets on average."
