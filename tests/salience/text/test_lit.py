"""``--compat lit``: LIT's cuts and LIT's numbers, held to a restatement of its rules that shares no code with ours."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptlight.io import find_result, read_prompts
from promptlight.salience import Analysis, AnalysisOptions, Explain, Model, Prompt, analyze, load_model
from promptlight.salience.explain.span_scores import build_span_table
from promptlight.salience.loading.handles import DEMO_FOLDER
from promptlight.salience.text.lit import find_bounds
from promptlight.salience.text.spans import describe_spans, parse_cut, segment
from promptlight.salience.types import Compat, Granularity, Method, Objective, Role
from tests.conftest import Command
from tests.oracles import lit
from tests.oracles.presets import load_backbone
from tests.support.paths import EXAMPLES
from tests.support.span_cases import build_completion

CUTS = ("token", "word", "sentence", "line", "paragraph")
# one text for each difference that docs/lit.md lists
TEXTS = {
    "an abbreviation": ("Ask Mr. Wu, e.g. now. 1. Eggs are fine.", " Ok."),
    "no blanks": ("我喜欢吃鸡蛋。你呢？\n好的", "。谢谢"),
    "a line over the border": ("Taste-likes: Cheese\n\nAnalysis:", " it is good.\nRecommendation: Avoid."),
    "one line in all": ("Can you eat", " eggs?"),
    "line feeds at the border": ("Summary:\n", "\n- Eggs\n\n\n- Milk"),
    "quotes": ('He said "Go." Then he left.', " Really?  Yes!\n\nNo."),
}


@pytest.mark.parametrize(
    ("by", "pieces", "groups"),
    [
        ("word", "<bos>|Buy|▁eggs|,|\n|\n|now", "<bos>Buy|▁eggs,|\n\n|now"),
        ("word", "<bos>|▁Buy|▁|eggs", "<bos>|▁Buy|▁eggs"),
        ("word", "<bos>|好|吃|。|今", "<bos>好吃。今"),
        ("word", "a|b▁c▁d|e|f", "a|b▁c▁d|e|f".replace("|f", "f")),  # the second blank opens a word at the next token
        ("sentence", "Mr|.|▁Wu|▁is|.|\n|Ok", "Mr.|▁Wu▁is.|\n|Ok"),
        ("sentence", 'Go|."|▁Now', 'Go."▁Now'),
        ("line", "<bos>|a|\n|\n|b|\n|c", "<bos>a|\n\n|b|\n|c"),
        ("line", "a|.\n|b", "a|.\n|b"),
        ("paragraph", "a|\n|b|\n|\n|c", "a\nb|\n\n|c"),
        ("regex:Buy", "<bos>|▁Buy|▁it|▁Buy", "<bos>|▁Buy▁it|▁Buy"),
    ],
)
def test_segments_are_lits(by: str, pieces: str, groups: str) -> None:
    separate = pieces.split("|")
    bounds = find_bounds(separate, parse_cut(by))
    assert ["".join(separate[start:stop]) for start, stop in pairwise(bounds)] == groups.split("|")


PIECES = st.lists(
    st.sampled_from(["<bos>", "a", "▁b", "▁", ".", "?\n", "\n", "\n\n", "a▁b", "▁c▁d", "x\ny\nz", "好", "\t"]),
    max_size=14,
)


@given(PIECES, st.sampled_from([*CUTS, "regex:a", r"regex:\n+"]))
def test_segments_are_those_of_the_restatement(pieces: list[str], by: str) -> None:
    found = [list(range(start, stop)) for start, stop in pairwise(find_bounds(pieces, parse_cut(by)))]
    assert [group for group in found if group] == lit.segments(pieces, by)


def test_a_segment_may_hold_bos_and_cross_the_border() -> None:
    completion = build_completion(["<bos>", "Can", "▁you", "\n", "Ana"], ["lysis", "▁good", "<eos>"])
    spans = describe_spans(completion, segment(completion, Granularity.WORD, Compat.LIT))
    assert [(span.text, span.role) for span in spans] == [
        ("Can", Role.PROMPT),
        (" you", Role.PROMPT),
        ("\n", Role.PROMPT),
        ("Analysis", Role.COMPLETION),
        (" good", Role.COMPLETION),
    ]
    assert [(span.start, span.stop) for span in spans] == [(0, 2), (2, 3), (3, 4), (4, 6), (6, 8)]
    whole = describe_spans(completion, segment(completion, Granularity.SECTION, Compat.LIT))
    assert [span.text for span in whole] == ["<bos>", "Can you\nAna", "lysis good", "<eos>"]  # LIT has no sections


@pytest.fixture(scope="module")
def random_model(tiny_preset: Path) -> Model:
    return load_model(str(tiny_preset), device="cpu")


@pytest.fixture(scope="module")
def random_backbone(tiny_preset: Path) -> Any:
    """The same model in Keras."""
    return load_backbone(tiny_preset)


def explain_as_lit(model: Model, prompt: str, target: str, method: Method) -> Analysis:
    options = AnalysisOptions(
        explain=Explain.TARGET, methods=(method,), objective=Objective.LOSS, compat=Compat.LIT, max_new_tokens=1
    )
    (analysis,) = analyze([Prompt(id="1", text=prompt, given_completion=target)], model, options)
    assert isinstance(analysis, Analysis)
    return analysis


@pytest.mark.parametrize("method", [Method.GRAD_L2, Method.GRAD_DOT_INPUT])
@pytest.mark.parametrize("text", TEXTS)
def test_scores_are_lits_in_float32(random_model: Model, random_backbone: Any, text: str, method: Method) -> None:
    assert_lits_scores(random_backbone, explain_as_lit(random_model, *TEXTS[text], method), exact=False)


@pytest.mark.parametrize("method", [Method.GRAD_L2, Method.GRAD_DOT_INPUT])
def test_scores_are_lits_where_the_model_is_certain(demo_model: Model, method: Method) -> None:
    """In float64: LIT's own float32 loses digits there."""
    (prompt, *_) = [record for record in read_prompts(EXAMPLES / "prompts.jsonl") if isinstance(record, Prompt)]
    target = " it has cooked eggs in it, which you don't like.\nRecommendation: You have to try it."
    analysis = explain_as_lit(demo_model, prompt.text, target, method)
    assert_lits_scores(load_backbone(DEMO_FOLDER), analysis, exact=True)


def assert_lits_scores(backbone: Any, analysis: Analysis, *, exact: bool) -> None:
    """For the first, the middle and the last target of each granularity, on sources of each.

    Within 1e-5 of the largest; signed products cancel, so in LIT's float32 within 1e-5 of the sizes that they sum up.
    """
    completion, dot = analysis.completion, analysis.map_by().method is Method.GRAD_DOT_INPUT
    pieces, n_compared = [token.piece for token in completion.tokens], 0
    for target_by in CUTS:
        tables = {
            by: build_span_table(analysis, targets=Granularity(target_by), sources=Granularity(by)) for by in CUTS
        }
        targets = tables[target_by].targets
        for row in sorted({0, len(targets) // 2, len(targets) - 1}):
            target = range(targets[row].start, targets[row].stop)
            by_token = lit.token_scores(backbone, completion.ids, target, dot=dot, exact=exact).numpy()
            for by, table in tables.items():
                assert table.exact
                groups = lit.segments(pieces, by)
                expected = np.array([by_token[group].sum() for group in groups])
                earlier = np.array([group[-1] < target.start for group in groups])
                scale = np.abs(by_token).sum() if dot and not exact else np.abs(expected).max()
                assert np.abs(table.scores[row] - np.where(earlier, expected, 0)).max() <= 1e-5 * scale
                n_compared += int(earlier.sum())
    assert n_compared > 20


def test_a_target_that_begins_in_the_prompt_is_explained_as_a_whole(random_model: Model, random_backbone: Any) -> None:
    """One line in all: LIT's loss is that of every token but the first, and hides nothing but in its drawing."""
    analysis = explain_as_lit(random_model, *TEXTS["one line in all"], Method.GRAD_L2)
    completion = analysis.completion
    whole = range(len(completion.tokens))
    expected = lit.token_scores(random_backbone, completion.ids, whole, dot=False, exact=False).numpy()
    (scores,) = analysis.map_by().span_scores[Granularity.LINE]
    assert np.abs(scores - expected).max() <= 1e-5 * expected.max()


def test_one_backward_per_line_gives_the_same_lines(random_model: Model) -> None:
    prompt, target = TEXTS["a line over the border"]
    whole = explain_as_lit(random_model, prompt, target, Method.GRAD_L2)
    options = AnalysisOptions(
        explain=Explain.TARGET, objective=Objective.LOSS, compat=Compat.LIT, targets=Granularity.LINE
    )
    (lines,) = analyze([Prompt(id="1", text=prompt, given_completion=target)], random_model, options)
    assert isinstance(lines, Analysis)
    expected = whole.map_by().span_scores[Granularity.LINE]
    assert np.abs(lines.map_by().span_scores[Granularity.LINE] - expected).max() <= 1e-5 * expected.max()
    first = lines.completion.n_prompt_tokens
    found, told = ([token.log_prob for token in one.completion.tokens[first:]] for one in (lines, whole))
    assert found == pytest.approx(told)


# ---- the command ----------------------------------------------------------------------------------------------------


def test_a_run_remembers_whose_rules_it_followed(promptlight: Command, tmp_path: Path) -> None:
    prompts, folder = EXAMPLES / "prompts.jsonl", tmp_path / "out"
    options = ("--limit", 1, "--max-new-tokens", 24)
    assert promptlight("run", prompts, "-o", folder, *options, "--compat", "lit").exit_code == 0
    analysis = find_result(folder)
    assert isinstance(analysis, Analysis)
    assert (analysis.compat, analysis.map_by().objective) == (Compat.LIT, Objective.LOSS)
    assert analysis.segmentations[Granularity.WORD].bounds[:2] == (0, 2)  # <bos> and the first word
    shown = promptlight("show", folder, "--by", "regex:Suggestion", "--target", "Recommendation")
    assert "cut, summed and signed as LIT does" in shown.stdout
    refused = promptlight("run", prompts, "-o", folder, *options)
    assert refused.exit_code == 5
    assert "compat: there lit, now None" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("run", EXAMPLES / "prompts.jsonl", "-o", "out", "--compat", "lit", "--objective", "margin"), "--objective"),
        (("show", "out", "--compat", "lit"), "promptlight run"),
    ],
)
def test_what_does_not_go_with_it_is_refused(
    promptlight: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[object, ...], reason: str
) -> None:
    monkeypatch.chdir(tmp_path)
    refused = promptlight(*arguments)
    assert refused.exit_code == 2
    assert reason in refused.stderr
    assert not Path("out").exists()


def test_segment_shows_lits_cuts(promptlight: Command) -> None:
    shown = promptlight("segment", "--prompt", "Ask Mr. Wu.\nNow", "--by", "sentence", "--compat", "lit")
    assert [line.split("“")[1] for line in shown.stdout.splitlines()[1:]] == ["Ask Mr.”", " Wu.”", "↵”", "Now”"]
