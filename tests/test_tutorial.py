"""The tutorial says what its commands print, and what it says of the results is so."""

# pyright: standard

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from promptlight.io import find_result
from promptlight.salience import Analysis
from promptlight.salience.explain.comparison import compare_explanations
from promptlight.salience.explain.explanation import Explanation, Question, explain_target
from promptlight.salience.types import Granularity, Method
from tests.support.tutorial import BLOCK, PAGE, TRANSLATION, read_commands, run_tutorial

LINES = Question(by=Granularity.LINE, target="Recommendation", target_by=Granularity.LINE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tutorial")


@pytest.fixture(scope="module")
def made(folder: Path) -> str:
    return run_tutorial(PAGE, folder)


def without_digits(text: str) -> str:
    """Scores can differ in their last digits from machine to machine, and times do."""
    return re.sub(r"[\d., ]+", "#", text)


def test_every_block_is_what_its_commands_print(made: str) -> None:
    assert without_digits(made) == without_digits(PAGE.read_text(encoding="utf-8")), "run make docs"


def test_the_translation_has_the_same_blocks() -> None:
    blocks, translated = (BLOCK.findall(page.read_text(encoding="utf-8")) for page in (PAGE, TRANSLATION))
    assert blocks == translated
    assert sum(len(read_commands(block)) for block in blocks) >= 10


def explain(folder: Path, id: str, question: Question = LINES, *, method: Method | None = None) -> Explanation:
    analysis = find_result(folder, id=id)
    assert isinstance(analysis, Analysis)
    return explain_target(analysis, replace(question, method=method))


def shares_of(explanation: Explanation, start: str) -> dict[int, float]:
    """Line -> share, of the prompt's lines that begin with these words."""
    return {
        span.line: float(explanation.shares[span.number]) for span in explanation.spans if span.text.startswith(start)
    }


def test_among_recommendations_line_nine_comes_first_by_far(made: str, folder: Path) -> None:
    explanation = explain(folder / "results", "dish-mistake")
    shares = shares_of(explanation, "Recommendation:")
    others = [share for line, share in shares.items() if line != 9]
    assert shares[9] > 1.5 * max(others)
    above = [span.line for span in explanation.strongest(3) if span.line != 9]
    assert above == [13, 28]
    assert max(explanation.shares) < 1.2 * shares[9]  # "by a little"


def test_the_fixed_line_has_three_times_its_share_and_the_bread_is_pale(made: str, folder: Path) -> None:
    before, after = (explain(folder / "results", name) for name in ("dish-mistake", "dish-fixed"))
    moved = {pair.before.line: pair for pair in compare_explanations(before, after) if pair.before}
    assert (moved[9].share_after or 0) > 0.25
    assert 2.7 < (moved[9].share_after or 0) / (moved[9].share_before or 1) < 3.4
    assert (moved[13].share_before or 0) > 0.1
    assert (moved[13].share_after or 0) < 0.03


def test_occlusion_and_gradients_disagree_about_the_principle(made: str, folder: Path) -> None:
    question = Question(by=Granularity.LINE, target="can't", target_by=Granularity.WORD)
    gradient, occlusion = (
        explain(folder / "results-why", "dish-constitution", question, method=method)
        for method in (Method.GRAD_L2, Method.OCCLUSION)
    )
    assert [span.line for span in gradient.strongest(2)] == [29, 4]
    (top,) = occlusion.strongest(1)
    assert top.line == 4
    scores = sorted(map(abs, occlusion.scores.tolist()), reverse=True)
    assert scores[0] == pytest.approx(11, abs=1)  # nats
    assert scores[1] < 0.05
