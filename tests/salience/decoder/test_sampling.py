"""Drawn tokens: the distribution is the one asked for, and what is drawn for a prompt is its own."""

# pyright: standard

from __future__ import annotations

from typing import Any

import pytest
import torch

from promptlight.salience import AnalysisOptions, Model, Prompt, SetAside, analyze
from promptlight.salience.decoder.sampling import choose_tokens, draw
from promptlight.salience.errors import UsageError
from promptlight.salience.options.sampling import Sampling

LOGITS = torch.tensor([[0.1, 2.0, -1.0, 1.2, 0.4]])
PROMPTS = [
    Prompt(id=f"p{number}", text=f"What is in it?\n\nSuggestion: {dish}\nAnalysis:")
    for number, dish in enumerate(("Naan", "Omelette", "Leek and potato soup", "Borscht", "Paella"))
]


def draw_evenly(n: int, **options: Any) -> torch.Tensor:
    """How often each token comes, at n evenly spread heights: no chance in it."""
    heights = (torch.arange(n, dtype=torch.float64) + 0.5) / n
    sampling = Sampling(temperature=options.pop("temperature", 1.0), **options)
    tokens = draw(LOGITS.expand(n, -1), heights, sampling)
    return torch.bincount(tokens, minlength=LOGITS.shape[1]) / n


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5])
def test_tokens_come_as_often_as_softmax_says(temperature: float) -> None:
    expected = torch.softmax(LOGITS[0] / temperature, dim=0)
    torch.testing.assert_close(draw_evenly(20_000, temperature=temperature), expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("k", [1, 2, 4, 99])
def test_top_k_keeps_the_likeliest(k: int) -> None:
    kept = LOGITS[0].topk(min(k, 5)).indices
    expected = torch.zeros(5)
    expected[kept] = torch.softmax(LOGITS[0, kept], dim=0)
    torch.testing.assert_close(draw_evenly(20_000, top_k=k), expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("p", "n_kept"), [(0.01, 1), (0.5, 1), (0.56, 2), (0.78, 2), (0.8, 3), (0.85, 3), (0.97, 4), (1.0, 5)]
)
def test_top_p_keeps_the_fewest_that_reach_it(p: float, n_kept: int) -> None:
    probabilities, order = torch.softmax(LOGITS[0].double(), dim=0).sort(descending=True)
    assert probabilities[:n_kept].sum() >= p - 1e-12  # the table above is right
    assert n_kept == 1 or probabilities[: n_kept - 1].sum() < p
    expected = torch.zeros(5, dtype=torch.float64)
    expected[order[:n_kept]] = probabilities[:n_kept] / probabilities[:n_kept].sum()
    torch.testing.assert_close(draw_evenly(20_000, top_p=p).double(), expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("number", [0.0, 1 - 2**-53])
def test_the_ends_of_the_range_are_tokens_too(number: float) -> None:
    numbers = torch.tensor([number], dtype=torch.float64)
    for sampling, last in (
        (Sampling(temperature=1.0), 2),
        (Sampling(temperature=1.0, top_k=3), 4),
        (Sampling(temperature=1.0, top_p=0.9), 0),
    ):
        assert draw(LOGITS, numbers, sampling).tolist() == [1 if number == 0 else last]


def test_a_row_draws_the_same_whatever_rows_are_beside_it() -> None:
    sampling = Sampling(temperature=1.5, seed=3)
    logits = torch.randn(3, 400, generator=torch.Generator().manual_seed(0))
    together = choose_tokens(sampling, ["a", "b", "c"])
    alone = choose_tokens(sampling, ["c"])
    first, _ = together(logits, [0, 1, 2]), together(logits[[0, 2]], [0, 2])
    third = together(logits[[2]], [2])
    mine = [int(alone(logits[[2]], [0])) for _ in range(3)]
    assert (int(first[2]), int(third)) == (mine[0], mine[2])


def write(demo_model: Model, batch_size: int, **options: Any) -> list[str]:
    settings = AnalysisOptions(max_new_tokens=16, sampling=Sampling(temperature=1.5, **options))
    results = list(analyze(PROMPTS, demo_model, settings, batch_size=batch_size))
    return [one.completion.completion_text for one in results if not isinstance(one, SetAside)]


def test_the_same_seed_gives_the_same_text_whatever_the_batch_size(demo_model: Model) -> None:
    alone = write(demo_model, 1, seed=7)
    assert len(alone) == len(PROMPTS)
    assert write(demo_model, 2, seed=7) == write(demo_model, 5, seed=7) == alone
    assert write(demo_model, 5, seed=8) != alone


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"temperature": -1.0}, "temperature of 0"),
        ({"temperature": 1.0, "top_k": 0}, "top-k to be 1"),
        ({"temperature": 1.0, "top_p": 0.0}, "top-p to be a probability"),
        ({"temperature": 1.0, "top_p": 1.5}, "top-p to be a probability"),
        ({"top_k": 5}, "add a temperature"),
        ({"top_p": 0.5}, "add a temperature"),
    ],
)
def test_values_that_mean_nothing_are_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        Sampling(**options)
