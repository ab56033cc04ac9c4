"""Records of other tools end in a run, and the command says as what it read them."""

# pyright: standard

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from promptlight.io import read_results
from promptlight.salience.types import Analysis
from tests.conftest import Command

ASKED = [{"role": "user", "content": "Is soup sweet?"}]
RECORDS: list[tuple[str, dict[str, Any]]] = [
    ("OpenAI batch", {"custom_id": "a", "body": {"messages": ASKED, "max_tokens": 3, "temperature": 0.5}}),
    ("Alpaca", {"id": "b", "instruction": "Is it sweet?", "input": "Soup", "output": "No."}),
    ("ShareGPT", {"id": "c", "conversations": [{"from": "human", "value": "Is soup sweet?"}]}),
    ("TRL", {"id": "d", "prompt": "Is soup sweet?", "chosen": " No.", "rejected": " Yes."}),
]


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    path = tmp_path / "prompts.jsonl"
    path.write_text("".join(f"{json.dumps(record)}\n" for _, record in RECORDS), encoding="utf-8")
    return path


def test_each_format_ends_in_a_run_that_names_it(promptlight: Command, prompts: Path, tmp_path: Path) -> None:
    options = ("--explain", "target", "--max-new-tokens", 2, "--device", "cpu", "--stop", "zzz")
    done = promptlight("run", prompts, "-o", tmp_path / "out", *options)
    assert done.exit_code == 0, done.stderr
    said = done.stderr.splitlines()
    assert [line for line in said if line.startswith("read as")] == [f"read as {name}: 1 record" for name, _ in RECORDS]
    assert "note: parameters of requests that are not followed: temperature (1)" in said
    results = {one.completion.prompt.id: one for one in read_results(tmp_path / "out") if isinstance(one, Analysis)}
    assert {id: one.completion.completion_text for id, one in results.items() if id in "bd"} == {
        "b": "No.",
        "d": " No.",
    }
    assert results["a"].completion.n_targets <= 3
    assert results["d"].foil is not None


def test_segment_names_the_format_too(promptlight: Command, prompts: Path) -> None:
    done = promptlight("segment", prompts)
    assert done.exit_code == 0, done.stderr
    assert "read as Alpaca: 1 record\n" in done.stderr
    own = promptlight("segment", prompts, "--format", "promptlight")
    assert "read as" not in own.stderr
    assert own.exit_code == 3
