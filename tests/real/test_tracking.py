"""Variable tracking on a real Gemma 3 270M: it solves some prompts, and their figures come out."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest

from promptlight.salience import Method, load_model
from promptlight.salience.benchmark.recall import measure_recall
from promptlight.salience.benchmark.solved import ask_in_batches, build_case
from promptlight.salience.benchmark.tracking import Form
from promptlight.salience.types import Way

pytestmark = pytest.mark.real


def test_two_prompts_of_one_hop_are_solved_and_measured(real_gemma: Path) -> None:
    model = load_model(str(real_gemma), device="cpu", dtype="float32")
    attempts = [one for batch in ask_in_batches(model, Form(), 2) for one in batch if one.is_solved]
    cases = [build_case(attempt) for attempt in islice(attempts, 2)]
    for case, attempt in zip(cases, attempts, strict=False):
        tokens = case.completion.tokens[slice(*case.target)]
        assert "".join(token.piece for token in tokens) == attempt.prompt.block.value
    found = [one for one in measure_recall(model, cases, [Method.GRAD_L2]) if one.method == "grad_l2"]
    assert {one.way for one in found} == set(Way)
    assert all(len(one.found) == 2 for one in found)
