"""Which parts of a prompt are taken away or replaced, and what counts as a change of the answer."""

# pyright: standard

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from promptlight.salience.errors import PromptTooLongError, UsageError
from promptlight.salience.regeneration.counterparts import Target, find_target
from promptlight.salience.regeneration.likelihood import score_text
from promptlight.salience.regeneration.parts import (
    Part,
    find_answer,
    judge_parts,
    list_old_ids,
    list_parts,
)
from promptlight.salience.text.completion import build_completion, encode_prompt
from promptlight.salience.text.editing import Replacement
from promptlight.salience.types import Completion, Cut, Granularity, Prompt, StopReason, Turn
from tests.support.handmade import make_completion

if TYPE_CHECKING:
    from promptlight.salience import Model

TEXT = "# Guest\n\nTaste: Can't eat eggs. Likes bread.\nMood: good\n\nQuiche is egg.\nAnalysis:"
ANSWER = " it has eggs.\nRecommendation: Avoid it."
WRITTEN = [" a\n", "Answer: yes.\n", "Bye"]


def read(model: Model, text: str = TEXT, answer: str = ANSWER, **fields: object) -> Completion:
    """A prompt and an answer as the demo's tokens."""
    prompt = Prompt(id="quiche", text=text, **fields)  # pyright: ignore[reportArgumentType]
    encoded, ids = encode_prompt(model.tokenizer, prompt), model.tokenizer.encode(answer)
    return build_completion(model.tokenizer, encoded, ids, StopReason.GIVEN, given=answer)


def texts(parts: Sequence[Part]) -> list[str]:
    return [part.prompt.text for part in parts]


# What to change


@pytest.mark.parametrize(
    ("cut", "by_hand"),
    [
        (
            Granularity.LINE,
            [
                "Taste: Can't eat eggs. Likes bread.\nMood: good\n\nQuiche is egg.\nAnalysis:",
                "# Guest\n\nMood: good\n\nQuiche is egg.\nAnalysis:",
                "# Guest\n\nTaste: Can't eat eggs. Likes bread.\n\nQuiche is egg.\nAnalysis:",
                "# Guest\n\nTaste: Can't eat eggs. Likes bread.\nMood: good\n\nAnalysis:",
                "# Guest\n\nTaste: Can't eat eggs. Likes bread.\nMood: good\n\nQuiche is egg.\n",
            ],
        ),
        (
            Granularity.SENTENCE,
            [
                "Taste: Can't eat eggs. Likes bread.\nMood: good\n\nQuiche is egg.\nAnalysis:",
                "# Guest\n\nLikes bread.\nMood: good\n\nQuiche is egg.\nAnalysis:",
                "# Guest\n\nTaste: Can't eat eggs.\nMood: good\n\nQuiche is egg.\nAnalysis:",
                "# Guest\n\nTaste: Can't eat eggs. Likes bread.\n\nQuiche is egg.\nAnalysis:",
                "# Guest\n\nTaste: Can't eat eggs. Likes bread.\nMood: good\n\nAnalysis:",
                "# Guest\n\nTaste: Can't eat eggs. Likes bread.\nMood: good\n\nQuiche is egg.\n",
            ],
        ),
        (
            Granularity.PARAGRAPH,
            [
                "Taste: Can't eat eggs. Likes bread.\nMood: good\n\nQuiche is egg.\nAnalysis:",
                "# Guest\n\nQuiche is egg.\nAnalysis:",
                "# Guest\n\nTaste: Can't eat eggs. Likes bread.\nMood: good\n\n",
            ],
        ),
    ],
)
def test_each_changed_prompt_is_what_a_person_would_write(demo_model: Model, cut: Cut, by_hand: list[str]) -> None:
    completion = read(demo_model)
    parts = list_parts(completion, cut)
    assert texts(parts) == by_hand
    assert all(part.replacement is None and part.prompt.id == "quiche" for part in parts)
    starts = [part.source.start for part in parts]
    assert starts == sorted(set(starts))


def test_a_word_goes_with_one_blank(demo_model: Model) -> None:
    parts = list_parts(read(demo_model, "Buy fresh eggs.\n  - now\n\nAsk me:"), Granularity.WORD)
    assert texts(parts) == [
        "fresh eggs.\n  - now\n\nAsk me:",
        "Buy eggs.\n  - now\n\nAsk me:",
        "Buy fresh\n  - now\n\nAsk me:",
        "Buy fresh eggs.\n now\n\nAsk me:",
        "Buy fresh eggs.\n  -\n\nAsk me:",
        "Buy fresh eggs.\n  - now\n\nme:",
        "Buy fresh eggs.\n  - now\n\nAsk",
    ]


def test_a_line_before_an_indented_one_leaves_the_indentation(demo_model: Model) -> None:
    parts = list_parts(read(demo_model, "Buy:\n  - eggs\n  - milk"), Granularity.LINE)
    assert texts(parts) == ["  - eggs\n  - milk", "Buy:\n  - milk", "Buy:\n  - eggs\n"]


def test_a_chats_format_stays(demo_model: Model) -> None:
    text = "user\nBe brief.\nWhy?\nmodel\n"
    completion = read(demo_model, text, turns=(Turn(role="user", start=5, stop=19),))
    assert texts(list_parts(completion, Granularity.LINE)) == ["user\nWhy?\nmodel\n", "user\nBe brief.\n\nmodel\n"]


def test_a_prompt_of_one_part_has_none_to_take_away(demo_model: Model) -> None:
    with pytest.raises(UsageError, match="quiche: expected a prompt with several line parts, found only one"):
        list_parts(read(demo_model, "Only this"), Granularity.LINE)


def test_one_text_takes_each_parts_place(demo_model: Model) -> None:
    completion = read(demo_model, "A: 1\nB: 2\n\n(nothing)\nC:")
    parts = list_parts(completion, Granularity.LINE, replacements=[Replacement(old=None, new="(nothing)")])
    assert texts(parts) == [
        "(nothing)\nB: 2\n\n(nothing)\nC:",
        "A: 1\n(nothing)\n\n(nothing)\nC:",
        "A: 1\nB: 2\n\n(nothing)\n(nothing)",  # the third line would stay as it is
    ]
    assert [part.replacement for part in parts] == ["(nothing)"] * 3


def test_a_replacement_is_tried_in_each_part_that_has_the_text(demo_model: Model) -> None:
    completion = read(demo_model, "Eat eggs, eggs\nNo eggs\nAsk:")
    swaps = [Replacement(old="No", new="Many"), Replacement(old="eggs", new="ham")]
    parts = list_parts(completion, Granularity.LINE, replacements=swaps)
    assert [(part.source.line, part.prompt.text, part.replacement) for part in parts] == [
        (1, "Eat ham, ham\nNo eggs\nAsk:", "Eat ham, ham"),
        (2, "Eat eggs, eggs\nMany eggs\nAsk:", "Many eggs"),
        (2, "Eat eggs, eggs\nNo ham\nAsk:", "No ham"),
    ]
    with pytest.raises(UsageError, match="expected 'eggs\\\\nNo' within one line of the prompt, found it in none"):
        list_parts(completion, Granularity.LINE, replacements=[Replacement(old="eggs\nNo", new="x")])
    with pytest.raises(UsageError, match="expected a replacement that changes the prompt, found 'eggs'"):
        list_parts(completion, Granularity.LINE, replacements=[Replacement(old="eggs", new="eggs")])


# What came of it


def ask(written: Sequence[str] = WRITTEN, choice: str | None = "Answer") -> Target:
    return find_target(make_completion(["<bos>", "One\n", "Two\n"], written), choice, Granularity.LINE)


def test_answers_are_compared_in_the_targets_place() -> None:
    target = ask()
    parts = list_parts(target.completion, Granularity.LINE)
    other = make_completion(["<bos>", "Two\n"], [" b\n", "Answer: no.\n", "Bye"])
    gone = make_completion(["<bos>", "One\n"], [" a\n", "Bye"])
    now = find_answer(target, target.completion)
    found = judge_parts(target, now, Granularity.LINE, parts, [other, gone])
    assert found.is_reproduced
    assert found.answer == "Answer: yes."
    assert [one.answer for one in found.outcomes] == ["Answer: no.", None]
    assert [one.is_changed for one in found.outcomes] == [True, True]
    assert [one.distance for one in found.outcomes] == [3, 12]
    assert [one.relative_distance for one in found.outcomes] == pytest.approx([3 / 12, 1])
    assert [one.log_prob for one in found.outcomes] == [None, None]
    assert found.causes == found.outcomes


def test_a_part_that_changes_only_other_lines_is_no_cause() -> None:
    target = ask()
    parts = list_parts(target.completion, Granularity.LINE)
    other = make_completion(["<bos>", "Two\n"], [" b\n", "Answer: yes.\n", "Never"])
    found = judge_parts(
        target, find_answer(target, target.completion), Granularity.LINE, parts, [other, target.completion]
    )
    assert [(one.is_changed, one.distance) for one in found.outcomes] == [(False, 0), (False, 0)]


def test_the_old_answer_is_what_the_model_writes_now() -> None:
    target = ask()
    today = make_completion(["<bos>", "One\n", "Two\n"], ["b\n", "c\n", "Answer: no.\n"])
    now = find_answer(target, today)
    found = judge_parts(target, now, Granularity.LINE, list_parts(today, Granularity.LINE), [today, target.completion])
    assert not found.is_reproduced
    assert found.answer == "Answer: no."
    assert [one.is_changed for one in found.outcomes] == [False, True]
    with pytest.raises(UsageError, match=r"expected the model to write 'Answer: yes\.' or something like it again"):
        find_answer(target, make_completion(["<bos>", "One\n"], []))
    with pytest.raises(UsageError, match="again, found ''"):
        find_answer(ask(choice=None), make_completion(["<bos>", "One\n"], []))


def test_log_probs_are_added_up_over_the_answer_and_over_all_before_it() -> None:
    target = ask()
    now = find_answer(target, target.completion)
    assert list_old_ids(target.completion) == [103, 104, 105]  # "Bye" comes after the answer
    found = judge_parts(
        target,
        now,
        Granularity.LINE,
        list_parts(target.completion, Granularity.LINE),
        [target.completion] * 2,
        np.array([[-0.5, -1, -9], [-2, -3, -9], [-4, -0.25, -9]]),
    )
    assert (found.log_prob, found.text_log_prob) == (-1, -1.5)
    assert [(one.log_prob, one.text_log_prob) for one in found.outcomes] == [(-3, -5), (-0.25, -4.25)]


def test_the_old_text_is_as_likely_as_in_a_forward_of_its_own(demo_model: Model) -> None:
    """Keras's layers in float64, one changed prompt at a time, without padding."""
    from promptlight.salience.loading.handles import DEMO_FOLDER
    from tests.oracles.plain import embed, log_probabilities
    from tests.oracles.presets import load_backbone

    completion = read(demo_model)
    old = list_old_ids(completion)
    prompts = [completion.prompt, *(part.prompt for part in list_parts(completion, Granularity.LINE))]
    counts: list[tuple[int, int]] = []
    found = score_text(demo_model, prompts, old, counted=lambda done, total: counts.append((done, total)))
    assert (counts[0], counts[-1]) == ((0, len(prompts)), (len(prompts), len(prompts)))

    backbone = load_backbone(DEMO_FOLDER)
    for prompt, row in zip(prompts, found, strict=True):
        ids = [*encode_prompt(demo_model.tokenizer, prompt).ids, *old]
        places = torch.arange(len(ids) - len(old), len(ids))
        with torch.no_grad():
            exact = log_probabilities(backbone, embed(backbone, ids))[places - 1, torch.tensor(old)]
        np.testing.assert_allclose(row, exact.numpy(), atol=2e-4, rtol=1e-4)


def test_no_tokens_and_too_many(demo_model: Model) -> None:
    completion = read(demo_model)
    assert score_text(demo_model, [completion.prompt] * 2, []).shape == (2, 0)
    with pytest.raises(PromptTooLongError, match="the changed prompt and the old completion have"):
        score_text(demo_model, [completion.prompt], [5] * demo_model.facts.context_length)
