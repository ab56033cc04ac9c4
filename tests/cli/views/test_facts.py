"""Every view says in a line where its results come from, and all of it in JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from promptlight.cli.views.facts import describe_origin, describe_quantised, spell_both_facts, spell_facts
from promptlight.io.results.facts import RunFacts, read_facts
from tests.conftest import Command

FACTS = RunFacts(
    model="/home/jane/x.gguf",
    preset="/home/jane/x.gguf",
    dtype="float32",
    device="cpu",
    quantised="Q4_K_M: Q4_K, Q6_K",
    started="2026-11-27T10:00:00Z",
    finished="2026-11-27T11:00:00Z",
    versions={"promptlight": "0.1.0"},
)


@pytest.mark.parametrize(
    ("facts", "line"),
    [
        (FACTS, "model: x.gguf in float32 on cpu; run on 2026-11-27 by promptlight 0.1.0"),
        (
            replace(FACTS, started="2026-11-26T10:00:00Z", adapter="/home/jane/lora"),
            "model: x.gguf with lora in float32 on cpu; run from 2026-11-26 to 2026-11-27 by promptlight 0.1.0",
        ),
        (
            replace(FACTS, started=None, finished=None),
            "model: x.gguf in float32 on cpu; run by promptlight 0.1.0",
        ),
        (RunFacts(model="a\nb", preset="a"), "model: a↵b"),
        (None, ""),
    ],
)
def test_a_line_says_what_is_known(facts: RunFacts | None, line: str) -> None:
    assert spell_facts(facts) == line


def test_the_quantised_model_has_a_sentence_of_its_own() -> None:
    assert describe_quantised(FACTS) == "scores are of the quantised model (Q4_K_M: Q4_K, Q6_K)"
    assert describe_quantised(replace(FACTS, quantised=None)) == describe_quantised(None) == ""
    assert "Q4_K_M" not in spell_facts(FACTS)


def test_two_runs_have_two_lines_and_one_has_one() -> None:
    other = replace(FACTS, dtype="bfloat16")
    assert list(spell_both_facts(FACTS, FACTS)) == [spell_facts(FACTS)]
    assert list(spell_both_facts(FACTS, other)) == [
        "before: x.gguf in float32 on cpu; run on 2026-11-27 by promptlight 0.1.0",
        "after: x.gguf in bfloat16 on cpu; run on 2026-11-27 by promptlight 0.1.0",
    ]
    assert list(spell_both_facts(None, other)) == [spell_facts(other, "after")]
    assert list(spell_both_facts(None, None)) == []


def test_commands_say_it_in_a_line_and_in_json(promptlight: Command, demo_results: Path) -> None:
    facts = read_facts(demo_results)
    assert facts is not None
    assert facts.promptlight
    assert len(facts.dates) >= 1
    both = ("compare", demo_results, "--id", "dish-mistake", "--with", "dish-fixed")
    for arguments, path in (
        (("show", demo_results), ("facts",)),
        (("show", demo_results, "--matrix"), ("facts",)),
        (("list", demo_results), ("facts",)),
        (("summarize", demo_results), ("facts",)),
        (both, ("before", "facts")),
        (("compare", demo_results, demo_results), ("facts", "after")),
    ):
        assert promptlight(*arguments).stdout.rstrip().endswith(spell_facts(facts)), arguments
        found = json.loads(promptlight(*arguments, "--json").stdout)
        for name in path:
            found = found[name]
        assert found == describe_origin(facts), arguments
