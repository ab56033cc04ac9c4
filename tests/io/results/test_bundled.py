"""The results in the package: the tutorial's story on a real Gemma, from this checkout's prompts."""

# pyright: standard

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from promptlight.io.prompts.reader import read_prompts
from promptlight.io.results.answers import find_answers, read_answers
from promptlight.io.results.folders import BUNDLED, find_folder, is_bundled
from promptlight.io.results.reader import read_results, read_settings
from promptlight.io.results.shards import read_metadata, require_shards
from promptlight.salience.explain.explanation import Explanation, Question, explain_target
from promptlight.salience.types import Analysis, Granularity, Method, Prompt
from tests.support.bundled import MODEL_FILE
from tests.support.paths import EXAMPLES
from tests.support.real import SHA256, STORY_IDS

HOME = BUNDLED["gemma-tutorial"]
LINES = Question(by=Granularity.LINE, target_by=Granularity.LINE, target="Recommendation")


@pytest.fixture(scope="module")
def stored() -> dict[str, Analysis]:
    return {one.completion.prompt.id: one for one in read_results(HOME) if isinstance(one, Analysis)}


def explain(analysis: Analysis) -> Explanation:
    return explain_target(analysis, LINES)


def test_they_are_of_the_prompts_in_the_examples(stored: dict[str, Analysis]) -> None:
    examples = {one.id: one for one in read_prompts(EXAMPLES / "prompts.jsonl") if isinstance(one, Prompt)}
    assert tuple(stored) == STORY_IDS
    for id, analysis in stored.items():
        assert (analysis.completion.prompt.text, analysis.completion.prompt.path) == (
            examples[id].text,
            "examples/prompts.jsonl",
        )


def test_they_say_which_model_made_them_and_nothing_of_the_machine() -> None:
    settings, (shard,) = read_settings(HOME), require_shards(HOME)
    assert (settings["model"], settings["file_sha256"]) == (MODEL_FILE, SHA256)
    assert settings["quantised"].startswith("Q4_K_M")
    assert settings["temperature"] == 0.0
    assert not re.search(r'"(/|~|[A-Z]:)', json.dumps(read_metadata(shard)))
    card = (HOME / "README.md").read_text("utf-8")
    for said in (MODEL_FILE, SHA256, "Q4_K_M", "third party", "https://ai.google.dev/gemma/terms"):
        assert said in card


def test_the_mistaken_line_is_the_strongest_reason_to_recommend_the_quiche(stored: dict[str, Analysis]) -> None:
    explanation = explain(stored["dish-mistake"])
    assert stored["dish-mistake"].completion.completion_text.endswith("\nRecommendation: You have to try it.")
    first, second = explanation.strongest(2)
    assert (first.line, first.text.strip()) == (9, "Recommendation: You have to try it.")
    assert second.line == 8
    assert explanation.shares[first.number] == pytest.approx(0.111, abs=0.002)


def test_with_that_line_fixed_or_with_principles_it_advises_against(stored: dict[str, Analysis]) -> None:
    assert stored["dish-fixed"].completion.completion_text.endswith("\nRecommendation: Avoid.")
    assert stored["dish-constitution"].completion.completion_text.endswith("\nRecommendation: Don't eat it.")
    fixed, principled = (explain(stored[id]).strongest(2) for id in ("dish-fixed", "dish-constitution"))
    assert sorted(one.line for one in fixed) == [8, 9]
    assert [one.text.strip() for one in principled] == ["Suggestion: Quiche Lorraine", "Taste-dislikes: Can't eat eggs"]


def test_it_is_kept_that_the_mistaken_line_was_why(stored: dict[str, Analysis]) -> None:
    answers = find_answers(read_answers(HOME), stored["dish-mistake"], Method.GRAD_L2)
    replaced, taken_away = answers
    assert [(one["line"], one["answer"]) for one in replaced["trials"]] == [(9, "Recommendation: Avoid.")]
    assert replaced["sentence"].startswith(
        "It wrote “Recommendation: You have to try it.” most of all because of line 9 (11.1%)"
    )
    assert [one["changed"] for one in taken_away["trials"]] == [True, True, False, False, False, False]
    assert [one["id"] for one in read_answers(HOME)] == ["dish-mistake", *STORY_IDS]


def test_a_folder_of_that_name_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    name = Path("gemma-tutorial")
    assert find_folder(name) == HOME
    name.mkdir()
    assert find_folder(name) == name
    assert [is_bundled(HOME), is_bundled(name)] == [True, False]
