"""``promptlight compare``: what became of an explanation from one prompt, run or model to the next."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from promptlight.cli.failures import name_options
from promptlight.cli.options.drawing import Drawing
from promptlight.cli.options.groups import with_groups
from promptlight.cli.options.question import AskingTwo
from promptlight.cli.options.shared import OtherMethodOption, StoredMethodOption, TopOption
from promptlight.cli.work.stored_results import SectionNames, find_stored
from promptlight.salience.errors import OutputError, UsageError
from promptlight.salience.types import Analysis

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from promptlight.cli.views.palette import Look
    from promptlight.salience.explain.comparison import Difference
    from promptlight.salience.explain.explanation import Explanation, Question


@with_groups
def compare(
    results: Annotated[Path, typer.Argument(help="A results folder that `promptlight run` made.")],
    other: Annotated[
        Path | None, typer.Argument(help="Another one, of another model or of other settings (default: the same).")
    ] = None,
    id: Annotated[
        str | None,
        typer.Option("--id", help="Which prompt; without it, a line for each prompt that both folders have."),
    ] = None,
    other_id: Annotated[
        str | None, typer.Option("--with", help="Which prompt it is compared with (default: the same id).")
    ] = None,
    *,
    asking: AskingTwo,
    method: StoredMethodOption = None,
    other_method: OtherMethodOption = None,
    top: TopOption = 8,
    drawing: Drawing,
) -> None:
    """Compare two prompts, runs or models: what was written, which parts of the texts changed, and whose share moved.

    Two prompts of a folder: --id and --with. The same prompt in two folders: --id. All prompts of two folders: neither.
    """
    from promptlight.salience.explain.explanation import explain_target

    methods = method, other_method or method
    questions, names = asking.questions(methods), SectionNames(asking.sections)
    drawing.check()
    if id is None and other_id is None and other is not None:
        draw_overview(pair_results(results, other), questions, names, drawing, n_top=top)
        return
    same = other is None and other_id in (None, id) and methods[0] is methods[1]
    if id is None or same:
        raise UsageError(
            "expected two prompts: --id ONE --with OTHER, or two folders and --id ONE, or two folders, or --id ONE and"
            " two methods"
        )
    before, after = (
        explain_target(names.give(find_stored(folder, id=one), question.by), question)
        for folder, one, question in zip((results, other or results), (id, other_id or id), questions, strict=True)
    )
    draw_comparison(before, after, drawing, n_top=top, title="promptlight compare")


def draw_comparison(before: Explanation, after: Explanation, drawing: Drawing, *, n_top: int, title: str) -> None:
    """Two explanations side by side."""

    def paint(console: Console, look: Look) -> RenderableType:
        from promptlight.cli.views.comparison import render_comparison

        return render_comparison(before, after, console, look, n_top=n_top)

    def describe() -> Any:
        from promptlight.cli.views.as_json import describe_comparison

        return describe_comparison(before, after, n_top)

    drawing.draw(paint, describe, signed=any(one.salience.method.is_signed for one in (before, after)), title=title)


def draw_overview(
    pairs: Iterator[tuple[Analysis, Analysis | None]],
    questions: tuple[Question, Question],
    names: SectionNames,
    drawing: Drawing,
    *,
    n_top: int,
) -> None:
    """A line for each prompt of two folders; those that one of them lacks are counted."""
    from promptlight.salience.explain.comparison import summarize_comparison
    from promptlight.salience.explain.explanation import explain_target

    differences: list[Difference] = []
    n_missing, reason = 0, ""
    for one, two in pairs:
        if two is None:
            n_missing += 1
            continue
        try:
            pair = [
                explain_target(names.give(analysis, question.by), question)
                for analysis, question in zip((one, two), questions, strict=True)
            ]
        except UsageError as error:
            found = f"{one.completion.prompt.id}: {name_options(str(error), error.parameters)}"
            n_missing, reason = n_missing + 1, reason or found
            continue
        differences.append(summarize_comparison(*pair))
    if not differences:
        raise UsageError(f"expected prompts that both folders explain, found none{f'; {reason}' if reason else ''}")

    def paint(console: Console, look: Look) -> RenderableType:
        from promptlight.cli.views.overview import render_overview

        return render_overview(differences, n_missing, console.width, n_top=n_top)

    def describe() -> Any:
        from promptlight.cli.views.as_json import describe_differences

        return describe_differences(differences, n_missing)

    drawing.draw(paint, describe, signed=False, title="promptlight compare")


def pair_results(results: Path, other: Path) -> Iterator[tuple[Analysis, Analysis | None]]:
    """Each prompt that the first folder explains, and what the second one has of it; one pair in memory at a time."""
    from promptlight.io.results.reader import find_result, read_results

    others = read_results(other)
    for one in read_results(results):
        if not isinstance(one, Analysis):
            next(others, None)
            continue
        two = next(others, None)
        if not isinstance(two, Analysis) or two.completion.prompt.id != one.completion.prompt.id:  # in another order
            try:
                two = find_result(other, id=one.completion.prompt.id)
            except OutputError:
                two = None
        yield one, two if isinstance(two, Analysis) else None
