"""The outline of a folder's results says what ``explain_target`` says, from small columns alone."""

# pyright: standard

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from promptlight.io.results.folders import BUNDLED
from promptlight.io.results.overview import Outline, choose_method, outline_results
from promptlight.io.results.reader import read_results
from promptlight.salience.errors import UsageError
from promptlight.salience.explain.explanation import Question, explain_target
from promptlight.salience.types import Granularity, Method, SetAside
from tests.support.handmade import make_analysis, make_completion
from tests.support.results import analysis, open_writer, set_aside, write


def outline(folder: Path, method: Method = Method.GRAD_L2) -> list[Outline]:
    problems: list[str] = []
    found = list(outline_results(folder, method, problems))
    assert problems == []
    return found


def check(folder: Path) -> None:
    results = list(read_results(folder))
    found = outline(folder)
    assert len(found) == len(results)
    for result, one in zip(results, found, strict=True):
        if isinstance(result, SetAside):
            assert (one.id, one.reason, one.line, one.strongest) == (result.id, result.reason, result.line, None)
            continue
        completion = result.completion
        assert (one.id, one.label, one.reason) == (completion.prompt.id, completion.prompt.label, None)
        assert (one.completion, one.stop_reason) == (completion.completion_text, completion.ending)
        assert (one.n_prompt_tokens, one.n_tokens) == (
            completion.n_prompt_tokens,
            len(completion.tokens) - completion.n_prompt_tokens,
        )
        log_probs = [token.log_prob for token in completion.tokens if token.log_prob is not None]
        assert one.probability == pytest.approx(np.exp(np.mean(log_probs)))
        explanation = explain_target(result, Question(target="-1"))
        (span,) = explanation.strongest(1)
        assert one.strongest is not None
        assert (one.strongest.line, one.strongest.text) == (span.line, span.text)
        assert one.strongest.share == explanation.shares[span.number]


def test_it_agrees_with_the_explanation_of_the_last_line(demo_results: Path) -> None:
    check(demo_results)


def test_it_agrees_on_a_real_model() -> None:
    check(BUNDLED["gemma-tutorial"])


def test_without_scores_by_line_the_finest_scores_are_used(tmp_path: Path) -> None:
    completion = make_completion(["<bos>", "▁a", "\n", "▁b", "\n"], ["▁c", "▁d"])
    words = make_analysis(completion, exact=(Granularity.WORD,), with_tokens=False)
    (found,) = outline(write(tmp_path / "words", words))
    explanation = explain_target(words, Question(target="-1"))
    (span,) = explanation.strongest(1)
    assert explanation.target_by is Granularity.WORD
    assert found.strongest is not None
    assert (found.strongest.line, found.strongest.share) == (span.line, explanation.shares[span.number])


def test_an_empty_completion_has_no_strongest_source(tmp_path: Path) -> None:
    empty = make_analysis(make_completion(["<bos>", "▁a"], ["<eos>"]))
    (found,) = outline(write(tmp_path / "out", empty))
    assert (found.completion, found.strongest) == ("", None)


def test_a_damaged_shard_hides_its_own_rows_only(tmp_path: Path) -> None:
    folder = write(tmp_path / "out", analysis("one"), set_aside("two"), analysis("three"))
    (folder / "part-00000.parquet").write_bytes(b"PAR1")
    problems: list[str] = []
    assert [one.id for one in outline_results(folder, choose_method(folder, None), problems)] == ["three"]
    assert "part-00000.parquet" in problems[0]


def test_a_method_that_was_not_run_is_refused(tmp_path: Path) -> None:
    with open_writer(tmp_path / "out") as writer:
        writer.add(analysis("one"))
    assert choose_method(tmp_path / "out", None) is Method.GRAD_L2
    with pytest.raises(UsageError, match="expected scores by lime, found grad_l2"):
        choose_method(tmp_path / "out", Method.LIME)
