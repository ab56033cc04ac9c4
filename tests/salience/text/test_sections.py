"""Named parts of prompts: from records, from a file of patterns, and how they are cut and shown."""

# pyright: standard

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptlight.io import find_result, read_prompts, read_results
from promptlight.io.prompts.sections import read_section_patterns
from promptlight.salience import Analysis, Prompt, SetAside, UsageError
from promptlight.salience.text.sections import find_sections, name_sections, order_sections, sections_of
from promptlight.salience.text.spans import describe_spans, segment
from promptlight.salience.types import Completion, Granularity, Role, Section, StopReason
from tests.conftest import Command
from tests.support.paths import EXAMPLES
from tests.support.span_cases import build_completion

TEXT = "Rules.\n\nOne: 1\n\nTwo: 2\n\nThree?"
PATTERNS = EXAMPLES / "sections.toml"


def read(tmp_path: Path, *, chat: bool = False, **record: Any) -> Prompt | SetAside:
    path = tmp_path / "prompts.jsonl"
    path.write_text(json.dumps(record), encoding="utf-8")
    (found,) = read_prompts(path, chat=chat)
    return found


def texts_of(prompt: Prompt | SetAside) -> dict[str, str]:
    assert isinstance(prompt, Prompt), prompt.reason
    return {section.name: prompt.text[section.start : section.stop] for section in prompt.sections}


# ---- from records ---------------------------------------------------------------------------------------------------


def test_sections_are_texts_or_ranges_in_any_order(tmp_path: Path) -> None:
    prompt = read(tmp_path, prompt=TEXT, sections={"question": "Three?", "first": [8, 14], "second": "Two: 2"})
    assert texts_of(prompt) == {"first": "One: 1", "second": "Two: 2", "question": "Three?"}
    assert isinstance(prompt, Prompt)
    assert "sections" not in prompt.fields


@pytest.mark.parametrize("prompt", ["好🍕: 1\n\nTwo: 2", "  \n 好🍕: 1\n\nTwo: 2 \n"])
def test_ranges_count_characters_of_the_field_in_a_chat_too(tmp_path: Path, prompt: str) -> None:
    at = prompt.index("Two")
    wanted = {"a": [prompt.index("好"), prompt.index("1") + 1], "b": [at, len(prompt)]}
    plain, chat = (read(tmp_path, chat=chat, prompt=prompt, sections=wanted) for chat in (False, True))
    assert texts_of(plain) == {"a": "好🍕: 1", "b": prompt[at:]}
    assert texts_of(chat) == {"a": "好🍕: 1", "b": "Two: 2"}  # a chat's turn stands without its outer blanks


def test_a_chats_sections_are_texts(tmp_path: Path) -> None:
    messages = [{"role": "user", "content": f" {TEXT}"}]
    assert texts_of(read(tmp_path, messages=messages, sections={"q": "Three?"})) == {"q": "Three?"}


@pytest.mark.parametrize(
    ("sections", "reason"),
    [
        ("One", "object of names and texts, found text"),
        ({"a": "Four"}, "found it nowhere"),
        ({"a": " "}, "found it nowhere"),
        ({"a": "\n\n"}, "found it nowhere"),
        ({"a": ": "}, "found it again"),
        ({"a": 3}, "text or [start, stop], found a number"),
        ({"a": [3]}, "text or [start, stop], found an array"),
        ({"a": [True, 3]}, "text or [start, stop], found an array"),
        ({"a": [3, 3]}, "from 0 to 30, found [3, 3]"),
        ({"a": [-1, 3]}, "found [-1, 3]"),
        ({"a": [3, 31]}, "found [3, 31]"),
        ({"a": [6, 8]}, "found [6, 8]"),
        ({"a": "One: 1\n", "b": [13, 16]}, "'a' and 'b' overlap"),
    ],
)
def test_what_is_no_section_sets_the_record_aside(tmp_path: Path, sections: Any, reason: str) -> None:
    found = read(tmp_path, prompt=TEXT, sections=sections)
    assert isinstance(found, SetAside)
    assert reason in found.reason


def test_a_range_in_messages_is_refused(tmp_path: Path) -> None:
    found = read(tmp_path, messages=[{"role": "user", "content": TEXT}], sections={"a": [0, 3]})
    assert isinstance(found, SetAside)
    assert "of a chat to be text, found a range" in found.reason


# ---- from patterns --------------------------------------------------------------------------------------------------


def test_matches_of_one_pattern_are_numbered_and_earlier_patterns_win() -> None:
    patterns = {"question": r"\w+\?", "example": r"^\w+[:?].*", "rest": r"Rules|Nothing", "blank": "\n*"}
    found = find_sections(TEXT, patterns)
    assert [(section.name, TEXT[section.start : section.stop]) for section in found] == [
        ("rest", "Rules"),
        ("example 1", "One: 1"),
        ("example 2", "Two: 2"),
        ("question", "Three?"),
    ]


def test_a_pattern_that_fails_is_named() -> None:
    with pytest.raises(UsageError, match=r"section 'a'.*regular expression"):
        find_sections(TEXT, {"a": "("})


@given(st.text("ab \n", max_size=20), st.sampled_from([r"a+", r"(?<=b)\s", r"^.*$", r"\b", r"b\s*"]))
def test_found_sections_are_in_order_and_apart(text: str, pattern: str) -> None:
    found = find_sections(text, {"one": pattern, "two": "[ab]"})
    assert found == order_sections(found)
    assert all(text[section.start : section.stop].strip() for section in found)
    assert len({section.name for section in found}) == len(found)


# ---- cut and shown --------------------------------------------------------------------------------------------------


def test_sections_are_spans_with_their_names_and_the_blanks_behind_them() -> None:
    pieces = ["<bos>", "Rules", ".", "\n\n", "One", ":", "▁1", "\n", "\n", "Two", "?"]
    completion = build_completion(pieces, ["▁No", "."])
    places = {name: completion.text.index(name) for name in ("Rules", "One: ")}
    sections = tuple(Section(name=name, start=place, stop=place + 5) for name, place in places.items())
    completion = dataclasses.replace(completion, prompt=dataclasses.replace(completion.prompt, sections=sections))
    spans = describe_spans(completion, segment(completion, Granularity.SECTION))
    assert [(span.section, span.text) for span in spans] == [
        (None, "<bos>"),
        ("Rules", "Rules"),
        (None, ".\n\n"),
        ("One: ", "One:"),
        (None, " 1\n\nTwo?"),  # a token that straddles a border goes where its first visible character is
        (None, " No."),
    ]
    words = describe_spans(completion, segment(completion, Granularity.WORD))
    named = [(span.section, span.text) for span in words]
    assert named[1:4] == [("Rules", "Rules.\n\n"), ("One: ", "One:"), (None, " 1\n\n")]
    assert [span.line for span in words] == [1, 1, 3, 3, 5, 5]


def test_a_chats_turns_are_its_sections() -> None:
    from promptlight.salience.text.chat import MODEL, USER, Message, format_turns

    text, turns = format_turns([Message(USER, "Hi"), Message(MODEL, "Yes?"), Message(USER, "Eggs")])
    prompt = Prompt(id="1", text=text, turns=turns)
    completion = Completion(
        prompt=prompt, tokens=(), n_prompt_tokens=0, text=text, prompt_stop=len(text), stop_reason=StopReason.GIVEN
    )
    found = sections_of(completion)
    assert [(one.name, text[one.start : one.stop]) for one in found] == [
        ("user 1", "Hi\n"),
        ("model", "Yes?\n"),
        ("user 2", "Eggs\n"),
    ]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """dish-mistake with one section of its own."""
    from typer.testing import CliRunner

    from promptlight.cli.app import app

    folder = tmp_path_factory.mktemp("sections")
    record = json.loads((EXAMPLES / "prompts.jsonl").read_text("utf-8").splitlines()[0])
    record["sections"] = {"the asking": record["prompt"][record["prompt"].index("## Now") :]}
    (folder / "prompts.jsonl").write_text(json.dumps(record), encoding="utf-8")
    arguments = ["run", folder / "prompts.jsonl", "-o", folder / "out", "--max-new-tokens", 40, "--device", "cpu"]
    assert CliRunner().invoke(app, [str(argument) for argument in arguments]).exit_code == 0
    return folder / "out"


def test_results_keep_sections_and_the_exact_score_of_the_whole_completion(results: Path) -> None:
    analysis = find_result(results)
    assert isinstance(analysis, Analysis)
    assert [section.name for section in analysis.completion.prompt.sections] == ["the asking"]
    completion, cut = analysis.completion, analysis.segmentations[Granularity.SECTION]
    n_targets = len(cut.spans_from(completion.n_prompt_tokens))
    assert analysis.map_by().span_scores[Granularity.SECTION].shape == (n_targets, len(completion.tokens))
    assert pd.read_parquet(results)["sections"].tolist()[0][0]["name"] == "the asking"


def test_patterns_replace_sections_and_leave_the_scores(results: Path) -> None:
    (analysis,) = read_results(results)
    assert isinstance(analysis, Analysis)
    named = name_sections(analysis, read_section_patterns(PATTERNS))
    assert [one.name for one in named.completion.prompt.sections] == ["example 1", "example 2", "example 3", "question"]
    assert named.map_by() is analysis.map_by()
    assert Granularity.SECTION not in named.segmentations


def test_show_says_which_example_mattered(promptlight: Command, results: Path) -> None:
    arguments = ("show", results, "--by", "section", "--target-by", "word", "--target", "You have to try it")
    assert "the asking  ‹## Now" in promptlight(*arguments).stdout
    shown = promptlight(*arguments, "--sections", PATTERNS).stdout
    listed = shown[shown.index("strongest sections") :].splitlines()[1:]
    assert listed[0].split("%")[1].split(maxsplit=1)[1].startswith("example 1  Taste-likes")  # the mistaken one


def test_show_refuses_a_prompt_without_sections(promptlight: Command, demo_results: Path) -> None:
    shown = promptlight("show", demo_results, "--by", "section")
    assert shown.exit_code == 2
    assert "or name them by a file (--sections)" in shown.stderr


def test_export_names_the_section_and_line_of_every_source(promptlight: Command, results: Path, tmp_path: Path) -> None:
    table = tmp_path / "table.parquet"
    arguments = ("-o", table, "--overwrite", "--sections", PATTERNS, "--target-by", "section")
    assert promptlight("export", results, "--by", "section", *arguments).exit_code == 0
    rows = pd.read_parquet(table).to_dict("records")
    named = {row["source_section"]: row["score"] for row in rows if isinstance(row["source_section"], str)}
    assert list(named) == ["example 1", "example 2", "example 3", "question"]
    assert all(row["exact"] for row in rows)
    assert promptlight("export", results, "--by", "word", *arguments).exit_code == 0
    words = pd.read_parquet(table).to_dict("records")
    for name, score in named.items():
        assert sum(row["score"] for row in words if row["source_section"] == name) == pytest.approx(score, rel=1e-5)
    analysis = find_result(results)
    assert isinstance(analysis, Analysis)
    lines = analysis.completion.text.split("\n")
    prompt_words = [row for row in words if row["source_role"] == Role.PROMPT]
    assert all(row["source_text"].strip() in lines[row["source_line"] - 1] for row in prompt_words)


def test_segment_names_sections(promptlight: Command) -> None:
    shown = promptlight("segment", EXAMPLES / "prompts.jsonl", "--by", "section", "--sections", PATTERNS)
    assert "principles: “* The analysis should be brief" in shown.stdout
    line = promptlight("segment", EXAMPLES / "prompts.jsonl", "--sections", PATTERNS, "--json").stdout.splitlines()[-1]
    assert json.loads(line)["section"] is None
