"""Progress in words: what is done, how fast, how long it still takes."""

from __future__ import annotations

import pytest

from promptlight.cli.views.progress import Standing, spell_left, spell_rate, spell_step
from promptlight.salience.progress import Phase, Step, Unit


def step(phase: Phase, n_ids: int, unit: Unit = Unit.TOKENS) -> Step:
    return Step(phase=phase, done=1_200, total=2_640, unit=unit, ids=tuple("abcdefgh"[:n_ids]))


@pytest.mark.parametrize(
    ("said", "n_ids", "n_finished", "n_prompts"),
    [
        ("writing", 1, 0, 1),
        ("writing prompt 1 of 3", 1, 0, 3),
        ("writing 3 prompts", 3, 0, 3),
        ("writing the first 3 of 1,000 prompts", 3, 0, 1000),
        ("writing the next 3 of 1,000 prompts", 3, 64, 1000),
    ],
)
def test_writing_says_how_many_prompts_get_their_tokens(said: str, n_ids: int, n_finished: int, n_prompts: int) -> None:
    assert spell_step(step(Phase.WRITING, n_ids), n_finished, n_prompts) == f"{said}: 1,200/2,640 tokens"


@pytest.mark.parametrize(
    ("said", "n_finished", "n_prompts"),
    [("explaining", 0, 1), ("explaining prompt 1 of 3", 0, 3), ("explaining prompt 3 of 3", 3, 3)],
)
def test_explaining_says_which_prompt(said: str, n_finished: int, n_prompts: int) -> None:
    for unit in (Unit.TARGETS, Unit.PASSES):
        assert spell_step(step(Phase.EXPLAINING, 1, unit), n_finished, n_prompts) == f"{said}: 1,200/2,640 {unit}"


@pytest.mark.parametrize(
    ("per_second", "said"),
    [(0.0123, "0.012"), (0.3, "0.3"), (0.96, "0.96"), (2.34, "2.3"), (9.97, "10"), (36.2, "36"), (1234.5, "1,234")],
)
def test_a_rate_has_digits_that_say_something(per_second: float, said: str) -> None:
    assert spell_rate(per_second) == f"{said} tokens/s"


@pytest.mark.parametrize(
    ("seconds", "said"), [(-1, "0 s"), (0.4, "0 s"), (9.9, "10 s"), (45, "45 s"), (300, "5 min"), (11_520, "3.2 h")]
)
def test_time_left_is_in_whole_units(seconds: float, said: str) -> None:
    assert spell_left(seconds) == said


def test_a_standing_leaves_out_what_is_not_known() -> None:
    assert Standing(text="writing: 0/40 tokens").spell() == "writing: 0/40 tokens"
    known = Standing(text="explaining: 20/40 targets", rate="0.3 tokens/s", share=0.5, seconds_left=70)
    assert known.spell() == "explaining: 20/40 targets, 0.3 tokens/s, about 70 s left"
