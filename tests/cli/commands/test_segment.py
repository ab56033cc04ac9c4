"""``promptlight segment``: what it prints is what a run would store."""

# pyright: standard

from __future__ import annotations

import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest

from promptlight.salience.types import Granularity
from tests.conftest import Command
from tests.support.paths import EXAMPLES

TEXT = "Dr. Lee eats 好吃的！ Really.\n\nNo, e.g. 3.5 eggs."


def spans_of(promptlight: Command, *arguments: object) -> list[str]:
    shown = promptlight("segment", *arguments, "--json")
    assert shown.exit_code == 0
    return [json.loads(line)["text"] for line in shown.stdout.splitlines()]


@pytest.mark.parametrize(
    ("by", "spans"),
    [
        ("sentence", ["Dr. Lee eats 好吃的！", " Really.\n\n", "No, e.g. 3.5 eggs."]),
        ("paragraph", ["Dr. Lee eats 好吃的！ Really.\n\n", "No, e.g. 3.5 eggs."]),
        ("regex:eggs", ["Dr. Lee eats 好吃的！ Really.\n\nNo, e.g. 3.5", " eggs."]),
    ],
)
def test_spans_are_those_asked_for(promptlight: Command, by: str, spans: list[str]) -> None:
    assert spans_of(promptlight, "--prompt", TEXT, "--by", by) == ["<bos>", *spans]


@pytest.mark.parametrize("by", list(Granularity))
def test_cuts_are_those_that_a_run_stores(promptlight: Command, demo_results: Path, by: Granularity) -> None:
    rows = pd.read_parquet(demo_results)
    for name in ("prompts", "hostile"):
        shown = promptlight("segment", EXAMPLES / f"{name}.jsonl", "--by", by, "--json")
        cuts: dict[str, list[int]] = {}
        for line in shown.stdout.splitlines():
            span = json.loads(line)
            cuts.setdefault(span["id"], []).append(len(span["tokens"]))
        for row in rows.to_dict("records"):
            if row["id"] in cuts and row["error"] is None:
                stored = [int(bound) for bound in row[f"{by}_bounds"] if bound <= row["n_prompt_tokens"]]
                lengths = [stop - start for start, stop in pairwise(stored)]
                assert cuts[row["id"]][: len(lengths)] == lengths


def test_a_table_numbers_the_spans(promptlight: Command) -> None:
    shown = promptlight("segment", "--prompt", "Eat pie.\nBuy", "--by", "line")
    heading, *lines = shown.stdout.splitlines()
    assert heading.startswith("prompt: ")
    assert [line.split("“")[1] for line in lines] == ["<bos>”", "Eat pie.↵”", "Buy”"]
    assert [line.split()[0] for line in lines] == ["1", "2", "3"]


def test_targets_are_cut_too_and_faults_are_told(promptlight: Command, tmp_path: Path) -> None:
    path = tmp_path / "prompts.jsonl"
    path.write_text('{"prompt": "Eat", "target": " pie"}\n{"prompt": 5}\n{"prompt": "Buy"}\n', encoding="utf-8")
    shown = promptlight("segment", path, "--json")
    assert shown.exit_code == 3
    roles = [(span["text"], span["role"]) for span in map(json.loads, shown.stdout.splitlines())]
    assert roles == [
        ("<bos>", "special"), ("Eat", "prompt"), (" pie", "completion"), ("<bos>", "special"), ("Buy", "prompt"),
    ]  # fmt: skip
    assert f"{path}:2: expected `prompt` to be text" in shown.stderr


def test_what_cannot_be_cut_is_said(promptlight: Command, tmp_path: Path) -> None:
    for arguments, says in (
        ((), "either a file of prompts or --prompt"),
        (("--prompt", "x", "--by", "pixel"), "or regex:PATTERN, found 'pixel'\n"),
        (("--prompt", "x", "--by", "Sections"), "found 'Sections'; did you mean section?"),
        (("--prompt", "x", "--by", "regex:("), "regex:(: expected a regular expression"),
        (("--prompt", "x", "--model", tmp_path), "config.json"),
    ):
        shown = promptlight("segment", *arguments)
        assert (shown.exit_code, shown.stdout) in ((2, ""), (4, ""))
        assert says in shown.stderr


def test_the_demo_models_tokenizer_takes_no_torch() -> None:
    code = (
        "import sys; sys.argv = ['promptlight', 'segment', '--prompt', 'x']\n"
        "from promptlight.cli.__main__ import main\n"
        "try: main()\n"
        "finally: print('loaded:', sorted({'torch', 'keras', 'pandas', 'pyarrow'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("loaded: []\n")
