"""The bundled model tells the tutorial's story, and is not shown with prompts that it can't answer."""

from __future__ import annotations

import re
import runpy
import sys

import pytest

from promptlight.io import read_prompts
from promptlight.salience import AnalysisOptions, Completion, Model, Prompt
from promptlight.salience.run.batches import complete
from tests.support.paths import EXAMPLES

EVALUATE = EXAMPLES / "demo_model" / "evaluate.py"
CARD = EXAMPLES.parent / "salience" / "demo" / "README.md"


@pytest.fixture(scope="module")
def answers(demo_model: Model) -> dict[str, tuple[Prompt, str]]:
    """What it writes after each example prompt."""
    prompts = [record for record in read_prompts(EXAMPLES / "prompts.jsonl") if isinstance(record, Prompt)]
    completions = complete(prompts, demo_model, AnalysisOptions())
    texts = [completion.completion_text for completion in completions if isinstance(completion, Completion)]
    return {prompt.id: (prompt, text) for prompt, text in zip(prompts, texts, strict=True)}


def of_kind(answers: dict[str, tuple[Prompt, str]], kind: str) -> list[tuple[Prompt, str]]:
    found = [answer for answer in answers.values() if answer[0].label == kind]
    assert len(found) == 3
    return found


def test_a_headline_is_made_of_its_story(answers: dict[str, tuple[Prompt, str]]) -> None:
    for prompt, text in of_kind(answers, "headline"):
        names = re.findall(r"[A-Z][a-z]+ [A-Z][a-z]+", text)
        assert len(names) == 2
        assert all(name in prompt.text for name in names)
        deed = re.sub("|".join(names), "", text).split()
        assert any(word.rstrip("s") in prompt.text for word in deed if word != "and")
        assert "\n" not in text


def test_ideas_are_a_list_about_the_item(answers: dict[str, tuple[Prompt, str]]) -> None:
    from examples.demo_model.side_tasks import IDEAS

    for prompt, text in of_kind(answers, "ideas"):
        match = re.search(r"Item: (.+)", prompt.text)
        assert match
        numbered = re.fullmatch(r"\n\n1\. (.+)\n2\. (.+)\n3\. (.+)", text)
        assert numbered
        assert set(numbered.groups()) == set(IDEAS[match[1]])


def test_a_sum_has_its_form_if_not_its_result(answers: dict[str, tuple[Prompt, str]]) -> None:
    for _, text in of_kind(answers, "sums"):
        assert re.fullmatch(
            r"The \w+ cost \d x \$\d = \$<<\d\*\d=(\d+)>>\1\."
            r"\nTogether she pays \$\1 \+ \$\d = \$<<\1\+\d=(\d+)>>\2\.",
            text,
        )


@pytest.mark.slow
def test_the_rates_of_the_card_are_measured_and_above_their_bars(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", [str(EVALUATE)])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(EVALUATE), run_name="__main__")
    printed = capsys.readouterr().out
    assert ended.value.code == 0, printed
    found, stated = (
        {name: int(hits) for name, hits in re.findall(r"^\| (.+?) \| (\d+) of \d+ \|", text, re.MULTILINE)}
        for text in (printed, CARD.read_text(encoding="utf-8"))
    )
    assert len(found) > 10
    assert found == pytest.approx({name: stated[name] for name in found}, abs=3)  # rounding differs between processors
