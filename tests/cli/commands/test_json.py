"""``--json``: the same figures as the views, for programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from promptlight.io import find_result
from promptlight.salience import Analysis
from promptlight.salience.explain.explanation import Question, explain_target
from promptlight.salience.types import Granularity
from tests.conftest import Command

TARGET = ("--by", "line", "--target", "Recommendation")


def read(promptlight: Command, *arguments: Any) -> Any:
    shown = promptlight(*arguments, "--json")
    assert (shown.exit_code, shown.stderr) == (0, "")
    return json.loads(shown.stdout)


def test_show(promptlight: Command, demo_results: Path) -> None:
    found = read(promptlight, "show", demo_results, "--id", "dish-mistake", *TARGET, "--top", 5)
    analysis = find_result(demo_results, id="dish-mistake")
    assert isinstance(analysis, Analysis)
    explanation = explain_target(analysis, Question(by=Granularity.LINE, target="Recommendation"))
    assert found["target"] == explanation.target_text
    assert found["probability"] == pytest.approx(explanation.target_probability)
    assert found["probability_per_token"] == pytest.approx(explanation.probability_per_token)
    assert [source["text"] for source in found["sources"]] == [span.text for span in explanation.strongest(5)]
    shares = [float(explanation.shares[span.number]) for span in explanation.strongest(5)]
    assert [source["share"] for source in found["sources"]] == pytest.approx(shares)


def test_show_by_way(promptlight: Command, demo_results: Path) -> None:
    found = read(promptlight, "show", demo_results, "--id", "dish-mistake", "--way", "all", "--top", 500)
    assert found["target"].startswith("Recommendation")  # the last line, without being asked
    assert found["way"] == "all"
    through = found["through"]
    assert sum(source["total"] for source in found["sources"]) == pytest.approx(1 - through["stuck"], abs=1e-4)
    assert all(one["direct"] + one["through"] == pytest.approx(one["total"]) for one in found["sources"])
    assert {one["line"] for way in through["ways"] for one in way["stations"]} <= {
        one["line"] for one in through["own_words"]
    }
    assert sum(way["share"] for way in through["ways"]) <= through["own"] + 1e-6
    direct = read(promptlight, "show", demo_results, "--id", "dish-mistake", *TARGET)
    assert (direct["way"], direct["through"]) == ("direct", None)


def test_compare(promptlight: Command, demo_results: Path) -> None:
    found = read(promptlight, "compare", demo_results, "--id", "dish-mistake", "--with", "dish-fixed", *TARGET)
    assert (found["before"]["id"], found["after"]["id"]) == ("dish-mistake", "dish-fixed")
    most = max(found["parts"], key=lambda part: abs(part["moved"]))
    assert most["change"] == "edited"
    assert most["after"] == "Recommendation: Avoid.\n\n"
    assert sum(abs(part["moved"]) for part in found["parts"]) / 2 == pytest.approx(found["moved"])
    overview = read(promptlight, "compare", demo_results, demo_results)
    assert all(one["same_completion"] and one["moved"] == 0 for one in overview["prompts"])


def test_summarize(promptlight: Command, demo_results: Path) -> None:
    found = read(promptlight, "summarize", demo_results, "--target", "Recommendation")
    assert found["n_prompts"] >= 3
    shares = [abs(group["mean_share"]) for group in found["groups"]]
    assert shares == sorted(shares, reverse=True)
