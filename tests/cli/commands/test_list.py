"""``promptlight list``: every result in a row that fits the terminal, or as JSON."""

# pyright: standard

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from promptlight.io.results.evaluations import EvaluationStore, evaluation_schema
from promptlight.io.results.reader import find_result, read_results
from promptlight.salience.explain.explanation import Question, explain_target
from promptlight.salience.types import Analysis, SetAside
from tests.conftest import Command
from tests.support.paths import DOCS
from tests.support.results import analysis, set_aside, write
from tests.support.source_code import modules_loaded_by
from tests.support.terminal import ORDERS


@pytest.mark.parametrize("width", [60, 80, 110, 160])
def test_every_result_has_a_row_that_fits(
    promptlight: Command, demo_results: Path, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    listed = promptlight("list", demo_results)
    assert (listed.exit_code, listed.stderr) == (0, "")
    assert not ORDERS.search(listed.stdout)
    rows = listed.stdout.split("\n\n")[0].splitlines()
    assert all(cell_len(row) <= width for row in rows)
    results = list(read_results(demo_results))
    ids = [one.id if isinstance(one, SetAside) else one.completion.prompt.id for one in results]
    begins = [row.split("  ")[0] for row in rows[1:] if not row.startswith(" ")]
    assert len(begins) == len(ids)
    assert all(id.startswith(shown.removesuffix("…")) for id, shown in zip(ids, begins, strict=True))


def test_the_numbers_are_those_of_show_and_reasons_are_whole(promptlight: Command, demo_results: Path) -> None:
    listed = promptlight("list", demo_results).stdout
    fixed = find_result(demo_results, id="dish-fixed")
    assert isinstance(fixed, Analysis)
    explanation = explain_target(fixed, Question(target="-1"))
    (span,) = explanation.strongest(1)
    (row,) = (row for row in listed.splitlines() if row.startswith("dish-fixed"))
    assert row.split()[3:5] == [str(span.line), f"{explanation.shares[span.number]:.1%}"]
    assert row.endswith("… Recommendation: Avoid.")
    missing = find_result(demo_results, id="null-prompt")
    assert isinstance(missing, SetAside)
    whole = " ".join(listed.split())
    assert f"null-prompt skipped, broken.jsonl line {missing.line}: {missing.reason}" in whole
    assert "skipped\np: probability a token" in listed


def test_json_has_it_all(promptlight: Command, demo_results: Path) -> None:
    found: dict[str, Any] = json.loads(promptlight("list", demo_results, "--json").stdout)
    assert found["method"] == "grad_l2"
    by_id = {one["id"]: one for one in found["prompts"]}
    fixed = by_id["dish-fixed"]
    assert fixed["completion"].endswith("\nRecommendation: Avoid.")
    assert (fixed["label"], fixed["stop_reason"], fixed["set_aside"]) == ("fewshot-fixed", "end of text", None)
    assert fixed["strongest"]["text"] == "Recommendation: Avoid.\n\n"
    assert by_id["null-prompt"]["set_aside"].startswith("expected `prompt` to be text, found null")


def test_some_can_be_listed(promptlight: Command, demo_results: Path) -> None:
    def ids(*arguments: object) -> list[str]:
        done = promptlight("list", demo_results, "--json", *arguments)
        return [one["id"] for one in json.loads(done.stdout)["prompts"]]

    assert ids("--where", "source=fewshot-fixed") == ["dish-fixed"]
    assert ids("--limit", 2) == ["dish-mistake", "dish-fixed"]
    refused = promptlight("list", demo_results, "--where", "source=nobody")
    assert refused.exit_code == 2
    assert "source could be fewshot-mistake, fewshot-fixed" in refused.stderr


def test_an_evaluation_is_shown(promptlight: Command, tmp_path: Path) -> None:
    folder = write(tmp_path / "out", analysis("one"), set_aside("two"), analysis("three"))
    store = EvaluationStore(folder, {})
    store.add([evaluation_row("three", drop=5.0)])
    first, second, third, *_ = promptlight("list", folder).stdout.splitlines()[1:]
    assert "19/20  " in third
    assert "/20" not in first + second
    assert "trust: how many random orders" in promptlight("list", folder).stdout
    store.add([evaluation_row("three", drop=3.0)])  # the nearest lines cost 4
    store.flush()
    listed = promptlight("list", folder).stdout
    assert "19/20*" in listed.splitlines()[3]
    assert "*: a simple rule does better" in listed
    trust = json.loads(promptlight("list", folder, "--json").stdout)["prompts"][2]["trust"]
    assert (trust["n_beaten"], trust["n_random"], trust["beaten_by_rule"]) == (19, 20, True)
    assert "by 3.0; the 3 nearest lines by 4.0, 3 lines at random by 1.0. " in trust["says"]


def evaluation_row(id: str, *, drop: float) -> dict[str, Any]:
    """A row of nine lines, of which the 3 strongest cost ``drop``; the nearest cost 4, others 1."""
    row: dict[str, Any] = dict.fromkeys(evaluation_schema().names)
    row |= {"id": id, "method": "grad_l2", "fingerprint": f"print-of-{id}", "by": "line", "target_by": "line"}
    row |= {"n_sources": 9, "log_prob": -1.0, "empty_log_prob": -9.0, "n_random": 20, "n_beaten": 19}
    for rival, size in {"": drop, "random_": 1.0, "nearest_": 4.0, "last_line_": 1.0}.items():
        row |= {f"{rival}{name}": size for name in ("drop_1", "drop_3", "drop_5")}
        row |= {f"{rival}deletion": -9.0 if not rival else -5.0, f"{rival}insertion": -5.0}
    return row


def test_a_damaged_shard_is_reported_after_the_others(promptlight: Command, tmp_path: Path) -> None:
    folder = write(tmp_path / "out", analysis("one"), analysis("two"), analysis("three"))
    (folder / "part-00000.parquet").write_bytes(b"PAR1")
    listed = promptlight("list", folder)
    assert listed.exit_code == 5
    assert "three" in listed.stdout
    assert "part-00000.parquet: not readable" in listed.stderr


def test_the_docs_show_what_it_prints(promptlight: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert f"```text\n{promptlight('list', 'gemma-tutorial').stdout}```" in (DOCS / "views.md").read_text("utf-8")


def test_it_loads_no_torch(tmp_path: Path) -> None:
    code = "from promptlight.cli.app import app; app(['list', 'gemma-tutorial'], standalone_mode=False)"
    assert not modules_loaded_by(code, tmp_path) & {"torch", "keras", "keras_hub"}
