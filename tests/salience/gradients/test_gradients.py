"""Salience against references that share no code with it: hand arithmetic, nudged embeddings, Keras's own autograd."""

# pyright: standard

from __future__ import annotations

import math
from typing import Any

import keras_nlp
import pytest
import torch

from promptlight.salience.decoder.attention import Attention
from promptlight.salience.decoder.decoder import Decoder
from promptlight.salience.decoder.feedforward import FeedForward
from promptlight.salience.decoder.heads import HeadProjection
from promptlight.salience.decoder.layer import Layer
from promptlight.salience.decoder.norms import Norm
from promptlight.salience.decoder.rope import Rope
from promptlight.salience.decoder.tensors import convert_tensors
from promptlight.salience.errors import OutOfMemoryError
from promptlight.salience.gradients.compute import Setting, compute_salience
from promptlight.salience.gradients.forward_pass import Pass
from promptlight.salience.loading.keras.backbone import borrow_decoder
from promptlight.salience.types import FloatArray, Granularity, Method, Objective, Segmentation
from tests.oracles import plain
from tests.oracles.reference import logits_from_embeddings
from tests.oracles.tiny import FAMILIES, build_backbone, draw_ids, in_dtype

P, T = 37, 50
IDS = draw_ids(T)
WORDS = Segmentation(granularity=Granularity.WORD, bounds=(0, 1, 20, 37, 38, 41, 44, 50))
LINES = Segmentation(granularity=Granularity.LINE, bounds=(0, 37, 50))
CUTS = {Granularity.WORD: WORDS, Granularity.LINE: LINES}


def frozen(backbone: Any) -> Decoder:
    return convert_tensors(borrow_decoder(backbone), torch.Tensor.detach)


def scores_of(backbone: Any, **options: Any) -> FloatArray:
    method = options.setdefault("methods", (Method.GRAD_L2,))[0]
    if "objective" in options:
        options["setting"] = Setting(objective=options.pop("objective"))
    scores = compute_salience(frozen(backbone), IDS, P, {}, **options).maps[method].scores
    assert scores is not None
    return scores


def row_errors(scores: FloatArray, expected: torch.Tensor) -> torch.Tensor:
    """Relative error of each row."""
    difference = torch.from_numpy(scores).double() - expected.double()
    return difference.norm(dim=1) / expected.double().norm(dim=1)


def test_by_hand_on_a_model_that_only_looks_at_the_last_token() -> None:
    """Blocks that add nothing leave logits = rms_norm(e) . E: the gradient can be written down."""
    zero = torch.zeros(2, 2, dtype=torch.float64)
    norm = Norm(torch.zeros(2, dtype=torch.float64), 0.0)
    heads = HeadProjection(
        norm=norm,
        query_key_value=torch.zeros(2, 6, dtype=torch.float64),
        query_norm=None,
        key_norm=None,
        n_query_heads=1,
        n_key_value_heads=1,
        head_dim=2,
        query_scale=1.0,
        rope=Rope(2, 10_000.0, 1.0),
    )
    layer = Layer(
        attention=Attention(heads=heads, output=zero, soft_cap=None, window=None),
        post_attention_norm=None,
        feed_forward=FeedForward(norm=norm, gate=zero, up=zero, down=zero),
        post_feedforward_norm=None,
    )
    table = torch.tensor([[3.0, 4.0], [1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    decoder = Decoder(embedding=table, own_head=None, layers=(layer, layer), final_norm=norm, final_soft_cap=None)
    scores = compute_salience(decoder, [1, 0, 2], 2, {}).maps[Method.GRAD_L2].scores
    assert scores is not None
    # e = (3, 4): normed n = e sqrt(2) / 5; logits (5, 0.6, 0.8) sqrt(2); the gradient by n is E[2] - sum_v p_v E[v],
    # and by e only its part across e is left, times sqrt(2) / 5
    logits = [value * math.sqrt(2) for value in (5.0, 0.6, 0.8)]
    total = sum(math.exp(value) for value in logits)
    p = [math.exp(value) / total for value in logits]
    by_normed = (-(3 * p[0] + p[1]), 1 - 4 * p[0] - p[2])
    across = abs(-0.8 * by_normed[0] + 0.6 * by_normed[1])
    assert scores[0].tolist() == pytest.approx([0.0, across * math.sqrt(2) / 5, 0.0], rel=1e-6)


@pytest.mark.parametrize("family", FAMILIES)
def test_equals_central_differences_on_the_embeddings(family: str) -> None:
    backbone = build_backbone(family)
    scores = scores_of(in_dtype(backbone, "float64"))
    for target, source in ((37, 0), (40, 36), (49, 12), (49, 48)):
        nudged = plain.central_difference(backbone, IDS, target, source).norm().item()
        assert scores[target - P, source] == pytest.approx(nudged, rel=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("chunk", [1, 5, 64])
def test_equals_one_backward_per_target_through_keras(family: str, chunk: int) -> None:
    backbone = build_backbone(family)
    expected = plain.grad_l2(backbone, IDS, P)
    assert row_errors(scores_of(backbone, chunk=chunk), expected).max() < 1e-5


@pytest.mark.parametrize("family", ["gemma", "gemma2"])
def test_equals_the_keras_models_own_score(family: str) -> None:
    backbone = build_backbone(family)
    expected = plain.keras_score_grad_l2(keras_nlp.models.GemmaCausalLM(backbone), IDS, P)
    assert row_errors(scores_of(backbone), expected).max() < 1e-4


def test_grad_dot_input_is_positive_where_a_source_raises_the_target() -> None:
    backbone = build_backbone("gemma2", dtype="float64")
    embeddings = plain.embed(backbone, IDS).detach()
    expected = (plain.gradients(backbone, IDS, P) * embeddings).sum(-1)
    scores = scores_of(backbone, methods=(Method.GRAD_DOT_INPUT,))
    assert row_errors(scores, expected).max() < 1e-6
    assert (scores > 0).any()
    assert (scores < 0).any()


@pytest.mark.parametrize("objective", [Objective.LOGIT, Objective.MARGIN])
def test_other_objectives_equal_autograd_on_the_reference(objective: Objective) -> None:
    backbone = build_backbone("gemma2", dtype="float64")
    embeddings = plain.embed(backbone, IDS)
    # a difference of log-probabilities is a difference of logits
    log_probs = plain.log_probabilities(backbone, embeddings)[44]
    others = log_probs.detach().clone()
    others[IDS[45]] = -math.inf
    margin = log_probs[IDS[45]] - log_probs[others.argmax()]
    if objective is Objective.MARGIN:
        expected = torch.autograd.grad(margin, embeddings)[0].norm(dim=-1)
    else:
        logits = logits_from_embeddings(backbone, embeddings)
        expected = torch.autograd.grad(logits[44, IDS[45]], embeddings)[0].norm(dim=-1)
    scores = scores_of(backbone, objective=objective)[45 - P]
    assert scores.tolist() == pytest.approx(expected.tolist(), rel=1e-5)


def test_sources_at_or_after_the_target_are_zero_and_earlier_ones_are_not() -> None:
    scores = scores_of(build_backbone("gemma2"))
    for target in range(P, T):
        assert (scores[target - P, target:] == 0).all()
        assert (scores[target - P, :target] > 0).all()


def test_a_bfloat16_model_explains_the_very_token_that_was_written() -> None:
    """bfloat16 has 8 bits of precision: an id above 256 that passes through it becomes another id."""
    backbone = in_dtype(build_backbone("gemma2", vocabulary_size=4000), "bfloat16")
    ids = [*draw_ids(20, vocabulary_size=4000), 2134]
    rounded = [*ids[:-1], int(torch.tensor(2134.0).bfloat16().item())]
    assert rounded[-1] == 2128
    right, wrong = (plain.grad_l2(backbone, which, 20) for which in (ids, rounded))
    scores = compute_salience(frozen(backbone), ids, 20, {}).maps[Method.GRAD_L2].scores
    assert scores is not None
    to_right, to_wrong = row_errors(scores, right).item(), row_errors(scores, wrong).item()
    assert to_right < 0.1
    assert to_wrong > 2 * to_right


@pytest.mark.parametrize("chunk", [1, 4, 13])
def test_span_scores_equal_one_backward_of_the_spans_summed_log_probability(chunk: int) -> None:
    backbone = build_backbone("gemma2", dtype="float64")
    maps = compute_salience(frozen(backbone), IDS, P, CUTS, chunk=chunk).maps[Method.GRAD_L2]
    for granularity, cut in CUTS.items():
        rows = maps.span_scores[granularity]
        targets = [cut.ranges()[number] for number in cut.spans_from(P)]
        assert len(rows) == len(targets)
        for row, (start, stop) in zip(rows, targets, strict=True):
            expected = plain.span_gradient(backbone, IDS, start, stop).norm(dim=-1)
            assert row.tolist() == pytest.approx(expected.tolist(), rel=1e-5, abs=1e-12)


def test_the_norm_of_a_sum_is_not_the_sum_of_norms() -> None:
    maps = compute_salience(frozen(build_backbone("gemma2")), IDS, P, CUTS).maps[Method.GRAD_L2]
    assert maps.scores is not None
    whole, summed = maps.span_scores[Granularity.LINE][0, :P].sum(), maps.scores[:, :P].sum()
    assert whole < 0.9 * summed


def test_one_backward_per_word_gives_the_same_word_scores() -> None:
    decoder = frozen(build_backbone("gemma2", dtype="float64"))
    by_token = compute_salience(decoder, IDS, P, CUTS).maps[Method.GRAD_L2]
    for chunk in (1, 3):
        by_word = compute_salience(decoder, IDS, P, CUTS, unit=Granularity.WORD, chunk=chunk).maps[Method.GRAD_L2]
        assert by_word.scores is None
        assert by_word.span_scores[Granularity.WORD] == pytest.approx(by_token.span_scores[Granularity.WORD], rel=1e-5)


def test_log_probs_are_those_of_the_keras_model() -> None:
    backbone = build_backbone("gemma3", dtype="float64")
    expected = plain.log_probabilities(backbone, plain.embed(backbone, IDS)).detach()
    result = compute_salience(frozen(backbone), IDS, P, {})
    assert result.log_probs == pytest.approx([expected[t - 1, IDS[t]].item() for t in range(P, T)])


def test_out_of_memory_halves_the_chunk_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    backbone = build_backbone("gemma2")
    expected = scores_of(backbone, chunk=8)
    sizes: list[int] = []
    real = Pass.pull

    def cramped(self: Pass, units: Any) -> Any:
        sizes.append(len(units))
        if len(units) > 2:
            raise torch.OutOfMemoryError("planted")
        return real(self, units)

    monkeypatch.setattr(Pass, "pull", cramped)
    assert scores_of(backbone, chunk=8) == pytest.approx(expected, rel=1e-5)
    assert sizes == [8, 4, 2, 2, 2, 2, 2, 2, 1]


def test_out_of_memory_with_one_target_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: Any) -> Any:
        raise torch.OutOfMemoryError("planted")

    monkeypatch.setattr(Pass, "pull", never)
    with pytest.raises(OutOfMemoryError, match="shorten the prompt"):
        scores_of(build_backbone("gemma2"))


def test_another_error_is_not_taken_for_lack_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("shapes differ")

    monkeypatch.setattr(Pass, "pull", broken)
    with pytest.raises(RuntimeError, match="shapes differ"):
        scores_of(build_backbone("gemma2"))
