"""Which lines of a long prompt are folded, what the folds say, and that nothing strong is in them."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from promptlight.cli.views.folding import FEWEST_FOLDED, find_folds
from promptlight.cli.views.heatmap import render_heatmap
from promptlight.cli.views.palette import SMALLEST_MARK, Look
from promptlight.salience.explain.explanation import Explanation, Question, explain_target
from promptlight.salience.types import Granularity, Method, Role
from tests.conftest import Command
from tests.support.handmade import make_analysis, make_completion
from tests.support.terminal import run_on_terminal, show_on_terminal

PALE = 0.001
SHOW = ("show", "gemma-tutorial", "--id", "dish-mistake")


def explain(
    scores: Sequence[float],
    *,
    by: Granularity = Granularity.LINE,
    blank: Sequence[int] = (),
    negative: bool = False,
    joined: bool = False,
    written: float = 0,
) -> Explanation:
    """A prompt with one word in each line, of these scores, and why a last line was written after it.

    ``blank``: lines without a word. ``joined``: one token for the line feeds before a word. ``written``: the score of
    the completion's first line.
    """
    pieces = ["<bos>"]
    for at in range(len(scores)):
        if at in blank and joined:
            pieces[-1] += "\n"
        else:
            pieces += ["\n"] if at in blank else [f"▁w{at}", "\n"]
    completion = make_completion(pieces, ["▁first", "\n", "▁target"] if written else ["▁target"])
    method = Method.GRAD_DOT_INPUT if negative else Method.GRAD_L2
    analysis = make_analysis(completion, method=method, exact=())
    shown = np.zeros((len(completion.tokens) - len(pieces), len(completion.tokens)), np.float32)
    words = iter(score for at, score in enumerate(scores) if at not in blank)
    for at, token in enumerate(completion.tokens):
        if token.piece.startswith("▁w"):
            shown[-1, at] = next(words)
    if written:
        shown[-1, len(pieces)] = written
    salience = replace(analysis.maps[method], scores=shown)
    return explain_target(replace(analysis, maps={method: salience}), Question(by=by, target="target"))


def pale(n_lines: int, strong: Mapping[int, float]) -> list[float]:
    return [strong.get(at, PALE) for at in range(n_lines)]


def ranges(explanation: Explanation, n_top: int = 1) -> list[tuple[int, int]]:
    return [(fold.start, fold.stop) for fold in find_folds(explanation, n_top)]


def test_pale_lines_are_folded_but_for_those_beside_a_strong_one_and_the_completion() -> None:
    assert ranges(explain(pale(30, {10: 1.0}))) == [(0, 9), (12, 29)]  # the completion is line 30, from 0


@pytest.mark.parametrize(("gap", "folded"), [(FEWEST_FOLDED + 1, 0), (FEWEST_FOLDED + 2, 1)])
def test_a_run_of_few_lines_is_not_folded(gap: int, folded: int) -> None:
    explanation = explain(pale(gap + 2, {0: 1.0, gap + 1: 1.0}))
    assert len(find_folds(explanation, 1)) == folded


@pytest.mark.parametrize(("score", "stays"), [(SMALLEST_MARK / 100 + 0.01, True), (SMALLEST_MARK / 100 - 0.01, False)])
@pytest.mark.parametrize("negative", [False, True])
def test_what_is_marked_without_colours_stays(score: float, stays: bool, negative: bool) -> None:
    explanation = explain(pale(30, {0: 1.0, 15: -score if negative else score}), negative=negative)
    assert any(start <= 15 < stop for start, stop in ranges(explanation)) != stays


def test_pale_lines_stay_that_are_listed_among_the_strongest() -> None:
    explanation = explain(pale(30, {0: 1.0, 15: 0.05}))
    assert ranges(explanation, n_top=1) == [(2, 29)]
    assert ranges(explanation, n_top=2) == [(2, 14), (17, 29)]


def test_the_line_of_the_advice_stays_even_if_what_the_model_wrote_is_stronger() -> None:
    assert ranges(explain([0.0] * 30), n_top=8) == [(0, 29)]  # nothing has a score
    explanation = explain(pale(30, {15: 2 * PALE}), written=1.0)
    assert [span.role for span in explanation.strongest(1)] == [Role.COMPLETION]
    assert ranges(explanation) == [(0, 14), (17, 29)]


@pytest.mark.parametrize("by", [Granularity.TOKEN, Granularity.WORD, Granularity.SENTENCE, Granularity.LINE])
@pytest.mark.parametrize("seed", range(20))
def test_shares_add_up_and_nothing_strong_is_hidden(by: Granularity, seed: int) -> None:
    random = np.random.default_rng(seed)
    scores = random.exponential(size=40) ** 4 * random.choice([-1, 1], size=40)
    blank = random.choice(40, size=8, replace=False).tolist()
    explanation = explain(scores.tolist(), by=by, blank=blank, negative=True)
    folds = find_folds(explanation, 5)
    completion = explanation.analysis.completion
    inside: set[int] = set()
    for fold in folds:
        assert fold.stop - fold.start >= FEWEST_FOLDED
        hidden = [
            span
            for span in explanation.spans
            if span.role is not Role.SPECIAL
            and fold.start <= completion.text.count("\n", 0, completion.tokens[span.start].start) < fold.stop
        ]
        assert fold.share == pytest.approx(sum(abs(explanation.shares[span.number]) for span in hidden))
        inside |= {span.number for span in hidden}
    shown = sum(abs(share) for number, share in enumerate(explanation.shares) if number not in inside)
    assert shown + sum(fold.share for fold in folds) == pytest.approx(1, abs=1e-5)
    assert not inside & {span.number for span in explanation.strongest(5)}
    assert all(abs(explanation.levels[number]) < SMALLEST_MARK / 100 for number in inside)


def test_a_source_of_several_lines_is_folded_as_a_whole_or_not_at_all() -> None:
    scores = pale(40, {2: 1.0})
    # paragraphs of 5, 2, 21 and 9 lines, each but the last with the blank line below it
    explanation = explain(scores, by=Granularity.PARAGRAPH, blank=[5, 8, 30])
    assert ranges(explanation) == [(9, 40)]  # the short paragraph beside the strong one stays


def test_the_lines_of_a_line_feed_token_are_not_split() -> None:
    scores = pale(30, {20: 1.0})
    apart, joined = (explain(scores, by=Granularity.TOKEN, blank=[19], joined=joined) for joined in (False, True))
    assert ranges(apart) == [(0, 19), (22, 29)]
    assert ranges(joined) == [(0, 18), (22, 29)]  # the token ends line 18 and is line 19


def draw(explanation: Explanation, *, fold: bool | None, height: int, on_terminal: bool = True) -> str:
    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return on_terminal

    console = Console(file=Screen(), color_system=None, width=80, height=height)
    console.print(render_heatmap(explanation, console, Look(color_system=None, by=explanation.by), n_top=1, fold=fold))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_one_row_stands_for_the_lines_of_a_fold() -> None:
    explanation = explain(pale(130, {10: 1.0, 120: 1.0}))
    drawn = draw(explanation, fold=True, height=500, on_terminal=False)
    share = 107 * PALE / (2 + 128 * PALE)
    assert f"\n13-119  … 107 lines, {share:.1%} together\n" in drawn
    assert re.findall(r"^ +(\d+) +w\d+", drawn, re.MULTILINE)[:3] == ["10", "11", "12"]
    assert "--no-fold" in drawn


def test_only_what_is_longer_than_the_terminal_is_folded_unless_asked() -> None:
    explanation = explain(pale(30, {10: 1.0}))  # 31 lines with the completion, and the rule above that
    assert "together" in draw(explanation, fold=None, height=31)
    assert "together" not in draw(explanation, fold=None, height=32)
    assert "together" not in draw(explanation, fold=None, height=10, on_terminal=False)
    assert "together" in draw(explanation, fold=True, height=31, on_terminal=False)
    assert "together" not in draw(explanation, fold=False, height=10)


def test_a_long_prompt_is_folded_on_a_terminal_only(tmp_path: Path) -> None:
    options = [*SHOW, "--top", "1"]
    assert "lines, 7.9% together" in show_on_terminal(options, folder=tmp_path, pager="cat")
    assert "together" not in show_on_terminal([*options, "--no-fold"], folder=tmp_path, pager="cat")
    (tmp_path / "promptlight.toml").write_text("[show]\nfold = false\n", encoding="utf-8")
    assert "together" not in show_on_terminal(options, folder=tmp_path, pager="cat")
    (tmp_path / "promptlight.toml").unlink()
    printed, _ = run_on_terminal(options, folder=tmp_path)
    assert "together" not in printed
    printed, _ = run_on_terminal([*options, "--fold"], folder=tmp_path)
    assert "lines, 7.9% together" in printed


def test_files_are_folded_if_asked_only(promptlight: Command, tmp_path: Path) -> None:
    for options, folded in (((), False), (("--fold",), True)):
        file = tmp_path / f"{folded}.html"
        assert promptlight(*SHOW, *options, "--html", file).exit_code == 0
        assert ("together" in file.read_text("utf-8")) == folded


def test_to_fold_a_matrix_is_refused(promptlight: Command) -> None:
    done = promptlight(*SHOW, "--matrix", "--fold")
    assert done.exit_code == 2
    assert "--fold: no effect on a --matrix" in done.stderr
