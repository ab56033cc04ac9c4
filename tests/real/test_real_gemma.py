"""Gemma 3 270M against transformers with autograd, on the same weights; the tutorial's story on it.

The weights are those of the GGUF file, dequantised. transformers runs them in float32 and float64.
"""

# pyright: standard

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor

from promptlight.io import read_prompts, read_results
from promptlight.io.results.folders import BUNDLED
from promptlight.salience import Analysis, AnalysisOptions, Granularity, Method, Model, Prompt, load_model
from promptlight.salience.decoder.generate import generate
from promptlight.salience.explain.explanation import Question, explain_target
from promptlight.salience.gradients.compute import Setting, compute_salience
from promptlight.salience.gradients.integrated import make_baseline
from promptlight.salience.options.methods import Baseline, MethodOptions
from promptlight.salience.run.pipeline import analyze
from promptlight.salience.types import Segmentation
from tests.support.paths import EXAMPLES
from tests.support.real import STORY_RUN, build_transformers_model, measure_run, require_real_gemma, run_real

pytestmark = pytest.mark.real

WINDOW = 512  # of a local layer
PROMPTS = {record.id: record for record in read_prompts(EXAMPLES / "real.jsonl") if isinstance(record, Prompt)}
N_CHECKED = 4  # targets of a text, whose gradients transformers computes one by one


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model(str(require_real_gemma()), device="cpu", dtype="float32")


@pytest.fixture(scope="module")
def theirs() -> Any:
    return build_transformers_model(torch.float32)


@pytest.fixture(scope="module")
def theirs_wide() -> Any:
    return build_transformers_model(torch.float64)


class Text(NamedTuple):
    """A text as tokens."""

    ids: list[int]
    n_prompt_tokens: int

    @property
    def checked(self) -> list[int]:
        """Some of the targets, the first and the last included."""
        n_targets = len(self.ids) - self.n_prompt_tokens
        return sorted({round(place * (n_targets - 1) / (N_CHECKED - 1)) for place in range(N_CHECKED)})


def make_text(model: Model, prompt: str, completion: str) -> Text:
    start = [model.tokenizer.bos_id, *model.tokenizer.encode(prompt)]
    return Text([*start, *model.tokenizer.encode(completion)], len(start))


@pytest.fixture(scope="module")
def texts(model: Model) -> dict[str, Text]:
    """A short one, a Chinese one, and one that is longer than a local layer's window."""
    shots = PROMPTS["review-sour"].text.removesuffix("Verdict:")
    long = (shots.rpartition("Review:")[0]) * 9 + PROMPTS["review-sour"].text
    made = {
        "few-shot": make_text(model, PROMPTS["review-sour"].text, " bad, because of the milk"),
        "Chinese": make_text(model, PROMPTS["zh-weather"].text, "台北。"),
        "long": make_text(model, long, " bad"),
    }
    assert len(made["long"].ids) > WINDOW + 100
    return made


def embed(theirs: Any, ids: Sequence[int]) -> Tensor:
    """The unscaled embeddings."""
    table = theirs.get_input_embeddings().weight
    return torch.nn.functional.embedding(torch.tensor(ids), table).detach()


def score(theirs: Any, embeddings: Tensor, ids: Sequence[int], targets: Sequence[int]) -> Tensor:
    """Log-probabilities of the tokens at these places of the text."""
    scale = theirs.get_input_embeddings().embed_scale.to(embeddings.dtype)
    hidden = theirs.model(inputs_embeds=(embeddings * scale)[None], use_cache=False).last_hidden_state[0]
    logits = hidden[torch.tensor(targets) - 1] @ theirs.lm_head.weight.T
    return logits.log_softmax(-1).gather(1, torch.tensor([[ids[place]] for place in targets]))[:, 0]


def differentiate(theirs: Any, text: Text, groups: Sequence[Sequence[int]]) -> list[Tensor]:
    """The gradient of the summed log-probability of each group of targets by the unscaled embeddings, [T, D] each."""
    embeddings = embed(theirs, text.ids).requires_grad_()
    places = [text.n_prompt_tokens + target for group in groups for target in group]
    log_probs = iter(score(theirs, embeddings, text.ids, places))
    sums = [torch.stack([next(log_probs) for _ in group]).sum() for group in groups]
    return [torch.autograd.grad(total, embeddings, retain_graph=True)[0] for total in sums]


def find_row_errors(found: Any, expected: Sequence[Tensor] | Tensor) -> list[float]:
    """The relative error of each row."""
    rows = [torch.as_tensor(row).double() for row in found]
    return [float((row - want).norm() / want.norm()) for row, want in zip(rows, expected, strict=True)]


@pytest.mark.parametrize("name", ["few-shot", "Chinese", "long"])
def test_gradients_are_those_of_transformers_in_float64(
    model: Model, theirs_wide: Any, texts: dict[str, Text], name: str
) -> None:
    text = texts[name]
    expected = differentiate(theirs_wide, text, [[target] for target in text.checked])
    embeddings = embed(theirs_wide, text.ids)
    methods = (Method.GRAD_L2, Method.GRAD_DOT_INPUT)
    found = compute_salience(model.decoder, text.ids, text.n_prompt_tokens, {}, methods=methods)
    reductions = {Method.GRAD_L2: lambda g: g.norm(dim=-1), Method.GRAD_DOT_INPUT: lambda g: (g * embeddings).sum(-1)}
    for method in methods:
        scores = found.maps[method].scores
        assert scores is not None
        errors = find_row_errors(scores[text.checked], [reductions[method](gradient) for gradient in expected])
        assert max(errors) < 1e-4, (method, errors)
    log_probs = score(theirs_wide, embeddings, text.ids, [text.n_prompt_tokens + target for target in text.checked])
    torch.testing.assert_close(
        torch.tensor([found.log_probs[target] for target in text.checked], dtype=torch.float64),
        log_probs.detach(),
        rtol=1e-5,
        atol=1e-6,
    )


def test_gradients_are_near_those_of_transformers_in_float32(model: Model, theirs: Any, texts: dict[str, Text]) -> None:
    """transformers' own rounding is the larger part of the difference."""
    text = texts["few-shot"]
    expected = differentiate(theirs, text, [[target] for target in text.checked])
    scores = compute_salience(model.decoder, text.ids, text.n_prompt_tokens, {}).maps[Method.GRAD_L2].scores
    assert scores is not None
    assert max(find_row_errors(scores[text.checked], [row.double().norm(dim=-1) for row in expected])) < 5e-3


def test_a_span_has_the_gradient_of_the_summed_log_probability(
    model: Model, theirs_wide: Any, texts: dict[str, Text]
) -> None:
    text = texts["few-shot"]
    n_targets = len(text.ids) - text.n_prompt_tokens
    bounds = (0, text.n_prompt_tokens, text.n_prompt_tokens + 2, len(text.ids))
    words = Segmentation(granularity=Granularity.WORD, bounds=bounds)
    gradients = differentiate(theirs_wide, text, [range(2), range(2, n_targets)])
    cuts = {Granularity.WORD: words}
    found = compute_salience(model.decoder, text.ids, text.n_prompt_tokens, cuts).maps[Method.GRAD_L2]
    errors = find_row_errors(found.span_scores[Granularity.WORD], [gradient.norm(dim=-1) for gradient in gradients])
    assert max(errors) < 1e-4


def test_integrated_gradients_state_their_true_gap(model: Model, theirs_wide: Any, texts: dict[str, Text]) -> None:
    """All scores of a row and the stated gap add up to the change from baseline to input, as transformers sees it."""
    text = texts["Chinese"]
    method = Method.INTEGRATED_GRADIENTS
    setting = Setting(options=MethodOptions(ig_steps=8))
    run = compute_salience(model.decoder, text.ids, text.n_prompt_tokens, {}, methods=(method,), setting=setting)
    result = run.maps[method]
    assert result.scores is not None
    x = embed(theirs_wide, text.ids)
    special = [place == 0 for place in range(len(text.ids))]
    baseline = make_baseline(model.decoder, x, special, Baseline.MEAN)
    places = range(text.n_prompt_tokens, len(text.ids))
    with torch.no_grad():
        change = score(theirs_wide, x, text.ids, places) - score(theirs_wide, baseline, text.ids, places)
    sums = torch.from_numpy(result.scores).double().sum(dim=1)
    gaps = torch.from_numpy(result.completeness_error[Granularity.TOKEN]).double()
    torch.testing.assert_close(sums - gaps, change, rtol=1e-3, atol=1e-2)


def test_greedy_completions_are_those_of_transformers(model: Model, theirs: Any, texts: dict[str, Text]) -> None:
    prompts = [make_text(model, PROMPTS[id].text, "").ids for id in ("sum-left", "news-bees", "zh-opposite")]
    long = texts["long"].ids[: texts["long"].n_prompt_tokens]
    for ids in (*prompts, long):
        assert write_on(theirs, ids, 8) == write_on_ours(model, ids, 8)


def write_on(theirs: Any, ids: list[int], n_new: int) -> list[int]:
    return theirs.generate(torch.tensor([ids]), max_new_tokens=n_new, do_sample=False)[0, len(ids) :].tolist()


def write_on_ours(model: Model, ids: list[int], n_new: int) -> list[int]:
    length = model.facts.context_length
    return list(generate(model.decoder, [ids], max_new_tokens=n_new, context_length=length, stops={})[0].ids)


def test_a_batch_writes_and_explains_what_each_prompt_alone_does(model: Model) -> None:
    prompts = [PROMPTS[id] for id in ("capital-peru", "zh-capital")]
    options = AnalysisOptions(max_new_tokens=6)
    together = list(analyze(prompts, model, options, batch_size=4))
    for prompt, found in zip(prompts, together, strict=True):
        (alone,) = analyze([prompt], model, options)
        assert isinstance(found, Analysis)
        assert isinstance(alone, Analysis)
        assert found.completion.ids == alone.completion.ids
        assert find_row_errors(found.map_by().scores, torch.as_tensor(alone.map_by().scores).double()) == pytest.approx(
            [0] * alone.completion.n_targets, abs=1e-6
        )


# ---- the command ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def story_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of the tutorial's three prompts."""
    folder = tmp_path_factory.mktemp("story") / "results"
    run_real(*STORY_RUN, "-o", folder)
    return folder


@pytest.fixture(scope="module")
def story(story_folder: Path) -> dict[str, Analysis]:
    results = [result for result in read_results(story_folder) if isinstance(result, Analysis)]
    return {result.completion.prompt.id: result for result in results}


def test_the_bundled_results_are_those_of_a_new_run(story: dict[str, Analysis]) -> None:
    bundled = [result for result in read_results(BUNDLED["gemma-tutorial"]) if isinstance(result, Analysis)]
    assert [one.completion.prompt.id for one in bundled] == list(story)
    for kept in bundled:
        new = story[kept.completion.prompt.id]
        assert [token.id for token in kept.completion.tokens] == [token.id for token in new.completion.tokens]
        assert kept.maps.keys() == new.maps.keys()
        for method, ours in kept.maps.items():
            theirs = new.maps[method].scores
            assert ours.scores is not None
            assert theirs is not None
            np.testing.assert_allclose(ours.scores, theirs, rtol=1e-4, atol=1e-4)


def list_strongest(analysis: Analysis) -> list[tuple[str, float]]:
    """The source lines of the Recommendation, strongest first, with their shares."""
    question = Question(by=Granularity.LINE, target_by=Granularity.LINE, target="Recommendation")
    explanation = explain_target(analysis, question)
    shares = explanation.shares
    order = sorted(range(len(shares)), key=lambda number: -shares[number])
    return [(explanation.spans[number].text.strip(), shares[number]) for number in order]


def test_the_mistaken_example_is_followed_and_points_at_itself(story: dict[str, Analysis]) -> None:
    assert story["dish-mistake"].completion.completion_text.endswith("Recommendation: You have to try it.")
    (first, share), (_, next_share), *_ = list_strongest(story["dish-mistake"])
    assert first == "Recommendation: You have to try it."
    assert share > next_share


def test_fixing_the_example_and_adding_principles_change_the_answer(story: dict[str, Analysis]) -> None:
    assert story["dish-fixed"].completion.completion_text.endswith("Recommendation: Avoid.")
    principled = story["dish-constitution"].completion.completion_text
    assert "You have to try it" not in principled
    assert principled.count("Recommendation:") == 1


def test_memory_is_as_estimated(tmp_path: Path) -> None:
    """Within a factor of two."""
    run = ("run", EXAMPLES / "real.jsonl", "--limit", "4", "--max-new-tokens", "8", "-o", tmp_path / "results")
    estimated, used = measure_run(*run)
    assert estimated / 2 < used < 2 * estimated
