"""What was measured and tried is said in both languages of the page, from the same values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from promptlight.cli.views.causes import spell_causes
from promptlight.cli.views.sentences import FOLDER, name_units, say
from promptlight.cli.views.trust import describe_trust, name_target
from promptlight.cli.views.why_sentence import spell_why
from promptlight.cli.work.report_entries import ReportEntries
from promptlight.cli.work.stored_results import ChosenResults
from promptlight.io.page.words import Language, read_templates
from promptlight.io.results.answers import read_answers
from promptlight.io.results.folders import BUNDLED
from promptlight.salience.explain.explanation import Question
from promptlight.salience.faithfulness.summaries import PromptEvaluation
from promptlight.salience.types import Granularity, Method, Way
from tests.support.causes import make_causes
from tests.support.evaluations import ROW, figures

ENGLISH, CHINESE = Language.ENGLISH, Language.CHINESE
NUMBER = re.compile(r"\d+(?:\.\d+)?%?")


def test_both_languages_have_the_same_templates() -> None:
    english, chinese = (read_templates(FOLDER / f"sentences.{language}.toml") for language in Language)
    assert english.keys() == chinese.keys()


@pytest.mark.parametrize("by", [*(cut.value for cut in Granularity), "regex:^S"])
def test_sources_of_every_cut_have_a_name(by: str) -> None:
    for language in Language:
        assert name_units(language, by, 1200)["count"] == "1,200"
    assert re.fullmatch(r"1,200 (個)?[^\x00-\x7f]+", str(name_units(CHINESE, by, 1200)["many"]))


def test_a_missing_key_or_value_is_a_bug() -> None:
    for wrong in ("no.such.key", "trust.head"):
        with pytest.raises(KeyError):
            say(CHINESE, wrong)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (
            ROW,
            "拿掉影響最大的 3 行，對數機率下降 5.2；換成距離最近的 3 行則為 2.0，換成隨機挑的 3 行則為 0.84。"
            "這個順序勝過 20 種隨機順序中的 19 種。加上少許雜訊，順序幾乎不變（等級相關係數 0.98）。",
        ),
        (
            replace(ROW, n_beaten=0, noise_correlation=None),
            "拿掉影響最大的 3 行，對數機率下降 5.2；換成距離最近的 3 行則為 2.0，換成隨機挑的 3 行則為 0.84。"
            "在這裡並不比隨機更準：這個順序只勝過 20 種隨機順序中的 0 種。",
        ),
    ],
)
def test_how_far_to_trust_it_in_chinese(row: PromptEvaluation, said: str) -> None:
    assert describe_trust(row, CHINESE) == said


@pytest.mark.parametrize(
    "row",
    [
        ROW,
        replace(ROW, by="word", noise_correlation=0.8),
        replace(ROW, n_sources=2, n_beaten=3, noise_correlation=0.2),
        replace(ROW, order=figures(-20, -0.25), random=figures(-10, 1.26), n_beaten=18),
        replace(ROW, nearest=figures(-30, 9), last_line=figures(-20, 7)),
        replace(ROW, by="sentence", last_line=figures(-30, 9)),
        replace(ROW, empty_log_prob=-0.59),
    ],
)
def test_both_languages_say_the_same_numbers(row: PromptEvaluation) -> None:
    english, chinese = (describe_trust(row, language) for language in Language)
    assert set(NUMBER.findall(chinese)) >= set(NUMBER.findall(english))
    assert not re.search(r"[A-Za-z{}]", chinese)
    assert chinese.count("。") >= english.count(". ") + 1


def make_trial(line: int, *, changed: bool, answer: str | None = "No.", control: bool = False) -> dict[str, Any]:
    return {
        "line": line,
        "section": None,
        "text": f"Line {line}.\n",
        "share": line / 100,
        "control": control,
        "replacement": None,
        "changed": changed,
        "answer": answer,
        "completion": "No.",
    }


@pytest.mark.parametrize(
    ("trials", "english", "chinese"),
    [
        (
            [make_trial(9, changed=True)],
            "It wrote “Yes.” most of all because of line 9 (9.0%), “Line 9.”: without it, it writes “No.”",
            "模型寫「Yes.」，主要是因為第 9 行「Line 9.」（9.0%）：拿掉它之後，模型寫的是「No.」。",
        ),
        (
            [make_trial(9, changed=False), make_trial(8, changed=True, answer=None)],
            "The strongest line, line 9 (9.0%), “Line 9.”, was not why it wrote “Yes.”: without it, it still writes"
            " that. Without line 8 (8.0%), “Line 8.”, it writes only “No.”",
            "影響最大的行是第 9 行「Line 9.」（9.0%），但那並不是模型寫「Yes.」的原因：拿掉它之後，模型還是這樣寫。"
            "但是拿掉第 8 行「Line 8.」（8.0%），模型只寫「No.」。",
        ),
        (
            [
                make_trial(9, changed=False),
                make_trial(8, changed=False),
                make_trial(2, changed=True, answer="", control=True),
            ],
            "The strongest line, line 9 (9.0%), “Line 9.”, was not why it wrote “Yes.”: without it, it still writes"
            " that. Nor was any other of the 2 strongest lines alone. But without line 2 (2.0%), “Line 2.”, one of the"
            " weaker lines, it writes nothing.",
            "影響最大的行是第 9 行「Line 9.」（9.0%），但那並不是模型寫「Yes.」的原因：拿掉它之後，模型還是這樣寫。"
            "影響最大的 2 行，單獨來看都不是原因。不過，拿掉影響較小的第 2 行「Line 2.」（2.0%），模型什麼都沒寫。",
        ),
        (
            [make_trial(9, changed=True), make_trial(2, changed=True, control=True)],
            "It wrote “Yes.” most of all because of line 9 (9.0%), “Line 9.”: without it, it writes “No.” But without"
            " line 2 (2.0%), “Line 2.”, one of the weaker lines, it writes “No.”, so the answer depends on more than"
            " that.",
            "模型寫「Yes.」，主要是因為第 9 行「Line 9.」（9.0%）：拿掉它之後，模型寫的是「No.」。"
            "不過，拿掉影響較小的第 2 行「Line 2.」（2.0%），模型寫的是「No.」，可見這個答案不只取決於它。",
        ),
    ],
)
def test_why_is_told_in_both_languages(trials: list[Mapping[str, Any]], english: str, chinese: str) -> None:
    answer = {"by": "line", "answer": "Yes.", "trials": trials}
    assert spell_why(answer) == english
    assert spell_why(answer, CHINESE) == chinese


def test_kept_answers_are_told_as_they_were() -> None:
    answers = read_answers(BUNDLED["gemma-tutorial"])
    assert len(answers) > 2
    for answer in answers:
        assert spell_why(answer, width=None) == answer["sentence"]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ([False] * 3, "提示共 3 行，每次拿掉其中之一再重新續寫，模型都仍然寫「Yes.」"),
        ([True] * 3, "提示共 3 行，拿掉其中任何一個再重新續寫，都會改變「Yes.」"),
        ([False, True, False], "拿掉第 2 行再重新續寫，「Yes.」就會改變；拿掉其餘 2 行中的任何一個則不會"),
        ([True, False, True], "拿掉第 1 行或第 3 行再重新續寫，「Yes.」就會改變；拿掉另外 1 行則不會"),
    ],
)
def test_causes_in_chinese(changed: list[bool], said: str) -> None:
    assert spell_causes(make_causes(changed), CHINESE) == said


def test_the_page_gets_both_languages() -> None:
    chosen = ChosenResults(BUNDLED["gemma-tutorial"], ids=["dish-mistake"], where=None, sections=None)
    (entry,) = ReportEntries([chosen], Question(), None)
    said = entry.trust(entry.analysis, Method.GRAD_L2, Way.DIRECT)
    assert not isinstance(said, str)
    assert said[ENGLISH].startswith("tested: It wrote “Recommendation: You have to try it.” most of all because of")
    assert said[CHINESE].startswith("實測：模型寫「Recommendation: You have to try it.」，主要是因為第 9 行")
    assert not isinstance(entry.quantised, str)
    assert entry.quantised[CHINESE] == "分數來自量化後的模型（Q4_K_M: Q4_K, Q5_0, Q6_K, Q8_0）"
    assert entry.trust(entry.analysis, Method.SHAP, Way.DIRECT) == ""


def test_the_target_is_named_in_chinese() -> None:
    assert name_target(ROW, CHINESE) == "整段續寫"
    assert name_target(replace(ROW, target="egg", target_text="No egg."), CHINESE) == "「No egg.」"
