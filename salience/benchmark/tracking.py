"""Draw prompts of variable tracking: which value has a variable, and which lines say so? Exact for any model.

A prompt is a block of assignments and a question about one variable, after a few solved blocks of the same form:

    VAR X37 = 64
    VAR X90 = VAR X37
    VAR X25 = 81
    Trace: VAR X90 = VAR X37 = 64

The *chain* leads from the variable in question to its value: the last line, then the first. Its lines are the causes,
all of them, and no other line is. That is known from the assignments alone, so no model has to be asked, unlike in
``causes.py``. The other lines are distractors: chains of the same length, and variables with values of their own.
No number occurs in two names, in two values, or in a name and a value of a prompt.

RULER (arXiv:2404.06654) introduced the task, with noise between the lines and a list of variables as the answer. Here
the answer is one number. By default the model first writes the chain out, so that its answer rests on its own words.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from promptlight.salience.errors import UsageError

FIRST_NUMBER, STOP_NUMBER = 10, 100  # of names and values: two digits each


@dataclass(frozen=True, kw_only=True)
class Form:
    """What the prompts look like. Raises UsageError if there are not enough numbers for them.

    A block has ``n_chains`` chains of ``hops`` + 1 lines (the one asked about included) and ``n_values`` single values.
    ``at_once``: the answer is the value alone, not the chain.
    """

    hops: int = 1
    n_chains: int = 2
    n_values: int = 2
    n_examples: int = 2
    at_once: bool = False

    def __post_init__(self) -> None:
        available = STOP_NUMBER - FIRST_NUMBER
        if self.hops < 1 or self.n_chains < 1 or self._n_numbers > available:
            raise UsageError(
                f"expected 1 or more hops and chains, and names and values for at most {available} numbers, found"
                f" {self.hops} hops, {self.n_chains} chains and {self._n_numbers} numbers: ask for fewer hops",
                parameters=("hops",),
            )

    @property
    def n_lines(self) -> int:
        """The number of assignments in a block."""
        return self.n_chains * (self.hops + 1) + self.n_values

    @property
    def _n_numbers(self) -> int:
        return (self.n_examples + 1) * (self.n_lines + self.n_chains + self.n_values)


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """A line: ``VAR name = value``. The value is a number, or ``VAR`` and the name of an earlier variable."""

    name: str
    value: str

    def __str__(self) -> str:
        return f"{_refer(self.name)} = {self.value}"


@dataclass(frozen=True, kw_only=True)
class Block:
    """Assignments in order, and the variable in question."""

    assignments: tuple[Assignment, ...]
    asked: str

    def follow(self) -> list[int]:
        """The numbers of the assignments that decide the answer, from the variable in question to its value."""
        place = {_refer(line.name): number for number, line in enumerate(self.assignments)}
        chain = [place[_refer(self.asked)]]
        while (value := self.assignments[chain[-1]].value) in place:
            chain.append(place[value])
        return chain

    @property
    def ends(self) -> list[str]:
        """The last variables of all chains, the one in question included."""
        values = {line.value for line in self.assignments}
        return [line.name for line in self.assignments if not line.value.isdigit() and _refer(line.name) not in values]

    @property
    def value(self) -> str:
        """The value of the variable in question."""
        return self.assignments[self.follow()[-1]].value

    def ask(self, *, at_once: bool) -> str:
        """The assignments and the question, as text."""
        question = f"Value of {_refer(self.asked)}:" if at_once else f"Trace: {_refer(self.asked)}"
        return "\n".join([*map(str, self.assignments), question])

    def answer(self, *, at_once: bool) -> str:
        """What should follow the question."""
        if at_once:
            return f" {self.value}"
        return "".join(f" = {self.assignments[number].value}" for number in self.follow())


@dataclass(frozen=True, kw_only=True)
class TrackingPrompt:
    """Solved blocks, then the block in question."""

    form: Form
    examples: tuple[Block, ...]
    block: Block

    @property
    def text(self) -> str:
        """The prompt, up to the question's last character."""
        return "".join(self._examples()) + self.block.ask(at_once=self.form.at_once)

    @property
    def answer(self) -> str:
        """What a model that solves it writes, with the blank before it."""
        return self.block.answer(at_once=self.form.at_once)

    @property
    def candidates(self) -> range:
        """The numbers of the block's assignments among the lines of the text, from 1."""
        first = 1 + sum(example.count("\n") for example in self._examples())
        return range(first, first + len(self.block.assignments))

    @property
    def causes(self) -> list[int]:
        """The numbers of the chain's lines, from the variable in question to its value, from 1."""
        return [self.candidates[number] for number in self.block.follow()]

    def without(self, number: int) -> TrackingPrompt:
        """The same prompt without one of the block's assignments. The text has an answer only if that is no cause."""
        kept = self.block.assignments[:number] + self.block.assignments[number + 1 :]
        return replace(self, block=replace(self.block, assignments=kept))

    def ask_others(self) -> list[TrackingPrompt]:
        """The same prompt with a question about each of the block's other chains."""
        block = self.block
        return [replace(self, block=replace(block, asked=end)) for end in block.ends if end != block.asked]

    def _examples(self) -> Iterator[str]:
        for example in self.examples:
            how = {"at_once": self.form.at_once}
            yield f"{example.ask(**how)}{example.answer(**how)}\n\n"


def _refer(name: str) -> str:
    """A variable as it stands in the text."""
    return f"VAR {name}"


def read_value(answer: str) -> str:
    """The value in an answer of either form: what follows its last equals sign, if it has one."""
    return answer.rpartition("=")[2].strip()


def draw_prompts(form: Form, *, seed: int = 0) -> Iterator[TrackingPrompt]:
    """Prompts without end, always the same for a form and a seed."""
    rng = random.Random(f"tracking {form} {seed}")
    while True:
        numbers = iter(rng.sample(range(FIRST_NUMBER, STOP_NUMBER), STOP_NUMBER - FIRST_NUMBER))
        *examples, block = [_draw_block(form, numbers, rng) for _ in range(form.n_examples + 1)]
        yield TrackingPrompt(form=form, examples=tuple(examples), block=block)


def _draw_block(form: Form, numbers: Iterator[int], rng: random.Random) -> Block:
    """Draw chains and single values, and mix their lines; the lines of a chain stay in order."""
    lengths = [form.hops + 1] * form.n_chains + [1] * form.n_values
    chains = [_draw_chain(length, numbers) for length in lengths]
    order = [number for number, length in enumerate(lengths) for _ in range(length)]
    rng.shuffle(order)
    lines = [iter(chain) for chain in chains]
    asked = chains[rng.randrange(form.n_chains)][-1].name
    return Block(assignments=tuple(next(lines[number]) for number in order), asked=asked)


def _draw_chain(n_lines: int, numbers: Iterator[int]) -> Sequence[Assignment]:
    """A value, and variables that hand it on."""
    chain = [Assignment(name=f"X{next(numbers)}", value=str(next(numbers)))]
    while len(chain) < n_lines:
        chain.append(Assignment(name=f"X{next(numbers)}", value=_refer(chain[-1].name)))
    return chain
