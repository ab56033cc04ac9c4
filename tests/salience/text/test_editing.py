"""Edits of a prompt: the text is what the edits say, and turns and sections go along with it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptlight.salience.errors import UsageError
from promptlight.salience.text.chat import Message, format_turns
from promptlight.salience.text.editing import (
    Edit,
    apply_edits,
    asked_in,
    find_edits,
    find_text,
    parse_replacement,
    said_in,
)
from promptlight.salience.types import Prompt, Section

LINES = st.lists(st.sampled_from(["a\n", "b\n", "\n", "c"]), max_size=6).map("".join)


@given(before=LINES, after=LINES)
def test_found_edits_make_the_new_text(before: str, after: str) -> None:
    prompt = Prompt(id="p", text=f"head{before}tail")
    changed = apply_edits(prompt, find_edits(before, after, 4), id="q")
    assert (changed.id, changed.text) == ("q", f"head{after}tail")


def names(prompt: Prompt) -> dict[str, str]:
    return {section.name: prompt.text[section.start : section.stop] for section in prompt.sections}


#                 0123456789
TEXT = "one two three"
SECTIONS = (Section(name="first", start=0, stop=3), Section(name="last", start=8, stop=13))


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (Edit(start=0, stop=0, text="zero "), {"first": "one", "last": "three"}),
        (Edit(start=3, stop=3, text="!"), {"first": "one", "last": "three"}),
        (Edit(start=0, stop=3, text="eins"), {"first": "eins", "last": "three"}),
        (Edit(start=1, stop=2, text="NNN"), {"first": "oNNNe", "last": "three"}),
        (Edit(start=4, stop=10, text="2 th"), {"first": "one", "last": "ree"}),
        (Edit(start=2, stop=9, text=""), {"first": "on", "last": "hree"}),
        (Edit(start=0, stop=4, text=""), {"last": "three"}),
        (Edit(start=13, stop=13, text=" four"), {"first": "one", "last": "three"}),
    ],
)
def test_sections_keep_the_text_that_is_left_of_them(edit: Edit, expected: dict[str, str]) -> None:
    prompt = Prompt(id="p", text=TEXT, sections=SECTIONS, given_completion="t", fingerprint="f")
    changed = apply_edits(prompt, [edit], id="q")
    assert changed.text == TEXT[: edit.start] + edit.text + TEXT[edit.stop :]
    assert names(changed) == expected
    assert (changed.given_completion, changed.fingerprint) == (None, "")


def test_a_chat_is_changed_within_its_turns_and_they_grow_along() -> None:
    text, turns = format_turns([Message("user", "Hi user"), Message("model", "Yes?"), Message("user", "Go on")])
    prompt = Prompt(id="p", text=text, turns=turns)
    assert [text[start:stop] for start, stop in said_in(prompt)] == ["Hi user", "Yes?", "Go on"]
    (place,) = find_text(prompt, "user")  # not the format's own word
    first, last = turns[0], turns[-1]
    edits = [
        Edit(start=place, stop=place + 4, text="model!"),
        Edit(start=last.start, stop=last.start, text="Please. "),
        Edit(start=last.stop, stop=last.stop, text="!"),
    ]
    changed = apply_edits(prompt, edits, id="q")
    said = [changed.text[turn.start : turn.stop] for turn in changed.turns]
    assert said == ["Hi model!", "Yes?", "Please. Go on!"]
    expected, _ = format_turns([Message(turn.role, text) for turn, text in zip(turns, said, strict=True)])
    assert changed.text == expected
    assert first.start == changed.turns[0].start


def test_all_places_are_found_apart_from_each_other() -> None:
    assert find_text(Prompt(id="p", text="aaaa"), "aa") == [0, 2]
    with pytest.raises(UsageError, match="expected 'b' in the prompt p, found it nowhere"):
        find_text(Prompt(id="p", text="aaaa"), "b")


def test_a_replacement_is_old_and_new() -> None:
    assert parse_replacement("You have to try it.=>Avoid.") == ("You have to try it.", "Avoid.")
    assert parse_replacement("a=>b=>c") == ("a", "b=>c")
    assert parse_replacement("gone=>") == ("gone", "")
    for wrong in ("no arrow", "=>nothing old", ""):
        with pytest.raises(UsageError, match="expected OLD=>NEW"):
            parse_replacement(wrong)


def test_what_is_answered_is_the_last_turn_that_is_not_the_models() -> None:
    text, turns = format_turns([Message("user", "Hi"), Message("model", "Yes")])
    continued = Prompt(id="x", text=text, turns=turns)
    assert asked_in(continued) == (turns[0].start, turns[0].stop)
    assert asked_in(Prompt(id="x", text="Hi")) == (0, 2)
