"""How far an evaluation has come, by hand: passes, their share of all tokens, and the time left."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import pytest

from promptlight.cli.views.progress import Standing
from promptlight.cli.work._passes import Meter, Workload
from promptlight.salience.progress import Phase


class Recorder:
    """A display that keeps what it is shown."""

    def __init__(self) -> None:
        self.found: list[Standing] = []
        self.said: list[str] = []

    def say(self, message: str) -> None:
        self.said.append(message)

    def show(self, phase: Phase, standing: Callable[[], Standing], *, begins: bool = False) -> None:
        assert phase is Phase.EVALUATING
        self.found.append(standing())

    def loading(self, model: str) -> AbstractContextManager[None]:
        return nullcontext()


def test_time_left_follows_the_tokens_of_all_passes() -> None:
    """10 passes of 100 tokens and 20 of 25: two thirds of the work lie in the first prompt."""
    now, display = 1000.0, Recorder()
    load = Workload(n_prompts=2, n_passes=30, n_tokens=1500)
    meter = Meter(load, display, clock=lambda: now)
    counted = meter.follow(100)
    counted(0, 10)
    assert display.found[-1] == Standing(text="evaluating prompt 1 of 2: 0/30 passes", share=0.0)
    now += 6
    counted(3, 10)
    said = display.found[-1]
    assert (said.text, said.share) == ("evaluating prompt 1 of 2: 3/30 passes", 0.2)
    assert said.seconds_left == pytest.approx(24)  # 300 tokens took 6 s
    now += 4
    counted(10, 10)
    assert display.found[-1].seconds_left == pytest.approx(5)
    counted = meter.follow(25)
    counted(0, 20)
    now += 2
    counted(8, 20)
    said = display.found[-1]
    assert said.text == "evaluating prompt 2 of 2: 18/30 passes"
    assert said.share == pytest.approx(0.8)
    assert said.seconds_left == pytest.approx(3)
    counted(20, 20)
    assert (display.found[-1].share, display.found[-1].seconds_left) == (1.0, 0.0)
    assert display.said == []
    assert [one.share or 0 for one in display.found] == sorted(one.share or 0 for one in display.found)


def test_what_takes_long_is_said_once_as_soon_as_a_pass_is_measured() -> None:
    now, display = 0.0, Recorder()
    counted = Meter(Workload(n_prompts=1, n_passes=2310, n_tokens=23100), display, clock=lambda: now).follow(10)
    counted(0, 2310)
    for done in (8, 16):
        now += 5
        counted(done, 2310)
    assert display.said == ["2,310 passes take about 24 min here"]


def test_more_passes_than_planned_do_not_go_beyond_the_end() -> None:
    now, display = 0.0, Recorder()
    counted = Meter(Workload(n_prompts=1, n_passes=2, n_tokens=20), display, clock=lambda: now).follow(10)
    counted(0, 2)
    now += 1
    counted(3, 3)
    assert display.found[-1] == Standing(text="evaluating: 3/2 passes", share=1.0, seconds_left=0.0)


def test_the_line_before_the_work_counts_prompts_and_passes() -> None:
    assert Workload(n_prompts=1, n_passes=1, n_tokens=9).spell() == "to measure: 1 prompt, 1 pass"
    load = Workload(n_prompts=1200, n_passes=23456, n_tokens=9, n_kept=3)
    assert load.spell() == "to measure: 1,200 prompts, 23,456 passes; 3 measured before"
