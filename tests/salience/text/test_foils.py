"""Why this and not that: which tokens stand against which, and the gradient of the difference."""

# pyright: standard

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from promptlight.salience import Analysis, AnalysisOptions, Explain, Model, Prompt, SetAside, analyze
from promptlight.salience.decoder.tensors import convert_tensors
from promptlight.salience.errors import FoilError, UsageError
from promptlight.salience.gradients.compute import Setting, compute_salience
from promptlight.salience.loading.keras.backbone import borrow_decoder
from promptlight.salience.options.methods import Baseline, MethodOptions
from promptlight.salience.text.contrast import Contrast, contrast_ids, split_request
from promptlight.salience.text.foils import find_contrast
from promptlight.salience.types import Granularity, Method, Objective, SalienceMap, Segmentation, SetAsideCode
from tests.oracles import plain
from tests.oracles.tiny import build_backbone, draw_ids

P, T = 12, 20
IDS = draw_ids(T)
LINES = Segmentation(granularity=Granularity.LINE, bounds=(0, P, 14, T))
OTHERS = [id for id in draw_ids(60, seed=8) if id not in IDS]

# target tokens 14..18, of which the first stands in the foil too: rows 15, 16, 17 are contrasted
FOILS = {
    "as long": [IDS[14], *OTHERS[:3]],
    "shorter": [IDS[14], *OTHERS[:1]],
    "longer": [IDS[14], *OTHERS[:6]],
    "nothing but the shared token": [IDS[14]],
}


# ---- which tokens ---------------------------------------------------------------------------------------------------


def test_tokens_stand_against_each_other_as_the_docs_draw_it() -> None:
    """not: _You _have _to, and in its place not: _Av oid."""
    contrast = contrast_ids([1, 5, 50, 51, 52, 9], 1, 5, [5, 60, 61])
    assert contrast == Contrast(ids=(1, 5, 60, 61), shared=2, stop=5)
    assert [contrast.against(n, n + 1) for n in range(1, 6)] == [(4, 4), (2, 3), (3, 4), (4, 4), (4, 4)]


def test_what_the_foil_has_more_stands_against_the_targets_last_token() -> None:
    contrast = contrast_ids([1, 50, 51, 9], 1, 3, [60, 61, 62, 63])
    assert [contrast.against(n, n + 1) for n in range(1, 4)] == [(1, 2), (2, 5), (5, 5)]
    assert contrast.against(0, 4) == (1, 5)


@pytest.mark.parametrize("foil_ids", [[50, 51], [50, 51, 60]])
def test_a_foil_that_begins_with_all_of_the_target_is_refused(foil_ids: list[int]) -> None:
    with pytest.raises(ValueError, match="found one that begins with all of it"):
        contrast_ids([1, 50, 51, 9], 1, 3, foil_ids)


def test_requests_are_split_at_the_arrow() -> None:
    assert split_request("eggs=> fish") == ("eggs", " fish")
    assert split_request(" Avoid.") == (None, " Avoid.")
    for half in ("=>fish", "eggs=>"):
        with pytest.raises(ValueError, match="fill in both sides"):
            split_request(half)


# ---- numbers --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def backbone() -> Any:
    return build_backbone("gemma2", dtype="float64")


def explain(backbone: Any, name: str, method: Method, chunk: int = 3, **options: Any) -> SalienceMap:
    contrast = contrast_ids(IDS, 14, 18, FOILS[name])
    setting = Setting(contrast=contrast, options=MethodOptions(**options))
    decoder = convert_tensors(borrow_decoder(backbone), torch.Tensor.detach)
    cuts = {Granularity.LINE: LINES}
    return compute_salience(decoder, IDS, P, cuts, methods=(method,), setting=setting, chunk=chunk).maps[method]


def whole_contrast(backbone: Any, name: str, x: Tensor) -> Tensor:
    """log p(target) - log p(foil) with the text's embeddings [T, D] in both sequences; from its definition."""
    foil_ids = [*IDS[:14], *FOILS[name]]
    target = plain.log_probabilities(backbone, x)
    own = plain.embed(backbone, foil_ids).detach()[15:]
    foil = plain.log_probabilities(backbone, torch.cat([x[:15], own]))
    gained = sum(target[n - 1, IDS[n]] for n in range(14, 18))
    return torch.as_tensor(gained - sum(foil[n - 1, foil_ids[n]] for n in range(14, len(foil_ids))))


def gradient_of_whole(backbone: Any, name: str) -> Tensor:
    x = plain.embed(backbone, IDS)
    return torch.autograd.grad(whole_contrast(backbone, name, x), x)[0]


@pytest.mark.parametrize("chunk", [1, 3, 64])
@pytest.mark.parametrize("name", FOILS)
def test_a_span_around_the_contrast_has_the_gradient_of_the_whole_difference(
    backbone: Any, name: str, chunk: int
) -> None:
    gradient = gradient_of_whole(backbone, name)
    row = explain(backbone, name, Method.GRAD_L2, chunk).span_scores[Granularity.LINE][1]
    assert row.tolist() == pytest.approx(gradient.norm(dim=-1).tolist(), rel=1e-5, abs=1e-10)


@pytest.mark.parametrize("name", FOILS)
def test_rows_add_up_to_the_whole_contrast(backbone: Any, name: str) -> None:
    x = plain.embed(backbone, IDS).detach()
    expected = (gradient_of_whole(backbone, name) * x).sum(-1)
    rows = explain(backbone, name, Method.GRAD_DOT_INPUT).scores
    assert rows is not None
    assert rows.sum(axis=0, dtype=np.float64).tolist() == pytest.approx(expected.tolist(), rel=1e-4, abs=1e-6)
    assert [row.any() for row in rows] == [False] * 3 + [True] * 3 + [False] * 2  # shared and outside: zero


def test_a_row_is_its_token_against_the_foils_token(backbone: Any) -> None:
    """Token 16 against the foil's second token after what is shared; the foil's own earlier token is no source."""
    foil_ids = [*IDS[:14], *FOILS["as long"]]
    mine = plain.gradient_of(backbone, plain.embed(backbone, IDS), lambda rows: rows[15, IDS[16]])
    theirs = plain.gradient_of(backbone, plain.embed(backbone, foil_ids), lambda rows: rows[15, foil_ids[16]])
    mine[:15] -= theirs[:15]
    rows = explain(backbone, "as long", Method.GRAD_L2).scores
    assert rows is not None
    assert rows[16 - P].tolist() == pytest.approx(mine.norm(dim=-1).tolist(), rel=1e-5, abs=1e-10)


@pytest.mark.parametrize("name", FOILS)
def test_equals_central_differences_of_the_whole_contrast(backbone: Any, name: str) -> None:
    row = explain(backbone, name, Method.GRAD_L2).span_scores[Granularity.LINE][1]
    step = 1e-5
    for source in (0, 9, 14, 16):  # 16 is the target's own
        slopes = []
        for axis in range(32):
            sides = []
            for sign in (1, -1):
                x = plain.embed(backbone, IDS).detach()
                x[source, axis] += sign * step
                sides.append(whole_contrast(backbone, name, x).item())
            slopes.append((sides[0] - sides[1]) / (2 * step))
        assert row[source] == pytest.approx(np.linalg.norm(slopes), rel=1e-4)


@pytest.mark.parametrize("name", FOILS)
def test_integrated_gradients_of_a_contrast_add_up_to_its_change(backbone: Any, name: str) -> None:
    found = explain(backbone, name, Method.INTEGRATED_GRADIENTS, ig_steps=8, ig_baseline=Baseline.PAD)
    x = plain.embed(backbone, IDS).detach()
    pad = backbone.token_embedding.embeddings.value.detach().double()[0]
    start = torch.where(torch.arange(T)[:, None] == 0, x, pad)
    change = (whole_contrast(backbone, name, x) - whole_contrast(backbone, name, start)).item()
    row = found.span_scores[Granularity.LINE][1]
    missed = found.completeness_error[Granularity.LINE][1]
    assert row.sum(dtype=np.float64) - missed == pytest.approx(change, rel=1e-4, abs=1e-4)


def test_the_runner_up_is_a_foil_of_one_token(backbone: Any) -> None:
    decoder = convert_tensors(borrow_decoder(backbone), torch.Tensor.detach)
    result = compute_salience(decoder, IDS, P, {}, setting=Setting(runner_up=True))
    assert result.runner_ups is not None
    rows = result.maps[Method.GRAD_L2].scores
    assert rows is not None
    x = plain.embed(backbone, IDS)
    log_probs = plain.log_probabilities(backbone, x).detach()
    for target in (P, 15, T - 1):
        order = log_probs[target - 1].argsort(descending=True).tolist()
        runner_up = next(id for id in order if id != IDS[target])
        assert result.runner_ups[target - P] == runner_up
        gradient = plain.gradient_of(
            backbone, x, lambda rows, n=target - 1, r=runner_up, t=target: rows[n, IDS[t]] - rows[n, r]
        )
        assert rows[target - P].tolist() == pytest.approx(gradient.norm(dim=-1).tolist(), rel=1e-5, abs=1e-10)


def test_the_runner_up_stays_the_same_token_along_a_path(backbone: Any) -> None:
    """It is the one beside the text that was written, not the one beside each point of the path."""
    decoder = convert_tensors(borrow_decoder(backbone), torch.Tensor.detach)
    options = MethodOptions(ig_steps=8, ig_baseline=Baseline.PAD)
    method = Method.INTEGRATED_GRADIENTS
    setting = Setting(runner_up=True, options=options)
    result = compute_salience(decoder, IDS, P, {}, methods=(method,), setting=setting)
    found, rivals = result.maps[method], result.runner_ups
    assert found.scores is not None
    assert rivals is not None
    x = plain.embed(backbone, IDS).detach()
    pad = backbone.token_embedding.embeddings.value.detach().double()[0]
    start = torch.where(torch.arange(T)[:, None] == 0, x, pad)
    here, there = (plain.log_probabilities(backbone, at) for at in (x, start))
    expected = []
    for target in range(P, T):
        own, other = IDS[target], rivals[target - P]
        at = target - 1
        expected.append(float(here[at, own] - here[at, other] - there[at, own] + there[at, other]))
    sums = found.scores.sum(axis=1, dtype=np.float64) - found.completeness_error[Granularity.TOKEN]
    assert sums.tolist() == pytest.approx(expected, rel=1e-4, abs=1e-4)


# ---- from text ------------------------------------------------------------------------------------------------------

MENU = "What is in it?\n\nSuggestion: Onion soup\nAnalysis:"
WRITTEN = " it has onions in it, which you like.\nRecommendation: You have to try it."


def analyze_one(model: Model, asked: str | None, **fields: Any) -> Analysis | SetAside:
    prompt = Prompt(id="a", text=MENU, given_completion=WRITTEN, fields=fields)
    options = AnalysisOptions(explain=Explain.TARGET, foil=asked)
    (result,) = analyze([prompt], model, options)
    return result


def text_of(analysis: Analysis, what: list[bool]) -> str:
    completion = analysis.completion
    targets = completion.tokens[completion.n_prompt_tokens :]
    return "".join(completion.text[t.start : t.stop] for t, wanted in zip(targets, what, strict=True) if wanted)


def test_the_target_is_found_and_replaced_in_whole_tokens(demo_model: Model) -> None:
    found = analyze_one(demo_model, "You have to try it.=>Avoid.")
    assert isinstance(found, Analysis)
    assert found.foil is not None
    assert found.foil.request == "You have to try it.=>Avoid."
    contrasted = [text is not None for text in found.foil.tokens]
    assert text_of(found, contrasted) == " You have to try it."
    assert "".join(text or "" for text in found.foil.tokens) == " Avoid."
    scores = found.map_by().scores
    assert scores is not None
    assert [row.any() for row in scores] == contrasted


def test_what_a_token_has_beyond_the_target_is_kept_around_the_foil(demo_model: Model) -> None:
    result = analyze_one(demo_model, None)
    assert isinstance(result, Analysis)
    completion, tokenizer = result.completion, demo_model.tokenizer
    contrast = find_contrast(completion, "nion=>live", tokenizer, 512)
    foil = demo_model.tokenizer.pieces(list(contrast.ids[completion.n_prompt_tokens :]))
    assert "".join(foil).replace("▁", " ") == " it has olives"


def test_a_plain_foil_is_another_completion_and_a_records_own_comes_first(demo_model: Model) -> None:
    other = " it has cream in it."
    found = analyze_one(demo_model, "auto", foil=other)
    assert isinstance(found, Analysis)
    assert found.foil is not None
    assert found.foil.request == other
    assert found.foil.tokens[0] is None  # " it" is in both
    assert "".join(text or "" for text in found.foil.tokens) == other.removeprefix(" it has")


@pytest.mark.parametrize("text", ["auto", "onions=>eggs", "=>", " it lacks a=>b"])
def test_a_foil_text_is_another_completion_whatever_it_holds(demo_model: Model, text: str) -> None:
    found = analyze_one(demo_model, "onions=>eggs", foil_text=text)
    assert isinstance(found, Analysis)
    assert found.foil is not None
    written, tokenizer = found.completion, demo_model.tokenizer
    contrast = find_contrast(written, text, tokenizer, 512, literal=True)
    assert contrast.ids[written.n_prompt_tokens :] == tuple(tokenizer.encode(text))
    assert found.foil.request == text
    assert text.endswith("".join(one or "" for one in found.foil.tokens).strip())
    assert all(one is not None for one in found.foil.tokens[contrast.shared - written.n_prompt_tokens :])


def test_a_foil_text_takes_the_place_of_the_last_target(demo_model: Model) -> None:
    """What an evaluation counts as the answer is what is written last."""
    found = analyze_one(demo_model, "auto", foil_text="auto=>b", foil_target="it")
    assert isinstance(found, Analysis)
    assert found.foil is not None
    (place,) = [n for n, text in enumerate(found.foil.tokens) if text is not None]
    assert text_of(found, [n < place for n in range(len(found.foil.tokens))]).endswith("You have to try")
    assert found.foil.tokens[place] == " auto=>b"
    missing = analyze_one(demo_model, None, foil_text="eggs", foil_target="cheese")
    assert isinstance(missing, SetAside)
    assert "expected 'cheese' in the completion" in missing.reason


def test_the_gold_answer_is_a_records_own_foil(demo_model: Model) -> None:
    assert isinstance(analyze_one(demo_model, "gold", foil_text=" it lacks eggs."), Analysis)
    missing = analyze_one(demo_model, "gold")
    assert isinstance(missing, SetAside)
    assert missing.code is SetAsideCode.FOIL
    assert "expected a right answer of an evaluation's log, found none" in missing.reason


def test_auto_names_a_runner_up_for_each_token(demo_model: Model) -> None:
    found, margin = (
        next(analyze([Prompt(id="a", text=MENU, given_completion=WRITTEN)], demo_model, options))
        for options in (
            AnalysisOptions(explain=Explain.TARGET, foil="auto"),
            AnalysisOptions(explain=Explain.TARGET, objective=Objective.MARGIN),
        )
    )
    assert isinstance(found, Analysis)
    assert isinstance(margin, Analysis)
    assert found.foil is not None
    assert len(found.foil.tokens) == found.completion.n_targets
    assert all(text for text in found.foil.tokens)
    assert found.map_by().scores == pytest.approx(margin.map_by().scores)


@pytest.mark.parametrize(
    ("foil", "said"),
    [
        ("pizza=>fish", "expected 'pizza' in the completion, found ' it has onions in it"),
        ("onions=>onions", "begins with all of it"),
        ("onions=>", "fill in both sides"),
        (" it has" * 400, "the model reads 512; shorten it"),
    ],
)
def test_a_foil_that_does_not_fit_sets_its_record_aside(demo_model: Model, foil: str, said: str) -> None:
    result = analyze_one(demo_model, None, foil=foil)
    assert isinstance(result, SetAside)
    assert result.code is SetAsideCode.FOIL
    assert result.reason.startswith(f"foil {foil!r}: ")
    assert said in result.reason


def test_a_foil_needs_the_log_probability(demo_model: Model) -> None:
    with pytest.raises(UsageError, match="expected the objective logprob with a foil, found kl"):
        AnalysisOptions(objective=Objective.KL, foil="auto")
    with pytest.raises(UsageError, match="found kl"):
        Setting(objective=Objective.KL, runner_up=True)
    options = AnalysisOptions(objective=Objective.LOGIT, max_new_tokens=2)
    (result,) = analyze([Prompt(id="a", text=MENU, fields={"foil": "auto"})], demo_model, options)
    assert isinstance(result, SetAside)
    assert "expected the objective logprob, found logit" in result.reason


def test_nothing_written_is_nothing_to_contrast(demo_model: Model) -> None:
    found = analyze_one(demo_model, None)
    assert isinstance(found, Analysis)
    first = found.completion.n_prompt_tokens
    empty = dataclasses.replace(found.completion, tokens=found.completion.tokens[:first])
    with pytest.raises(FoilError, match="expected a completion to contrast it with"):
        find_contrast(empty, " Avoid.", demo_model.tokenizer, 512)
