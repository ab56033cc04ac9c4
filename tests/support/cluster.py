"""Tests of ``run --engine ray``: options, prompts, and the processes that Ray starts."""

from __future__ import annotations

import json
import os
from pathlib import Path

from promptlight.io.results.reader import read_results
from promptlight.salience.types import SetAside
from tests.support.handmade import assert_same_analysis
from tests.support.processes import find_processes, list_ancestors

SHORT = ("--max-new-tokens", "4", "--device", "cpu")
RAY = (*SHORT, "--engine", "ray")
BATCHES = ("--batch-size", "2", "--flush-every", "3")


def write_prompts(path: Path, n_prompts: int) -> list[str]:
    """Write a file of prompts of different lengths; returns their ids."""
    dishes = ["Onion soup", "Naan", "Quiche", "Fish and chips with peas"]
    records = [
        {"id": f"dish-{number}", "prompt": f"Suggestion: {dishes[number % 4]}\n" * (1 + number % 3) + "Analysis:"}
        for number in range(n_prompts)
    ]
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return [record["id"] for record in records]


def assert_same_results(found: Path, expected: Path) -> None:
    """Expect the same rows in the same order; scores may differ as with another number of threads."""
    for one, other in zip(read_results(found), read_results(expected), strict=True):
        if isinstance(one, SetAside) or isinstance(other, SetAside):
            assert one == other
        else:
            assert_same_analysis(one, other)


def find_actors(state: str = "") -> set[int]:
    """Actor processes below this one; Ray appends what they are doing to their name: ``explain`` is a batch."""
    return {process for process in find_processes("ray::Explainer", state) if os.getpid() in list_ancestors(process)}
