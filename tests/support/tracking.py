"""Answers to prompts of variable tracking, as a model would write them that follows the chain."""

from __future__ import annotations

from collections.abc import Sequence

from promptlight.salience import Model
from promptlight.salience.options.analysis import AnalysisOptions
from promptlight.salience.run.batches import complete
from promptlight.salience.types import Completion, Explain, Prompt, SetAside


def answer_by_rule(
    prompts: Sequence[Prompt], model: Model, options: AnalysisOptions, *, all_right: bool = True
) -> list[Completion | SetAside]:
    """Follow each chain as far as there is one; if not ``all_right``, give up each third. The model only reads."""
    assert options.stop == ("\n",)  # an answer is a line
    given: list[Prompt] = []
    for number, prompt in enumerate(prompts):
        *lines, question = prompt.text.split("\n\n")[-1].split("\n")
        chain, name, answer = dict(line.split(" = ") for line in lines), question.removeprefix("Trace: "), ""
        while name in chain:
            name = chain[name]
            answer += f" = {name}"
        written = answer if answer and (all_right or number % 3 < 2) else " ?"
        given.append(Prompt(id=prompt.id, text=prompt.text, given_completion=written))
    return complete(given, model, AnalysisOptions(explain=Explain.TARGET))
