"""Variable tracking: what runs the assignments agrees about the value and its lines."""

from __future__ import annotations

from itertools import islice

import pytest

from promptlight.salience.benchmark.tracking import Form, TrackingPrompt, draw_prompts, read_value
from promptlight.salience.errors import UsageError

FORMS = [
    Form(),
    Form(hops=2),
    Form(hops=4),
    Form(hops=4, at_once=True),
    Form(hops=1, n_chains=3, n_values=0, n_examples=0),
]


def draw(form: Form, n: int = 20, seed: int = 0) -> list[TrackingPrompt]:
    return list(islice(draw_prompts(form, seed=seed), n))


def run(text: str) -> tuple[dict[str, str], dict[str, set[int]]]:
    """Run a text's assignments from the top: each variable's value, and the lines, from 1, that it follows from.

    A variable that is set to one without a value has none.
    """
    values: dict[str, str] = {}
    lines: dict[str, set[int]] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if line.startswith("VAR "):
            name, right = line.removeprefix("VAR ").split(" = ")
            assert name not in values
            source = right.removeprefix("VAR ")
            if right == source:
                values[name], lines[name] = right, {number}
            elif source in values:
                values[name], lines[name] = values[source], {number, *lines[source]}
    return values, lines


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_the_value_and_the_lines_are_those_that_running_the_assignments_finds(form: Form) -> None:
    for prompt in draw(form):
        values, lines = run(prompt.text)
        asked = prompt.block.asked
        assert prompt.text.endswith(f"Value of VAR {asked}:" if form.at_once else f"Trace: VAR {asked}")
        assert read_value(prompt.answer) == prompt.block.value == values[asked]
        assert set(prompt.causes) == lines[asked]
        assert len(prompt.causes) == form.hops + 1
        assert prompt.causes == sorted(prompt.causes, reverse=True)
        block = prompt.text.split("\n\n")[-1].split("\n")[:-1]
        shown = prompt.text.split("\n")
        assert [shown[number - 1] for number in prompt.candidates] == block
        assert len(block) == form.n_lines == form.n_chains * (form.hops + 1) + form.n_values


@pytest.mark.parametrize("form", FORMS[:4], ids=str)
def test_examples_are_solved_rightly(form: Form) -> None:
    for prompt in draw(form, 5):
        *examples, _ = prompt.text.split("\n\n")
        assert len(examples) == form.n_examples
        for example in examples:
            values, _ = run(example)
            question = example.split("\n")[-1]
            if form.at_once:
                name, value = question.removeprefix("Value of VAR ").split(": ")
                assert values[name] == value
            else:
                name, *steps = question.removeprefix("Trace: VAR ").split(" = ")
                assert steps[-1] == values[name]
                for one, other in zip([name, *steps], steps, strict=False):
                    assert f"VAR {one.removeprefix('VAR ')} = {other}\n" in example


def test_only_the_chain_decides_the_value() -> None:
    """Another number, or no line at all: of the chain's lines, it changes the value; of the others, it does not."""
    for prompt in draw(Form(hops=2)):
        shown, asked, value = prompt.text.split("\n"), prompt.block.asked, prompt.block.value
        for number in prompt.candidates:
            line = shown[number - 1]
            if "= VAR" not in line:
                other = f"{line.rpartition(' ')[0]} 7"
                values, lines = run("\n".join([*shown[: number - 1], other, *shown[number:]]))
                assert values[asked] == ("7" if number in prompt.causes else value)
                assert lines[asked] == set(prompt.causes)
            place = number - prompt.candidates[0]
            without = prompt.without(place).text
            assert without.split("\n") == [*shown[: number - 1], *shown[number:]]
            if number in prompt.causes:
                with pytest.raises(KeyError):
                    run(without)[0][asked]
            else:
                assert run(without)[0][asked] == value


def test_the_others_are_the_ends_of_the_other_chains() -> None:
    for prompt in draw(Form(hops=2, n_chains=3)):
        values, lines = run(prompt.text)
        others = prompt.ask_others()
        assert len({prompt.block.asked, *(other.block.asked for other in others)}) == 3
        for other in others:
            assert other.text.rpartition("\n")[0] == prompt.text.rpartition("\n")[0]
            assert other.block.value == values[other.block.asked]
            assert len(lines[other.block.asked]) == 3


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_no_number_occurs_twice(form: Form) -> None:
    for prompt in draw(form):
        lines = [line for line in prompt.text.split("\n") if line.startswith("VAR ")]
        names = [line.split(" = ")[0].removeprefix("VAR X") for line in lines]
        values = [line.split(" = ")[1] for line in lines if "= VAR" not in line]
        assert len({*names, *values}) == len(names) + len(values)


def test_a_seed_draws_the_same_prompts() -> None:
    form = Form(hops=2)
    assert draw(form) == draw(form)
    assert draw(form)[0] != draw(form, seed=1)[0]
    assert draw(form)[0] != draw(form)[1]


def test_every_line_and_chain_can_be_the_cause() -> None:
    """So neither the place of a line nor that it hands a value on gives it away."""
    prompts = draw(Form(), 200)
    places = [number - prompt.candidates[0] for prompt in prompts for number in prompt.causes]
    assert set(places) == set(range(6))
    last = [prompt.block.assignments[prompt.block.follow()[0]] for prompt in prompts]
    others = [line for prompt in prompts for line in prompt.block.assignments if line.value.startswith("VAR")]
    assert len(others) == 2 * len(last)


@pytest.mark.parametrize(("hops", "n_chains"), [(0, 2), (20, 2), (1, 0)])
def test_forms_that_can_t_be_drawn_are_refused(hops: int, n_chains: int) -> None:
    with pytest.raises(UsageError, match="1 or more hops and chains"):
        Form(hops=hops, n_chains=n_chains)


@pytest.mark.parametrize(
    ("answer", "value"), [(" = VAR X3 = 12", "12"), (" 12", "12"), (" = VAR X3", "VAR X3"), ("", "")]
)
def test_the_value_is_what_an_answer_ends_with(answer: str, value: str) -> None:
    assert read_value(answer) == value
