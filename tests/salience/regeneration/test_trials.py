"""Which parts of a prompt are taken away, and what counts as another answer."""

# pyright: standard

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import pytest

from promptlight.salience.errors import UsageError
from promptlight.salience.explain.explanation import Explanation, Question, explain_target
from promptlight.salience.regeneration.counterparts import Target, find_counterpart_text
from promptlight.salience.regeneration.trials import (
    choose_cut,
    choose_trials,
    judge_trials,
)
from promptlight.salience.types import Completion, Granularity, Method, Objective, Prompt, SalienceMap, Section, Turn
from tests.support.handmade import make_analysis, make_completion

LINES = ["One two.\n", "Three\n", "four five six\n", "seven\n", "Eight nine\n", "Ask:"]
WRITTEN = [" a\n", "Answer: yes.\n", "Bye"]


def explain(
    scores: Sequence[float],
    *,
    lines: Sequence[str] = LINES,
    written: Sequence[str] = WRITTEN,
    prompt: Prompt | None = None,
    method: Method = Method.GRAD_L2,
    objective: Objective = Objective.LOGPROB,
    target: str = "Answer",
) -> Explanation:
    """An explanation by line, in which each line is one token with this score for every target."""
    completion = make_completion(["<bos>", *lines], written, prompt=prompt)
    analysis = make_analysis(completion, method=method)
    row = np.zeros(len(completion.tokens), np.float32)
    row[1 : 1 + len(scores)] = scores
    first = completion.n_prompt_tokens
    rows = np.stack([np.where(np.arange(len(row)) < first + number, row, 0) for number in range(len(written))])
    found = SalienceMap(method=method, objective=objective, scores=rows.astype(np.float32), span_scores={})
    analysis = dataclasses.replace(analysis, maps={method: found})
    return explain_target(analysis, Question(by=Granularity.LINE, target=target, target_by=Granularity.LINE))


def write(explanation: Explanation, pieces: Sequence[str]) -> Completion:
    """What the model wrote for some prompt."""
    return make_completion(["<bos>", "Other\n"], pieces)


def test_the_strongest_lines_are_taken_away_one_by_one_and_a_weak_one_for_comparison() -> None:
    trials = choose_trials(explain([0.1, 0.5, 0.2, 0.05, 0.3, 0.01]), 2)
    assert [one.source.text for one in trials] == ["Three\n", "Eight nine\n", "Ask:"]
    assert [one.is_control for one in trials] == [False, False, True]
    text = "".join(LINES)
    assert [one.prompt.text for one in trials] == [
        text.replace(gone, "") for gone in ("Three\n", "Eight nine\n", "Ask:")
    ]
    assert sum(one.share for one in trials) == pytest.approx((0.5 + 0.3 + 0.01) / 1.16)


def test_the_control_is_of_the_weaker_half_and_about_as_long_as_the_strongest() -> None:
    """Tokens count: of four weak lines the second is as long as the strongest."""
    lines = [["Long", " strong", " line\n"], ["a\n"], ["b", " b", " b\n"], ["c\n"], ["strong\n"], ["Ask"]]
    completion = make_completion(["<bos>", *(piece for line in lines for piece in line)], ["Yes"])
    analysis = make_analysis(completion)
    scores = np.array([[0, 3, 3, 3, 0.1, 0.1, 0.1, 0.1, 0.2, 5, 4, 0]], np.float32)
    found = SalienceMap(method=Method.GRAD_L2, scores=scores, span_scores={})
    explanation = explain_target(
        dataclasses.replace(analysis, maps={Method.GRAD_L2: found}), Question(by=Granularity.LINE)
    )
    trials = choose_trials(explanation, 1)
    assert [one.source.text for one in trials] == ["Long strong line\n", "b b b\n"]


def test_there_is_no_control_where_all_parts_are_tried() -> None:
    trials = choose_trials(explain([0.1, 0.5, 0.2, 0.05, 0.3, 0.01]), 6)
    assert [one.is_control for one in trials] == [False] * 6


def test_a_part_that_lowers_the_target_is_no_reason_for_it() -> None:
    scores = [0.1, -0.9, 0.2, 0, 0.3, -0.1]
    signed = choose_trials(explain(scores, method=Method.GRAD_DOT_INPUT), 5)
    assert [one.source.text for one in signed] == ["Eight nine\n", "four five six\n", "One two.\n"]
    loss = choose_trials(explain(scores, method=Method.GRAD_DOT_INPUT, objective=Objective.LOSS), 5)
    assert [one.source.text for one in loss] == ["Three\n", "Ask:"]  # of the loss, a negative score raises the target


def test_a_replacement_keeps_the_line_feed_and_the_rest_of_the_line() -> None:
    explanation = explain([0.1, 0.2, 0.5, 0.05, 0.3, 0.01])
    (whole,) = choose_trials(explanation, replacement="new")
    assert whole.prompt.text == "".join(LINES).replace("four five six", "new")
    (part,) = choose_trials(explanation, replacement="five=>5")
    assert part.prompt.text == "".join(LINES).replace("five", "5")
    with pytest.raises(UsageError, match=r"expected 'Three' in line 3, the strongest source .* found 'four"):
        choose_trials(explanation, replacement="Three=>3")


def test_a_chats_marks_and_the_last_text_of_a_turn_stay() -> None:
    lines = ["<start_of_turn>", "user\n", "Be brief.\n", "Why?", "<end_of_turn>", "\n", "model\n"]
    text = "user\nBe brief.\nWhy?\nmodel\n"
    prompt = Prompt(id="chat", text=text, turns=(Turn(role="user", start=5, stop=19),))
    trials = choose_trials(explain([0, 9, 1, 2, 0, 8, 7], lines=lines, prompt=prompt), 9)
    assert [(one.source.text, one.prompt.text) for one in trials] == [
        ("Why?", "user\nBe brief.\n\nmodel\n"),
        ("Be brief.\n", "user\nWhy?\nmodel\n"),
    ]
    assert [(turn.start, turn.stop) for one in trials for turn in one.prompt.turns] == [(5, 15), (5, 9)]


def test_a_prompt_of_one_line_is_cut_further() -> None:
    def cut(*pieces: str) -> Granularity:
        return choose_cut(make_analysis(make_completion(["<bos>", *pieces], ["x"])))

    assert cut("One.\n", "Two.") is Granularity.LINE
    assert cut("One is.", " Two is.") is Granularity.SENTENCE
    assert cut("The", " capital", " is") is Granularity.WORD
    with pytest.raises(UsageError, match="expected a prompt with several line parts that have a score, found none"):
        choose_trials(explain([1.0], lines=["Only"]))


@pytest.mark.parametrize(
    ("lines", "gone", "left"),
    [
        (["# Title\n\n", "Text\n", "Ask:"], 0, "Text\nAsk:"),
        (["A: 1\n", "B: 2\n\n", "A: 3\n", "B:"], 1, "A: 1\n\nA: 3\nB:"),  # the blank line parts the examples
        (["A: 1\n", "B: 2\n\n", "Alone\n\n", "B:"], 2, "A: 1\nB: 2\n\nB:"),
        (["A: 1\n \n", "B: 2\n \n", "C:"], 1, "A: 1\n \nC:"),
        (["A: 1\n", "B: 2\n", "C:"], 2, "A: 1\nB: 2\n"),
    ],
)
def test_what_is_left_reads_as_if_the_line_had_not_been_there(lines: Sequence[str], gone: int, left: str) -> None:
    scores = [float(number == gone) for number in range(len(lines))]
    assert choose_trials(explain(scores, lines=lines), 1)[0].prompt.text == left


def test_a_word_leaves_the_line_feed_after_it() -> None:
    completion = make_completion(["<bos>", "Buy", " eggs.\n\n", "Ask"], ["Yes"])
    analysis = make_analysis(completion)
    scores = np.array([[0, 1, 5, 2, 0]], np.float32)
    found = SalienceMap(method=Method.GRAD_L2, scores=scores, span_scores={})
    analysis = dataclasses.replace(analysis, maps={Method.GRAD_L2: found})
    trials = choose_trials(explain_target(analysis, Question(by=Granularity.WORD)), 3)
    assert [one.prompt.text for one in trials] == ["Buy\n\nAsk", "Buy eggs.\n\n", "eggs.\n\nAsk"]


def test_sections_move_with_the_text() -> None:
    prompt = Prompt(id="s", text="".join(LINES), sections=(Section(name="late", start=9, stop=len("".join(LINES))),))
    (trial,) = choose_trials(explain([0.9, 0, 0, 0, 0, 0], prompt=prompt), 1)
    assert [(one.start, one.stop) for one in trial.prompt.sections] == [(0, len(trial.prompt.text))]


@pytest.mark.parametrize(
    ("written", "counterpart"),
    [
        ([" a\n", "Answer: yes.\n", "Bye"], "Answer: yes."),
        ([" a\n", "Answer: no.\n", "Bye"], "Answer: no."),
        ([" b\n", "c\n", "d\n", "Answer: no.\n"], "Answer: no."),  # elsewhere: the words in common decide
        ([" a\n", "Bye"], None),
        (["Answer: yes."], "Answer: yes."),
        ([], None),
    ],
)
def test_the_answer_is_what_stands_in_the_targets_place(written: Sequence[str], counterpart: str | None) -> None:
    explanation = explain([1, 2, 3, 0, 0, 0])
    assert find_counterpart_text(Target.of(explanation), write(explanation, written)) == counterpart


def test_the_counterpart_of_all_lines_is_all_of_the_other_text() -> None:
    explanation = explain([1, 2, 3, 0, 0, 0], written=["Yes."], target="Yes")
    assert find_counterpart_text(Target.of(explanation), write(explanation, ["No.\n", "Never."])) == "No.\nNever."


def test_answers_are_compared_with_what_the_model_writes_now() -> None:
    explanation = explain([0.1, 0.5, 0.2, 0.05, 0.3, 0.01])
    trials = choose_trials(explanation, 2)
    same, other = write(explanation, WRITTEN), write(explanation, [" a\n", "Answer: no.\n", "Bye"])
    found = judge_trials(explanation, trials, same, [other, same, write(explanation, [" a\n", "Bye"])])
    assert [one.is_changed for one in found.outcomes] == [True, False, True]
    assert [one.answer for one in found.outcomes] == ["Answer: no.", "Answer: yes.", None]
    assert found.control is found.outcomes[2]
    assert found.tested == found.outcomes[:2]
    assert found.is_reproduced
    today = judge_trials(explanation, trials, other, [other, same, other])
    assert not today.is_reproduced
    assert [one.is_changed for one in today.outcomes] == [False, True, False]
    with pytest.raises(UsageError, match=r"expected the model to write 'Answer: yes\.' or something like it again"):
        judge_trials(explanation, trials, write(explanation, []), [same] * 3)


def test_own_words_are_named_if_they_are_stronger_than_the_prompt() -> None:
    explanation = explain([0.1, 0.5, 0.2, 0.05, 0.3, 0.01, 0.9])
    same = write(explanation, WRITTEN)
    found = judge_trials(explanation, choose_trials(explanation, 1), same, [same, same])
    assert found.own_words is not None
    assert found.own_words[0].text == " a\n"
    weaker = explain([0.1, 0.5, 0.2, 0.05, 0.3, 0.01, 0.4])
    assert judge_trials(weaker, choose_trials(weaker, 1), same, [same, same]).own_words is None
