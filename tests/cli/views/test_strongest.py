"""The list of the strongest sources, and where in the prompt to look first."""

from __future__ import annotations

from pathlib import Path

from promptlight.cli.views.strongest import spell_advice
from promptlight.io.results.folders import BUNDLED
from promptlight.io.results.reader import find_result
from promptlight.salience.explain.explanation import Question, explain_target
from promptlight.salience.types import Analysis, Granularity, Role
from tests.support.handmade import make_analysis, make_completion


def advise(id: str, by: Granularity, target: str) -> str:
    analysis = find_result(BUNDLED["gemma-tutorial"], id=id)
    assert isinstance(analysis, Analysis)
    return spell_advice(explain_target(analysis, Question(by=by, target=target, target_by=Granularity.LINE)))


def test_the_advice_names_the_line_and_its_share() -> None:
    said = advise("dish-mistake", Granularity.LINE, "Recommendation")
    assert said == ("Look first at line 9 of the prompt, “Recommendation: You have to try it.”: 11.1% of all scores.")


def test_a_word_is_named_within_its_line() -> None:
    assert advise("dish-mistake", Granularity.WORD, "Recommendation").startswith(
        "Look first at “Recommendation:” in line 9 of"
    )


def test_what_the_model_wrote_itself_can_not_be_changed_and_is_left_out(demo_results: Path) -> None:
    analysis = find_result(demo_results, id="dish-mistake")
    assert isinstance(analysis, Analysis)
    question = Question(by=Granularity.LINE, target="You have to try it", target_by=Granularity.WORD)
    explanation = explain_target(analysis, question)
    assert explanation.strongest(1)[0].role is Role.COMPLETION  # its own analysis comes first
    assert spell_advice(explanation).startswith("Look first at line 9 of the prompt, “Recommendation: You have to")


def test_without_a_prompt_there_is_none() -> None:
    completion = make_completion(["<bos>"], ["▁so", "▁on"])
    assert spell_advice(explain_target(make_analysis(completion), Question(by=Granularity.WORD))) == ""
