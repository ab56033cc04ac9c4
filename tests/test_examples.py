"""The example prompt files are what their README says, and the broken one is broken in every way it claims."""

# pyright: standard

from __future__ import annotations

import ast
import re
import unicodedata
from collections import Counter

import pytest

from promptlight.io.prompts.reader import PromptReader, read_prompts
from promptlight.io.prompts.reading import Reading
from promptlight.io.prompts.template import read_template
from promptlight.salience.types import Prompt, SetAside
from tests.support.paths import EXAMPLES

PRINCIPLES = [
    "* The analysis should be brief and to the point.",
    "* The analysis and recommendation should both be clear about the suitability for someone with a specified dietary"
    " restriction.",
]
WORKED_STEP = re.compile(r"<<([-+*/ 0-9]+)=(\d+)>>(\d+)")


def read_usable(name: str) -> dict[str, Prompt]:
    """All records by id; the test fails if one is skipped."""
    records = list(read_prompts(EXAMPLES / name))
    assert [record for record in records if isinstance(record, SetAside)] == []
    return {record.id: record for record in records if isinstance(record, Prompt)}


@pytest.fixture(scope="module")
def prompts() -> dict[str, Prompt]:
    return read_usable("prompts.jsonl")


def calculate(node: ast.expr) -> int:
    """A sum of whole numbers, worked out."""
    match node:
        case ast.Constant(value=int(value)):
            return value
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return calculate(left) + calculate(right)
        case ast.BinOp(left=left, op=ast.Sub(), right=right):
            return calculate(left) - calculate(right)
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            return calculate(left) * calculate(right)
    raise AssertionError(ast.dump(node))


def test_readme_names_every_example() -> None:
    named = set(re.findall(r"^\| `([^`]+?)/?` \|", (EXAMPLES / "README.md").read_text("utf-8"), re.MULTILINE))
    present = {path.name for path in EXAMPLES.iterdir() if not path.name.startswith((".", "__", "README"))}
    assert named == present


def test_the_template_makes_the_tutorials_prompt_of_the_table(prompts: dict[str, Prompt]) -> None:
    reading = Reading(template=read_template(EXAMPLES / "analyze_menu_item.txt"))
    made = {record.id: record for record in PromptReader(EXAMPLES / "dishes.csv", reading=reading)}
    quiche = made["quiche"]
    assert isinstance(quiche, Prompt)
    assert quiche.text == prompts["dish-fixed"].text
    assert len(made) == 3


# prompts.jsonl


def test_prompts_are_of_four_kinds(prompts: dict[str, Prompt]) -> None:
    sources = Counter(prompt.label for prompt in prompts.values())
    assert sources.keys() == {"fewshot-mistake", "fewshot-fixed", "fewshot-constitution", "headline", "sums", "ideas"}
    assert all(sources[kind] >= 2 for kind in ("headline", "sums", "ideas"))
    for step in ("mistake", "fixed", "constitution"):
        assert prompts[f"dish-{step}"].label == f"fewshot-{step}"


def test_some_prompts_bring_a_target(prompts: dict[str, Prompt]) -> None:
    with_target = {id for id, prompt in prompts.items() if prompt.given_completion}
    assert len(with_target) >= 5
    assert not any(id.startswith("dish-") for id in with_target)


def test_the_mistake_is_one_line(prompts: dict[str, Prompt]) -> None:
    mistake, fixed = (prompts[id].text.split("\n") for id in ("dish-mistake", "dish-fixed"))
    changed = [(old, new) for old, new in zip(mistake, fixed, strict=True) if old != new]
    assert changed == [("Recommendation: You have to try it.", "Recommendation: Avoid.")]
    assert fixed[fixed.index("Recommendation: Avoid.") - 2] == "Suggestion: Onion soup"
    assert mistake[0] == "Analyze a menu item in a restaurant."
    assert mistake[-2:] == ["Suggestion: Quiche Lorraine", "Analysis:"]


def test_the_constitution_adds_two_principles(prompts: dict[str, Prompt]) -> None:
    fixed, constitution = (prompts[id].text.split("\n") for id in ("dish-fixed", "dish-constitution"))
    assert constitution == [*fixed[:2], *PRINCIPLES, "", *fixed[2:]]


@pytest.mark.parametrize(
    ("source", "form"),
    [
        ("headline", r".*Write a headline for the following (newspaper )?article\.\n\n[^\n]+\n\nHeadline:\n"),
        ("ideas", r"Brainstorm three ways to use the following item\..*\n\nItem: [a-z ]+\n\nIdeas:"),
        ("sums", r".*\bHow much .*\?(\n| \*\*)"),
    ],
)
def test_side_tasks_keep_to_their_form(prompts: dict[str, Prompt], source: str, form: str) -> None:
    texts = [prompt.text for prompt in prompts.values() if prompt.label == source]
    assert [text for text in texts if not re.fullmatch(form, text, re.DOTALL)] == []


def test_worked_steps_are_right(prompts: dict[str, Prompt]) -> None:
    steps = [
        (prompt.id, *step)
        for prompt in prompts.values()
        if prompt.label == "sums" and prompt.given_completion
        for step in WORKED_STEP.findall(prompt.text + prompt.given_completion)
    ]
    assert len({id for id, *_ in steps}) >= 2
    for _, formula, result, shown in steps:
        assert calculate(ast.parse(formula, mode="eval").body) == int(result) == int(shown), formula


# hostile.jsonl and broken.jsonl


def test_hostile_prompts_hold_what_they_claim() -> None:
    texts = {id: prompt.text for id, prompt in read_usable("hostile.jsonl").items()}
    assert any(unicodedata.name(character).startswith("CJK") for character in texts["chinese"] if character != "\n")
    assert any(unicodedata.bidirectional(character) == "AL" for character in texts["arabic"])
    assert "\N{MAN}\N{ZERO WIDTH JOINER}\N{WOMAN}\N{ZERO WIDTH JOINER}" in texts["emoji"]
    assert "\x1b[31m" in texts["escapes"]
    assert "[bold red]" in texts["markup"]
    assert "<script>" in texts["markup"]
    assert max(map(len, texts["long-word"].split())) > 120
    assert len(texts) == 6


def test_broken_file_gives_each_reason() -> None:
    reader = PromptReader(EXAMPLES / "broken.jsonl")
    records = list(reader)
    reasons = {record.line: record.reason for record in records if isinstance(record, SetAside)}
    expected = {
        2: "invalid JSON",
        4: "expected a field `prompt`, or `messages` for a chat, found `id`, `text`",
        5: "found null",
        6: "found a number",
        7: "found an array",
        8: "found 'good-1', which line 1 has",
        9: "found it empty",
    }
    assert reasons.keys() == expected.keys()
    assert [line for line, part in expected.items() if part not in reasons[line]] == []
    assert [(record.id, record.line) for record in records if isinstance(record, Prompt)] == [
        ("good-1", 1),
        ("good-2", 10),
    ]
    assert reader.n_blank == 1


def test_the_prompts_for_a_real_model_say_where_their_answers_end() -> None:
    real = read_usable("real.jsonl")
    assert len(real) == 25
    assert all(prompt.stop for prompt in real.values())
    kinds = Counter(prompt.label for prompt in real.values())
    assert kinds == {"few-shot": 7, "sum with steps": 4, "headline": 4, "instruction": 5, "Chinese": 5}


def test_prompts_with_reasoning_leave_a_line_before_the_answer_to_the_model() -> None:
    reasoning = read_usable("reasoning.jsonl")
    assert Counter(Counter(prompt.label for prompt in reasoning.values()).values()) == {6: 4, 12: 1}
    for prompt in reasoning.values():
        *shots, asked = [block for block in prompt.text.split("\n\n") if ":" in block]
        names = [[line.partition(":")[0] for line in block.splitlines()] for block in (*shots, asked)]
        assert len({tuple(own) for own in names[:-1]}) == 1, prompt.id
        assert names[-1] == names[0][:-1], prompt.id  # what comes before the answer is left open, too
        assert asked.endswith(":"), prompt.id
        assert prompt.stop == ("\n\n",)
