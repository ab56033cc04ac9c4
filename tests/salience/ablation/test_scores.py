"""The whole way on a model: which spans are removed for whom, what scores add up to, and what edits really do."""

# pyright: standard

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from promptlight.io import read_prompts
from promptlight.salience.ablation.scores import (
    ABLATION_METHODS,
    AblationOptions,
    AblationResult,
    ShapleySampling,
    compute_ablation_scores,
    find_removable,
    log_odds,
    spread_over_tokens,
)
from promptlight.salience.decoder.decoder import Decoder
from promptlight.salience.decoder.tensors import convert_tensors
from promptlight.salience.errors import UsageError
from promptlight.salience.loading.keras.backbone import borrow_decoder
from promptlight.salience.options.analysis import AnalysisOptions
from promptlight.salience.options.methods import AblationKind
from promptlight.salience.run.batches import complete
from promptlight.salience.text.spans import segment
from promptlight.salience.types import Completion, Granularity, Method, Objective, Prompt, Role, Segmentation
from tests.oracles import plain
from tests.oracles.tiny import build_backbone
from tests.support.handmade import make_completion
from tests.support.paths import EXAMPLES

if TYPE_CHECKING:
    from promptlight.salience import Model

COMPLETION = make_completion(
    ["<bos>", "<start_of_turn>", "Eat", "▁an", "▁egg", ".", "\n", "Or", "▁not", ".", "<end_of_turn>", "\n"],
    ["No", "▁egg", ".", "\n", "No", "▁milk", ".", "<end_of_turn>"],
)
LINES = Segmentation(granularity=Granularity.LINE, bounds=(0, 1, 2, 7, 10, 11, 12, 16, 19, 20))
TARGETS = ((12, 16), (13, 14), (16, 19), (17, 18), (12, 20))
SOURCES_OF = {
    (12, 16): {2, 3, 5},
    (13, 14): {2, 3, 5},
    (16, 19): {2, 3, 5, 6},
    (17, 18): {2, 3, 5, 6},
    (12, 20): {2, 3, 5},
}


@pytest.fixture(scope="module")
def decoder() -> Decoder:
    return convert_tensors(borrow_decoder(build_backbone("gemma2", dtype="float64")), torch.Tensor.detach)


def scores_by(decoder: Decoder, method: Method, **options: Any) -> AblationResult:
    return compute_ablation_scores(decoder, COMPLETION, LINES, TARGETS, method, AblationOptions(**options))


@pytest.mark.parametrize("method", ABLATION_METHODS)
def test_only_text_before_a_target_scores(decoder: Decoder, method: Method) -> None:
    result = scores_by(decoder, method, ablations=40, lasso=0.0)  # with a penalty some would be zero
    assert result.scores.dtype == np.float32
    for target, row in zip(TARGETS, result.scores, strict=True):
        assert set(np.flatnonzero(row).tolist()) == SOURCES_OF[target]


@pytest.mark.parametrize("ablate", AblationKind)
def test_occlusion_is_what_editing_the_text_costs(ablate: AblationKind) -> None:
    """The last target follows a line of the completion: that line is a source, and is edited too."""
    backbone = build_backbone("gemma2", dtype="float64")
    decoder = convert_tensors(borrow_decoder(backbone), torch.Tensor.detach)
    table = plain.embed(backbone, range(300)).detach()

    def log_prob(gone: range) -> float:
        rows, ids = [], list(COMPLETION.ids[:19])
        for place, id in enumerate(ids):
            if place not in gone:
                rows.append(table[id])
            elif ablate is not AblationKind.DROP:
                rows.append(table[0] if ablate is AblationKind.PAD else table.mean(dim=0))
        log_probs = plain.log_probabilities(backbone, torch.stack(rows))
        return sum(log_probs[place - 20, id].item() for place, id in zip(range(16, 19), ids[16:], strict=True))

    result = compute_ablation_scores(
        decoder, COMPLETION, LINES, [(16, 19)], Method.OCCLUSION, AblationOptions(ablate=ablate)
    )
    whole = log_prob(range(0))
    expected = [whole - log_prob(range(*LINES.ranges()[span])) for span in (2, 3, 5, 6)]
    np.testing.assert_allclose(result.scores[0, [2, 3, 5, 6]], expected, rtol=1e-5, atol=1e-6)
    assert result.full_value == pytest.approx([whole], rel=1e-6)
    assert result.n_forwards == 4 + 2
    assert result.standard_errors is None


def test_several_targets_take_no_more_forwards_than_one_and_score_the_same(decoder: Decoder) -> None:
    together = scores_by(decoder, Method.OCCLUSION)
    assert together.n_forwards == 4 + 2
    for number, target in enumerate(TARGETS):
        alone = compute_ablation_scores(decoder, COMPLETION, LINES, [target], Method.OCCLUSION)
        np.testing.assert_allclose(together.scores[number], alone.scores[0], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("shapley", ShapleySampling)
@pytest.mark.parametrize("ablations", [14, 200])
def test_shapley_scores_add_up_to_all_minus_none(decoder: Decoder, shapley: ShapleySampling, ablations: int) -> None:
    """Four spans have 16 coalitions: all of them are scored, with 200 ablations as with 14."""
    result = scores_by(decoder, Method.SHAP, shapley=shapley, ablations=ablations, ablate=AblationKind.DROP)
    np.testing.assert_allclose(result.scores.sum(axis=1), result.full_value - result.empty_value, rtol=1e-5)
    assert result.n_forwards == 16


@pytest.mark.parametrize("method", ABLATION_METHODS)
def test_the_batch_changes_nothing_and_the_seed_what_is_drawn(decoder: Decoder, method: Method) -> None:
    words = Segmentation(granularity=Granularity.WORD, bounds=(*range(16), 16, 17, 18, 19, 20))

    def run(seed: int, batch: int) -> AblationResult:
        options = AblationOptions(ablations=60, seed=seed, shapley=ShapleySampling.ORDERS)
        return compute_ablation_scores(decoder, COMPLETION, words, TARGETS, method, options, batch=batch)

    first, again, other = run(0, 1), run(0, 7), run(1, 7)
    np.testing.assert_allclose(first.scores, again.scores, rtol=1e-4, atol=1e-6)
    assert (method is Method.OCCLUSION) == np.allclose(first.scores, other.scores, rtol=1e-4, atol=1e-6)
    if first.standard_errors is not None:
        sources = first.scores != 0
        assert (first.standard_errors[sources] > 0).all()


def test_an_other_prompt_has_another_stream(decoder: Decoder) -> None:
    renamed = dataclasses.replace(COMPLETION, prompt=dataclasses.replace(COMPLETION.prompt, id="other"))
    options = AblationOptions(ablations=30)
    first, second = (
        compute_ablation_scores(decoder, completion, LINES, TARGETS, Method.LIME, options)
        for completion in (COMPLETION, renamed)
    )
    assert not np.allclose(first.scores, second.scores, rtol=1e-3)


def test_loss_is_minus_the_log_probability(decoder: Decoder) -> None:
    log_prob = scores_by(decoder, Method.OCCLUSION)
    loss = scores_by(decoder, Method.OCCLUSION, objective=Objective.LOSS)
    np.testing.assert_allclose(loss.scores, -log_prob.scores, rtol=1e-6)


def test_log_odds_are_of_the_whole_target(decoder: Decoder) -> None:
    plainly, odds = (scores_by(decoder, Method.OCCLUSION, log_odds=wanted) for wanted in (False, True))
    p = np.exp(plainly.full_value.astype(float))
    np.testing.assert_allclose(odds.full_value, np.log(p / (1 - p)), rtol=1e-5)
    assert log_odds(np.array([0.0]))[0] == pytest.approx(27.63, abs=0.01)
    assert log_odds(np.array([-1e-10]))[0] == pytest.approx(23.03, abs=0.01)


def test_special_tokens_and_the_first_token_stay() -> None:
    removable = find_removable(COMPLETION, LINES)
    special = [place for place, token in enumerate(COMPLETION.tokens) if token.role is Role.SPECIAL]
    assert special == [0, 1, 10, 19]
    assert not removable[:, special].any()
    assert removable.sum() == 20 - len(special)
    without_bos = make_completion(["Eat", "▁an", "▁egg"], ["No"])
    cut = Segmentation(granularity=Granularity.LINE, bounds=(0, 3, 4))
    assert find_removable(without_bos, cut).tolist() == [[False, True, True, False], [False, False, False, True]]


def test_a_span_that_holds_special_tokens_loses_only_the_others(decoder: Decoder) -> None:
    """LIT's cuts put <bos> and the marks into spans with text."""
    mixed = Segmentation(granularity=Granularity.LINE, bounds=(0, 7, 12, 20))
    bare = Segmentation(granularity=Granularity.LINE, bounds=(0, 2, 7, 12, 20))
    scores = [
        compute_ablation_scores(decoder, COMPLETION, cut, [(12, 14)], Method.OCCLUSION).scores[0, number]
        for cut, number in ((mixed, 0), (bare, 1))
    ]
    assert scores[0] == pytest.approx(scores[1])


@pytest.mark.parametrize("method", ABLATION_METHODS)
def test_without_anything_to_remove_scores_are_zero(decoder: Decoder, method: Method) -> None:
    completion = make_completion(["<bos>"], ["No", "▁egg"])
    whole = Segmentation(granularity=Granularity.LINE, bounds=(0, 1, 3))
    result = compute_ablation_scores(decoder, completion, whole, [(1, 3)], method)
    assert not result.scores.any()
    assert result.n_forwards == 1
    np.testing.assert_array_equal(result.full_value, result.empty_value)


def test_what_cannot_be_asked_is_refused(decoder: Decoder) -> None:
    for targets in ([(0, 3)], [(12, 12)], [(19, 21)]):
        with pytest.raises(UsageError, match="expected targets within tokens 1 to 20, found"):
            compute_ablation_scores(decoder, COMPLETION, LINES, targets, Method.OCCLUSION)
    with pytest.raises(UsageError, match="found none"):
        compute_ablation_scores(decoder, COMPLETION, LINES, [], Method.OCCLUSION)
    with pytest.raises(UsageError, match=r"expected a method that takes spans away .* found grad_l2"):
        compute_ablation_scores(decoder, COMPLETION, LINES, TARGETS, Method.GRAD_L2)
    with pytest.raises(UsageError, match="1 or more ablations, found 0"):
        AblationOptions(ablations=0)
    with pytest.raises(UsageError, match="ridge above 0"):
        AblationOptions(ridge=0)
    with pytest.raises(UsageError, match="objective logprob, found logit"):
        AblationOptions(log_odds=True, objective=Objective.LOGIT)


def test_a_spans_score_is_spread_evenly_over_its_tokens() -> None:
    cut = Segmentation(granularity=Granularity.WORD, bounds=(0, 1, 4, 6))
    spread = spread_over_tokens(np.array([[1, 6, -1]], dtype=np.float32), cut, 6)
    assert spread.tolist() == [[1, 2, 2, 2, -0.5, -0.5]]
    assert spread.dtype == np.float32


# On the demo model


@pytest.fixture(scope="module")
def dish(demo_model: Model) -> Completion:
    prompt = next(record for record in read_prompts(EXAMPLES / "prompts.jsonl") if record.id == "dish-mistake")
    assert isinstance(prompt, Prompt)
    (completion,) = complete([prompt], demo_model, AnalysisOptions())
    assert isinstance(completion, Completion)
    return completion


@pytest.mark.parametrize("method", ABLATION_METHODS)
def test_lines_that_hold_the_copied_words_score_above_the_one_that_does_not(
    demo_model: Model, dish: Completion, method: Method
) -> None:
    """The first example, the mistaken one, and the third say "You have to try it."; the second "Likely good.".

    Fixing the first changes the answer, fixing the third does not. Taken away alone, the first costs most. Methods
    that remove much at once also see that the third can stand in for it.
    """
    lines, target = segment(dish, Granularity.LINE), locate(dish, "You have to try it", dish.prompt_stop)
    options = AblationOptions(ablate=AblationKind.MASK_EMBEDDING, ablations=128)
    result = compute_ablation_scores(demo_model.decoder, dish, lines, [target], method, options)
    mistaken, other, third = (
        float(result.scores[0, number])
        for number, (start, stop) in enumerate(lines.ranges())
        if stop <= dish.n_prompt_tokens
        and dish.text[dish.tokens[start].start : dish.tokens[stop - 1].stop].startswith("Recommendation:")
    )
    assert mistaken > other + 1
    assert third > other
    if method is Method.OCCLUSION:
        assert mistaken > third + 1


def locate(completion: Completion, text: str, start: int) -> tuple[int, int]:
    """The tokens that hold a piece of text."""
    place = completion.text.index(text, start)
    inside = [
        number
        for number, token in enumerate(completion.tokens)
        if token.start < place + len(text) and token.stop > place and token.start < token.stop
    ]
    return inside[0], inside[-1] + 1
