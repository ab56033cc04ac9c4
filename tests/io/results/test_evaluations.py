"""Rows of an evaluation are kept as they come, and found again where they still hold."""

# pyright: standard

from __future__ import annotations

from pathlib import Path
from typing import Any

from promptlight.io.results.evaluations import EVALUATION, EvaluationStore, evaluation_schema, read_evaluation
from tests.support.results import analysis, write

METHODS = ("grad_l2", "occlusion")


def row(id: str, method: str, fingerprint: str = "print", **others: Any) -> dict[str, Any]:
    own = {"id": id, "method": method, "fingerprint": fingerprint}
    return dict.fromkeys(evaluation_schema().names) | own | others


def rows_of(folder: Path) -> list[tuple[str, str]]:
    stored = read_evaluation(folder)
    return [] if stored is None else [(one["id"], one["method"]) for one in stored.rows]


def test_a_prompts_rows_are_found_if_all_are_there_and_its_record_is_the_same(tmp_path: Path) -> None:
    folder = write(tmp_path / "out", analysis("one"))
    store = EvaluationStore(folder, {"seed": 0})
    store.add([row("one", method) for method in METHODS])
    store.add([row("two", "grad_l2")])
    store.flush()
    again = EvaluationStore(folder, {"seed": 0})
    assert [one["method"] for one in again.find("one", "print", METHODS[::-1])] == list(METHODS[::-1])
    assert again.find("one", "another", METHODS) == []
    assert again.find("two", "print", METHODS) == []
    assert len(again.find("two", "print", METHODS[:1])) == 1
    for other in (EvaluationStore(folder, {"seed": 1}), EvaluationStore(folder, {"seed": 0}, anew=True)):
        assert other.find("one", "print", METHODS) == []


def test_the_first_rows_are_written_at_once_and_later_ones_replace_them(tmp_path: Path) -> None:
    folder = write(tmp_path / "out", analysis("one"))
    store = EvaluationStore(folder, {"seed": 0})
    store.add([row("one", "grad_l2", n_sources=3)])
    assert rows_of(folder) == [("one", "grad_l2")]
    store.add([row("one", "grad_l2", n_sources=4)])
    assert store.flush() == folder / EVALUATION
    stored = read_evaluation(folder)
    assert stored is not None
    assert [one["n_sources"] for one in stored.rows] == [4]
    EvaluationStore(folder, {"seed": 0}, anew=True)  # nothing is lost before something is measured
    assert rows_of(folder) == [("one", "grad_l2")]


def test_with_results_of_the_package_nothing_is_written(tmp_path: Path) -> None:
    folder = write(tmp_path / "out", analysis("one"))
    store = EvaluationStore(folder, {"seed": 0}, keeps=False)
    store.add([row("one", "grad_l2")])
    assert store.flush() is None
    assert not (folder / EVALUATION).exists()
    assert len(store.find("one", "print", ["grad_l2"])) == 1
