"""Test methods on prompts of variable tracking that a model of the user's solves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from promptlight.cli.options.evaluation import BenchmarkOptions
from promptlight.cli.options.picture import Picture
from promptlight.cli.views.output import View
from promptlight.cli.views.recall import Solving, render_recall
from promptlight.cli.work.benchmark import show_each
from promptlight.cli.work.progress import open_display
from promptlight.salience.benchmark.causes import KnownCause
from promptlight.salience.benchmark.recall import Recall, measure_recall
from promptlight.salience.benchmark.solved import Attempt, Rewritten, ask_in_batches, build_case, write_without
from promptlight.salience.benchmark.tracking import Form
from promptlight.salience.errors import UsageError
from promptlight.salience.loading.load import load_model
from promptlight.salience.model import Model
from promptlight.salience.options.methods import MethodOptions
from promptlight.salience.types import Benchmark, Method

METHODS = (Method.GRAD_L2, Method.GRAD_DOT_INPUT)
N_PROMPTS = 30
N_REWRITTEN = 12  # prompts that are written again without each line


def run_tracking(
    options: BenchmarkOptions, picture: Picture, *, seed: int, model: str | None, device: str, as_json: bool
) -> None:
    """Let the model answer prompts until enough are solved, score those by each method and way, print the figures."""
    if model is None:
        raise UsageError(
            "expected a model that follows variables, found none: the bundled one does not", parameters=("model",)
        )
    form, n_prompts = Form(hops=options.hops, at_once=options.at_once), options.n_prompts or N_PROMPTS
    with open_display() as display:
        with display.loading(model):
            loaded = load_model(model, device=device, on_fetch=display.say)
        asked = _Asked(loaded, form, n_prompts, seed)
        cases = show_each(asked.find_cases(), n_prompts, display)
        found = measure_recall(loaded, cases, options.method or METHODS, MethodOptions(seed=seed))
    solving = Solving(
        form=form,
        seed=seed,
        n_drawn=len(asked.attempts),
        n_solved=sum(one.is_solved for one in asked.attempts),
        n_consistent=sum(one.is_consistent for one in asked.attempts),
        rewritten=asked.rewritten,
    )
    view = View(
        paint=lambda _, __: render_recall(found, solving),
        describe=lambda: _describe(loaded.facts.name, found, solving),
        signed=False,
        title="promptlight evaluate --benchmark",
    )
    picture.draw(view, as_json=as_json)


@dataclass
class _Asked:
    """All that the model was asked so far."""

    model: Model
    form: Form
    n_prompts: int
    seed: int
    attempts: list[Attempt] = field(default_factory=list[Attempt])
    rewritten: list[tuple[Attempt, Rewritten]] = field(default_factory=list[tuple[Attempt, Rewritten]])

    def find_cases(self) -> Iterator[KnownCause]:
        """The cases of the first ``n_prompts`` solved prompts; the first of them are written again."""
        n_found = 0
        for batch in ask_in_batches(self.model, self.form, self.n_prompts, seed=self.seed):
            self.attempts += batch
            for attempt in batch:
                if attempt.is_solved and n_found < self.n_prompts:
                    n_found += 1
                    if n_found <= N_REWRITTEN:
                        self.rewritten.append((attempt, write_without(self.model, attempt)))
                    yield build_case(attempt)


def _describe(model: str, found: list[Recall], solving: Solving) -> dict[str, Any]:
    return {
        "benchmark": Benchmark.TRACKING.value,
        "model": model,
        "seed": solving.seed,
        "form": asdict(solving.form),
        "prompts": len(found[0].found),
        "drawn": solving.n_drawn,
        "solved": solving.n_solved,
        "consistent": solving.n_consistent,
        "written_again": {"chain": asdict(solving.chain), "others": asdict(solving.others)},
        "figures": [
            {
                "method": one.method,
                "way": one.way and one.way.value,
                "scope": one.scope.value,
                "recall": one.recall,
                "recall_interval": one.recall_interval,
                "value_on_top": one.value,
                "value_interval": one.value_interval,
                "hop_on_top": one.hop,
                "hop_interval": one.hop_interval,
            }
            for one in found
        ],
    }
