"""Every part is taken away alone, and a stand-in for the model writes again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from promptlight.salience.errors import UsageError
from promptlight.salience.explain.explanation import Question
from promptlight.salience.regeneration.finding_causes import find_causes, plan_parts
from promptlight.salience.regeneration.prompt_causes import PromptCauses
from promptlight.salience.types import Analysis, Completion, Granularity, Prompt, StopReason
from tests.support.handmade import make_analysis, make_completion

TEXT = "Likes bread.\nNo eggs.\nQuiche.\nAsk:"
SAFE, DANGER = "it is fine.\nEat it.", "it has egg.\nAvoid it."
QUESTION = Question()


def write(prompt: Prompt) -> Completion:
    """Warns if the prompt has a guest without eggs and a quiche, and asks to be asked."""
    answer = (
        (DANGER if "No eggs" in prompt.text and "Quiche" in prompt.text else SAFE) if "Ask:" in prompt.text else "?"
    )
    return make_completion(["<bos>", *prompt.text], list(answer), prompt=prompt)


def complete(prompts: Sequence[Prompt]) -> list[Completion]:
    return [write(prompt) for prompt in prompts]


def explain(**changes: object) -> Analysis:
    prompt = Prompt(id="quiche", text=TEXT, label="dish", fingerprint="print")
    return make_analysis(replace(write(prompt), **changes), exact=())  # pyright: ignore


def test_parts_without_which_the_answer_changes_are_causes() -> None:
    plan = plan_parts(explain(), QUESTION)
    assert (plan.n_completions, plan.n_tokens) == (5, 5 * len(DANGER))
    found = find_causes(plan, complete)
    assert [(part.line, part.changed, part.answer) for part in found.parts] == [
        (1, False, "Avoid it."),
        (2, True, "Eat it."),
        (3, True, "Eat it."),
        (4, True, None),  # one line stands for two, and is paired with the first
    ]
    assert [part.text for part in found.causes] == ["No eggs.\n", "Quiche.\n", "Ask:"]
    assert (found.target, found.target_text, found.answer, found.label) == ("-1", "Avoid it.", "Avoid it.", "dish")
    assert found.can_judge
    assert found.is_reproduced
    assert plan.is_of(found)
    assert not plan_parts(explain(), replace(QUESTION, by=Granularity.WORD)).is_of(found)
    assert not plan_parts(explain(), replace(QUESTION, target="1")).is_of(found)


def test_another_part_of_the_completion_can_be_asked_about() -> None:
    found = find_causes(plan_parts(explain(), replace(QUESTION, target="egg", target_by=Granularity.WORD)), complete)
    assert (found.target_text, found.target_by) == ("egg.", "word")
    assert [part.answer for part in found.parts[:2]] == ["egg.", "fine."]


def test_what_the_model_writes_now_counts_and_not_what_is_stored() -> None:
    plan = plan_parts(explain(), QUESTION)
    found = find_causes(plan, lambda prompts: [write(replace(prompt, text="Ask:")) for prompt in prompts])
    assert (found.target_text, found.answer, found.is_reproduced) == ("Avoid it.", "Eat it.", False)
    assert found.causes == []
    assert not found.can_judge


def test_what_can_not_be_written_again_is_refused() -> None:
    with pytest.raises(UsageError, match="the record's own"):
        plan_parts(explain(stop_reason=StopReason.GIVEN), QUESTION)
    with pytest.raises(UsageError, match="found only one") as refused:
        plan_parts(explain(), replace(QUESTION, by=Granularity.PARAGRAPH))
    assert refused.value.parameters == ("by",)


def test_rows_give_it_back() -> None:
    found = find_causes(plan_parts(explain(), QUESTION), complete)
    rows = found.to_rows()
    assert {len(row) for row in rows} == {16}
    assert PromptCauses.from_rows(reversed(rows)) == found
