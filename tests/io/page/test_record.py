"""What the page holds of a prompt is what ``explain_target`` says of it, to four digits."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from promptlight.io import find_result
from promptlight.io.page.encoding import encode_rows
from promptlight.io.page.record import ReportEntry, to_record
from promptlight.salience import Analysis
from promptlight.salience.errors import UsageError
from promptlight.salience.explain.explanation import Question, explain_target, find_targets
from promptlight.salience.text.printable import printable
from promptlight.salience.types import Compat, Foil, Granularity, Method, Objective
from tests.support.handmade import make_analysis
from tests.support.span_cases import build_completion

TARGET_CUTS = (Granularity.TOKEN, Granularity.WORD, Granularity.SENTENCE, Granularity.LINE)


def describe(analysis: Analysis, method: Method | None = None) -> dict[str, Any]:
    return json.loads(to_record(ReportEntry(analysis=analysis, name="1", question=Question(method=method))).data)


def unpack(text: str, kind: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), kind)


def read_row(record: dict[str, Any], by: str, number: int) -> np.ndarray:
    """A target's scores of the tokens before it."""
    scores, targets = record["methods"][0]["scores"][by], record["targets"][by]
    starts = np.cumsum([0, *(target[0] for target in targets)])
    largest = unpack(scores["largest"], "<f4")[number]
    return (unpack(scores["rows"], "<i2")[starts[number] : starts[number + 1]] / 32767) ** 3 * largest


def stored(demo_results: Path, id: str) -> Analysis:
    analysis = find_result(demo_results, id=id)
    assert isinstance(analysis, Analysis)
    return analysis


@pytest.mark.parametrize("id", ["dish-mistake", "emoji", "chinese", "escapes"])
@pytest.mark.parametrize("target_by", TARGET_CUTS)
def test_rows_are_those_of_the_explanation(demo_results: Path, id: str, target_by: Granularity) -> None:
    analysis = stored(demo_results, id)
    check_numbers(analysis, describe(analysis), target_by)


@pytest.mark.parametrize("target_by", [Granularity.TOKEN, Granularity.WORD])
def test_rows_of_lits_cuts_and_of_signed_scores(target_by: Granularity) -> None:
    completion = build_completion(["<bos>", "▁a", "▁b", ".\n", "▁c", "<0xF0>", "<0x9F>"], ["▁so", "▁it", "<eos>"])
    analysis = make_analysis(completion, method=Method.GRAD_DOT_INPUT)
    check_numbers(analysis, describe(analysis), target_by)
    in_lits_way = replace(analysis, compat=Compat.LIT, segmentations={})
    if target_by is Granularity.TOKEN:  # the others' rows are of our own cuts
        check_numbers(in_lits_way, describe(in_lits_way), target_by)


def check_numbers(analysis: Analysis, record: dict[str, Any], target_by: Granularity) -> None:
    targets = find_targets(analysis, Question(target_by=target_by))
    assert len(record["targets"][target_by]) == len(targets)
    assert len(record["texts"]) == len(analysis.completion.tokens)
    for number in range(len(targets)):
        for by in record["cuts"]:
            question = Question(by=Granularity(by), target=str(number + 1), target_by=target_by)
            expected = explain_target(analysis, question)
            start, stop, probability, n_tokens, *_ = record["targets"][target_by][number]
            assert (start, stop) == (expected.targets[0].start, expected.targets[0].stop)
            assert probability == pytest.approx(expected.probability_per_token, rel=1e-5)
            assert n_tokens == expected.n_target_tokens
            assert "".join(record["texts"][start:stop]) == printable(expected.target_text)
            row = read_row(record, target_by, number)
            bounds = np.cumsum([0, *record["cuts"][by]["lengths"]])
            assert bounds.tolist() == list(expected.source_cut.bounds)
            sums = [row[one:two].sum() if two <= start else 0.0 for one, two in pairwise(bounds)]
            shown = [number for number in np.flatnonzero(expected.visible) if bounds[number + 1] <= start]
            assert set(shown).isdisjoint(record["cuts"][by]["special"])
            width = max(record["cuts"][by]["lengths"])
            largest = np.abs(row).max(initial=0)
            assert np.allclose(np.array(sums)[shown], expected.scores[shown], atol=5e-5 * width * largest)


def test_lists_of_prompts_show_the_strongest_source_of_the_question(demo_results: Path) -> None:
    analysis = stored(demo_results, "dish-mistake")
    for target, by in ((None, Granularity.LINE), ("1", Granularity.WORD), ("no such text", Granularity.LINE)):
        question = Question(by=by, target=target)
        record = to_record(ReportEntry(analysis=analysis, name="1", question=question))
        head, opening = json.loads(record.head), json.loads(record.data)["opening"]
        assert head["written"] == "Recommendation: You have to try it."
        if target == "no such text":
            assert (head["strongest"], opening) == (None, None)
            continue
        explained = explain_target(analysis, replace(question, target=target or "-1"))
        strongest = explained.strongest(1)[0]
        assert head["strongest"] == {
            "line": strongest.line,
            "share": pytest.approx(float(explained.shares[strongest.number]), rel=1e-5),
            "text": strongest.text.strip(),
        }
        assert opening == (None if target is None else {"by": "line", "targets": [0, 0]})


def test_sections_have_names_and_are_offered_where_there_are_some(find_named: Callable[[str], Analysis]) -> None:
    record = describe(find_named("dish-fixed"))
    assert "section" in record["offered"]
    assert "example 1" in record["cuts"]["section"]["names"].values()
    plain = describe(make_analysis(build_completion(["<bos>", "▁a"], ["▁b"])))
    assert "section" not in plain["offered"]
    assert plain["cuts"]["section"]["names"] == {}


def test_a_target_names_its_foil_and_the_first_method_is_the_one_asked_for() -> None:
    completion = build_completion(["<bos>", "▁a"], ["▁so", "▁be", "."])
    maps = {one: make_analysis(completion, method=one).map_by() for one in (Method.GRAD_L2, Method.GRAD_DOT_INPUT)}
    foil = Foil(request="x", tokens=("▁no", None, "!"))
    analysis = replace(make_analysis(completion), maps=maps, foil=foil)
    record = describe(analysis, Method.GRAD_DOT_INPUT)
    assert [target[4:] for target in record["targets"]["token"]] == [["▁no"], [], ["!"]]
    assert [target[4:] for target in record["targets"]["line"]] == [["▁no!"]]
    assert [one["name"] for one in record["methods"]] == ["grad_dot_input", "grad_l2"]
    with pytest.raises(UsageError):
        describe(analysis, Method.LIME)


def test_it_says_where_the_completion_begins_and_what_a_sign_means() -> None:
    analysis = make_analysis(build_completion(["<bos>", "▁a", "<0xF0>", "<0x9F>"], ["▁so", "<eos>"]))
    assert describe(analysis)["border"] == 4
    assert describe(analysis)["methods"][0]["direction"] == 1
    for objective, direction in ((Objective.LOSS, -1), (Objective.MARGIN, 1), (Objective.KL, None)):
        signed = make_analysis(analysis.completion, method=Method.GRAD_DOT_INPUT)
        salience = replace(signed.map_by(), objective=objective)
        described = describe(replace(signed, maps={salience.method: salience}))
        assert described["methods"][0]["direction"] == direction


def test_it_says_which_word_has_no_foil() -> None:
    analysis = make_analysis(build_completion(["<bos>", "▁a"], ["▁so", "<0xF0>", "<0x9F>", "▁be", "<eos>"]))
    for foil, expected in (((None,) * 5, 2), (("x", "y", None, "z", None), 3), (("x",) * 4 + (None,), None)):
        assert describe(replace(analysis, foil=Foil(request="x", tokens=foil)))["uncontrasted"] == expected
    assert describe(analysis)["uncontrasted"] is None


def test_a_row_of_selectors_is_marked_though_each_is_a_token() -> None:
    analysis = make_analysis(build_completion(["<bos>", "▁a", "\ufe01", "\ufe02", "b"], ["▁so"]))
    assert "".join(describe(analysis)["texts"][1:]) == " a⟨U+FE01⟩⟨U+FE02⟩b so"


def test_bytes_of_both_signs_keep_both_parts() -> None:
    completion = build_completion(["<bos>", "▁a", "<0xF0>", "<0x9F>", "<0x8D>"], ["▁so"])
    scores = np.array([[9, 4, 3, -2, 1, 0]], dtype=np.float32)
    analysis = make_analysis(completion, method=Method.GRAD_DOT_INPUT, exact=())
    salience = replace(analysis.map_by(), scores=scores)
    record = describe(replace(analysis, maps={salience.method: salience}))
    assert read_row(record, "token", 0) == pytest.approx([0, 4, 3, -2, 1], rel=1e-3)  # no <bos>


def test_an_empty_completion_has_no_targets() -> None:
    record = describe(make_analysis(build_completion(["<bos>", "▁a"], ["<eos>"])))
    assert set(map(len, record["targets"].values())) == {0}
    assert record["words"] == []


def test_rows_of_zeros_and_no_rows_are_encoded() -> None:
    assert encode_rows([np.zeros(2)]) == (base64.b64encode(bytes(4)).decode(), [0.0])
    assert encode_rows([]) == ("", [])


def test_small_numbers_beside_a_large_one_keep_digits() -> None:
    row = np.array([-1e3, 1e-3, 4e-4, -2e-5, 0.0])
    text, largest = encode_rows([row])
    assert (unpack(text, "<i2") / 32767) ** 3 * largest[0] == pytest.approx(row, rel=0.02)


def test_ten_thousand_tokens_fit() -> None:
    completion = build_completion(["<bos>", *["▁word"] * 10_000], ["▁so", "."])
    assert len(to_record(ReportEntry(analysis=make_analysis(completion), name="1")).data) < 400_000
