"""What is stored beside results about a target is found, and nothing that is about another one."""

# pyright: standard

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from promptlight.cli.work.stored_checks import StoredChecks
from promptlight.io.page.overview import Checks, Tried, Verdict
from promptlight.io.results.answers import ANSWERS, keep_answer
from promptlight.io.results.evaluations import EVALUATION, EvaluationStore
from promptlight.io.results.regenerations import RegenerationStore
from promptlight.salience.explain.explanation import Explanation, Question, explain_target
from promptlight.salience.types import Granularity
from tests.support.causes import make_causes
from tests.support.evaluations import ROW
from tests.support.results import analysis, write

ONE = analysis("one", n_targets=6)
STAMP = {"id": "one", "fingerprint": "print-of-one"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path / "out", ONE, analysis("two"))


def explain(target: str | None) -> Explanation:
    return explain_target(ONE, Question(target=target, target_by=Granularity.WORD))


def evaluate(folder: Path, explanation: Explanation, **others: Any) -> None:
    """Store an evaluation of this target."""
    first, last = explanation.targets[0], explanation.targets[-1]
    row = replace(ROW, **STAMP, target_start=first.start, target_stop=last.stop, **others)
    EvaluationStore(folder, {}, anew=True).add([row.to_row()])


def test_nothing_is_known_of_what_was_not_checked(folder: Path) -> None:
    assert StoredChecks(folder).find(explain("-1")) == Checks()


@pytest.mark.parametrize(
    ("n_beaten", "n_sources", "chance"), [(19, 9, "clearly"), (16, 9, "perhaps"), (9, 9, "not"), (20, 3, "few")]
)
def test_an_order_is_judged_as_show_does(folder: Path, n_beaten: int, n_sources: int, chance: Any) -> None:
    evaluate(folder, explain("-1"), n_beaten=n_beaten, n_sources=n_sources)
    expected = Verdict(n_beaten=n_beaten, n_random=20, chance=chance, is_beaten_by_rule=False)
    assert StoredChecks(folder).find(explain("-1")).verdict == expected


def test_another_target_is_named(folder: Path) -> None:
    def target_of(explanation: Explanation) -> str | None:
        verdict = StoredChecks(folder).find(explanation).verdict
        assert verdict
        return verdict.target_text

    evaluate(folder, explain(None))
    assert (target_of(explain(None)), target_of(explain("1"))) == (None, "")
    evaluate(folder, explain("1"), target="1", target_text="first")
    assert (target_of(explain("1")), target_of(explain("-1"))) == (None, "first")


def test_all_parts_count_before_those_of_why(folder: Path) -> None:
    last = explain("-1")
    trial = {"line": 1, "text": " Buy eggs.\n", "changed": True, "replacement": None}
    answer = {"id": "one", "method": "grad_l2", "target": last.target_text, "target_by": "line", "by": "sentence"}
    keep_answer(folder, answer | {"trials": [trial, trial | {"changed": False}]}, ONE)
    tried = Tried(by="sentence", n_parts=2, changing=[(1, " Buy eggs.\n")])
    assert StoredChecks(folder).find(last).tried == tried
    replaced = {"target_by": "word", "trials": [trial | {"replacement": "Buy milk."}]}
    keep_answer(folder, answer | replaced, ONE)  # another test: it took nothing away
    assert StoredChecks(folder).find(last).tried == tried
    causes = replace(make_causes([False, True, False]), **STAMP, target_text=last.target_text)
    RegenerationStore(folder, {}).add(causes.to_rows())
    assert StoredChecks(folder).find(last).tried == Tried(by="line", n_parts=3, changing=[(2, "part 1\n")])


def test_answers_about_another_target_are_no_answer(folder: Path) -> None:
    causes = replace(make_causes([True]), **STAMP, target_text="something else")
    RegenerationStore(folder, {}).add(causes.to_rows())
    found = StoredChecks(folder).find(explain("-1"))
    assert found.tried is None
    (rewritten,) = found.rewritten  # a page with a model behind it shows it beside its own target
    assert (rewritten.target_text, rewritten.by, rewritten.parts[0][:2]) == ("something else", "line", (1, "part 0\n"))
    assert rewritten.parts[0][2] is not None


def test_a_damaged_file_says_nothing(folder: Path) -> None:
    evaluate(folder, explain("-1"))
    (folder / EVALUATION).write_bytes(b"PAR1")
    (folder / ANSWERS).write_text("{", encoding="utf-8")
    assert StoredChecks(folder).find(explain("-1")) == Checks()
