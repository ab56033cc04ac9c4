"""What is to write is said beforehand; how long it takes, as soon as something is written."""

# pyright: standard

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from promptlight.cli.views.progress import Standing
from promptlight.cli.work._writing_again import Load, Pen
from promptlight.salience.errors import UsageError
from promptlight.salience.explain.explanation import Question
from promptlight.salience.options.analysis import AnalysisOptions
from promptlight.salience.progress import Phase
from promptlight.salience.regeneration.finding_causes import PartsPlan, plan_parts
from promptlight.salience.types import Prompt
from tests.support.handmade import make_analysis, make_completion

if TYPE_CHECKING:
    from promptlight.salience import Model


@dataclass
class Heard:
    """A display that keeps what it is told."""

    said: list[str] = field(default_factory=list[str])
    shown: list[Standing] = field(default_factory=list[Standing])

    def say(self, message: str) -> None:
        self.said.append(message)

    def show(self, phase: Phase, standing: Callable[[], Standing], *, begins: bool = False) -> None:
        self.shown.append(standing())

    def loading(self, model: str) -> nullcontext[None]:
        return nullcontext()


def make_plan(id: str = "quiche") -> PartsPlan:
    prompt = Prompt(id=id, text="Eggs.\nQuiche.\nAsk:")
    return plan_parts(make_analysis(make_completion(["<bos>", *prompt.text], list("Yes."), prompt=prompt)), Question())


def make_pen(model: Model, display: Heard, n_plans: int, seconds: float) -> Pen:
    """The clock moves on by so many seconds each time that it is read."""
    load, now = Load(), 0.0
    for number in range(n_plans):
        load = load.with_plan(make_plan(str(number)), kept=False)

    def clock() -> float:
        nonlocal now
        now += seconds
        return now

    return Pen(model, AnalysisOptions(max_new_tokens=4), load, display, clock)


def test_the_load_counts_completions_of_parts_and_of_prompts_as_they_are() -> None:
    load = Load().with_plan(make_plan(), kept=False).with_plan(make_plan(), kept=False)
    assert load.spell() == "2 prompts, 6 parts: the model writes 8 completions"
    assert load.n_tokens == 8 * len("Yes.")
    load = load.with_plan(make_plan(), kept=True)
    assert load.spell() == "2 prompts, 6 parts: the model writes 8 completions; 1 prompt done before"


def test_it_says_how_far_it_has_come_and_what_the_others_take(demo_model: Model) -> None:
    display, plans = Heard(), [make_plan("0"), make_plan("1")]
    pen = make_pen(demo_model, display, 2, seconds=40.0)
    for plan in plans:
        prompts = [plan.analysis.completion.prompt, *(part.prompt for part in plan.parts)]
        assert [one.prompt for one in pen.follow(plan)(prompts)] == prompts
    assert len(display.said) == 1
    assert display.said[0].startswith("4 more completions take about ")
    shares = [one.share for one in display.shown if one.share is not None]
    assert shares == sorted(shares)
    assert max(shares) == 1
    assert display.shown[0].text == "writing again, prompt 1 of 2: 0/8 completions"
    assert display.shown[-1].text == "writing again, prompt 2 of 2: 4/8 completions"


def test_of_one_prompt_no_number_is_said_and_little_time_is_not_worth_a_line(demo_model: Model) -> None:
    display, plan = Heard(), make_plan()
    pen = make_pen(demo_model, display, 1, seconds=0.001)
    pen.follow(plan)([plan.analysis.completion.prompt])
    assert display.shown[0].text == "writing again: 0/4 completions"
    assert display.said == []


def test_a_prompt_that_does_not_fit_is_refused(demo_model: Model) -> None:
    pen = make_pen(demo_model, Heard(), 1, seconds=0.001)
    with pytest.raises(UsageError, match=r"^long: the prompt has"):
        pen.follow(make_plan())([Prompt(id="long", text="egg " * demo_model.facts.context_length)])
