"""``promptlight evaluate --benchmark tracking`` from outside."""

from __future__ import annotations

import json

import pytest

from promptlight.salience.benchmark import solved
from tests.conftest import Command
from tests.support.tracking import answer_by_rule

ASKED = ("evaluate", "--benchmark", "tracking", "--prompts", 2, "--method", "grad_l2", "--device", "cpu")


@pytest.fixture
def solver(monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """The demo model, with answers that are given: it doesn't follow variables itself."""
    monkeypatch.setattr(solved, "complete", answer_by_rule)
    return "--model", "demo"


def test_tracking_needs_a_model_that_is_named(promptlight: Command) -> None:
    refused = promptlight(*ASKED)
    assert refused.exit_code == 2
    assert "expected a model that follows variables" in refused.stderr


def test_the_table_says_what_was_solved_found_and_written_again(promptlight: Command, solver: tuple[str, str]) -> None:
    shown = promptlight(*ASKED, *solver, "--width", 200)
    assert shown.exit_code == 0, shown.stderr
    assert "1 hop, the chain written out first. Solved: 100%" in shown.stdout
    assert "without a line of the chain in 100%" in shown.stdout
    assert "without another line in 0%" in shown.stdout
    assert [line.split()[:2] for line in shown.stdout.splitlines() if line.startswith("grad_l2")] == [
        ["grad_l2", "direct"],
        ["grad_l2", "through"],
        ["grad_l2", "in"],
    ]


def test_json_has_all_figures(promptlight: Command, solver: tuple[str, str]) -> None:
    found = json.loads(promptlight(*ASKED, *solver, "--hops", 2, "--json").stdout)
    assert (found["prompts"], found["drawn"], found["solved"], found["consistent"]) == (2, 20, 20, 20)
    assert (found["benchmark"], found["form"]["hops"], found["form"]["at_once"]) == ("tracking", 2, False)
    assert found["written_again"] == {"chain": {"changed": 6, "n": 6}, "others": {"changed": 0, "n": 10}}
    figures = [(one["method"], one["way"], one["scope"]) for one in found["figures"]]
    assert {way for method, way, _ in figures if method == "grad_l2"} == {"direct", "through", "all"}
    chance = [one["recall"] for one in found["figures"] if one["method"] == "chance"]
    assert chance == pytest.approx([3 / 8, 3 / 26])


def test_options_of_tracking_are_refused_with_other_benchmarks(promptlight: Command) -> None:
    refused = promptlight("evaluate", "--benchmark", "hops", "--hops", 2, "--at-once")
    assert refused.exit_code == 2
    assert "--hops, --at-once: no effect on the benchmark hops" in refused.stderr
