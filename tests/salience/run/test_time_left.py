"""The time left: from the work that is left and a clock, here one that the test sets."""

# pyright: standard

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from promptlight.salience.options.analysis import AnalysisOptions
from promptlight.salience.options.methods import MethodOptions
from promptlight.salience.progress import Phase, Step, Unit
from promptlight.salience.run.time_left import PASSES_PER_STEP, Task, TimeLeft, Workload
from promptlight.salience.types import Granularity, Method

N_PROMPT, N_NEW = 100, 20
PER_TOKEN, PER_TARGET = 0.5, 2.0  # seconds
READ, START = 1.5, 3.0  # and for each prompt, before its first token and its first target


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def make_workload(n: int, n_tasks: int | None = None, *, is_given: bool = False) -> Workload:
    tasks = [Task(id=str(at), n_prompt=N_PROMPT, n_new=N_NEW, is_given=is_given) for at in range(n_tasks or n)]
    return Workload(tasks=tasks, n_prompts=n, spans_per_token={}, options=AnalysisOptions())


def write(ids: Sequence[str], n_new: int = N_NEW) -> Iterator[tuple[float, Step]]:
    """The steps of a batch whose completions all have ``n_new`` tokens, and the seconds before each."""
    most = N_NEW * len(ids)
    for done, seconds in ((0, 0.0), (0, READ), *((one, PER_TOKEN) for one in range(1, n_new + 1))):
        total = most if done < n_new else n_new * len(ids)
        step = Step(
            phase=Phase.WRITING,
            done=done * len(ids),
            total=total,
            unit=Unit.TOKENS,
            ids=tuple(ids),
            n_prompt=N_PROMPT * len(ids),
        )
        yield seconds * len(ids), step


def explain(id: str, n_new: int = N_NEW) -> Iterator[tuple[float, Step]]:
    start = START * (N_PROMPT + n_new) / (N_PROMPT + N_NEW)
    for done, seconds in ((0, 0.0), (0, start), *((one, PER_TARGET) for one in range(1, n_new + 1))):
        step = Step(
            phase=Phase.EXPLAINING,
            done=done,
            total=n_new,
            unit=Unit.TARGETS,
            ids=(id,),
            share=done / n_new,
            n_prompt=N_PROMPT,
            n_new=n_new,
        )
        yield seconds, step


def go(left: TimeLeft, clock: Clock, steps: Iterator[tuple[float, Step]]) -> Iterator[Step]:
    for seconds, step in steps:
        clock.now += seconds
        left.see(step)
        yield step


def test_nothing_is_known_before_the_first_step_is_over_and_nothing_is_divided_by_zero() -> None:
    clock = Clock()
    left = TimeLeft(make_workload(3), clock)
    assert (left.seconds, left.share, left.targets_per_second) == (None, 0, 0)
    (first, *_) = write(["0"])
    left.see(first[1])
    assert (left.seconds, left.share) == (None, 0)
    empty = TimeLeft(make_workload(0), clock)
    empty.see(Step(phase=Phase.WRITING, done=0, total=0))
    assert (empty.seconds, empty.share) == (None, 0)


def test_it_falls_with_every_step_and_is_exact_once_both_speeds_are_known() -> None:
    """Three prompts of the same size, at a steady speed."""
    clock, n = Clock(), 3
    left = TimeLeft(make_workload(n), clock)
    end = clock.now + n * (N_NEW * (PER_TOKEN + PER_TARGET) + READ + START)
    said: list[float] = []
    shares: list[float] = []
    ids = [str(at) for at in range(n)]
    for step in go(left, clock, write(ids)):
        if step.done:
            said.append(left.seconds or 0)
            shares.append(left.share)
    per_pass = n * PER_TOKEN / PASSES_PER_STEP
    guess = n * (N_PROMPT + N_NEW) * (2 + N_NEW) * per_pass  # without a target
    assert said == pytest.approx([guess + n * PER_TOKEN * (N_NEW - done) for done in range(1, N_NEW + 1)])
    said.clear()
    for id in ids:
        for step in go(left, clock, explain(id)):
            if step.done or id != ids[0]:
                assert left.seconds == pytest.approx(end - clock.now)
                said.append(left.seconds or 0)
                shares.append(left.share)
        left.finish(id)
    assert said == sorted(said, reverse=True)
    assert shares == sorted(shares)
    assert left.seconds == 0
    assert left.share == pytest.approx(1)
    assert left.targets_per_second == pytest.approx(n * N_NEW / (end - 1000))


def test_it_moves_within_a_prompt() -> None:
    clock = Clock()
    left = TimeLeft(make_workload(1), clock)
    list(go(left, clock, write(["0"])))
    said = [left.seconds for step in go(left, clock, explain("0")) if step.done]
    assert len(set(said)) == N_NEW
    assert said[-1] == 0


def test_completions_that_end_early_let_expect_the_same_of_others() -> None:
    clock = Clock()
    left = TimeLeft(make_workload(2), clock)
    start = START * (N_PROMPT + N_NEW // 2) / (N_PROMPT + N_NEW)
    for id in ("0", "1"):
        list(go(left, clock, write([id], n_new=N_NEW // 2)))
        if id == "0":
            list(go(left, clock, explain(id, n_new=N_NEW // 2)))
            left.finish(id)
            assert left.seconds == pytest.approx(N_NEW // 2 * (PER_TOKEN + PER_TARGET) + READ + start)
    assert left.seconds == pytest.approx(N_NEW // 2 * PER_TARGET + start)


def test_a_sample_stands_for_all() -> None:
    clock, n = Clock(), 1000
    left = TimeLeft(make_workload(n, 10), clock)
    for id in ("3", "other"):  # one of the sample, and one that isn't
        list(go(left, clock, write([id])))
        list(go(left, clock, explain(id)))
        left.finish(id)
    assert left.seconds == pytest.approx((n - 2) * (N_NEW * (PER_TOKEN + PER_TARGET) + READ + START))


def test_given_completions_take_no_writing() -> None:
    clock = Clock()
    left = TimeLeft(make_workload(2, is_given=True), clock)
    list(go(left, clock, explain("0")))
    left.finish("0")
    assert left.seconds == pytest.approx(N_NEW * PER_TARGET + START)


def test_work_that_begins_again_after_memory_ran_out_is_counted_once() -> None:
    clock = Clock()
    left = TimeLeft(make_workload(1, is_given=True), clock)
    for _, step in zip(range(6), go(left, clock, explain("0")), strict=False):
        assert step.done < 5
    list(go(left, clock, explain("0")))
    assert left.seconds == 0
    left.finish("0")
    assert left.targets_per_second == pytest.approx(N_NEW / (clock.now - 1000))


def test_prompts_that_others_explain_are_counted_alone() -> None:
    clock = Clock()
    left = TimeLeft(make_workload(4), clock)
    clock.now += 10
    left.finish("0")
    assert (left.seconds, left.share) == (30, 0.25)
    left.finish("1")
    clock.now += 10
    assert (left.seconds, left.share) == (20, 0.5)


def test_several_methods_count_as_one_explanation() -> None:
    """The share says what is done, whatever is counted at the time."""
    clock = Clock()
    options = AnalysisOptions(
        methods=(Method.GRAD_L2, Method.OCCLUSION),
        method_options=MethodOptions(sources=Granularity.LINE),
    )
    task = Task(id="0", n_prompt=N_PROMPT, n_new=N_NEW, is_given=True)
    left = TimeLeft(Workload(tasks=[task], n_prompts=1, spans_per_token={}, options=options), clock)
    common = {"phase": Phase.EXPLAINING, "ids": ("0",), "n_prompt": N_PROMPT, "n_new": N_NEW}
    for seconds, done, share in ((0, 0, 0.0), (30, 20, 0.5), (0, 0, 0.5), (15, 50, 0.75)):
        clock.now += seconds
        left.see(Step(done=done, total=100, share=share, **common))
    assert left.seconds == pytest.approx(15)
