"""``promptlight compare``: what became of an explanation from one prompt, run or model to the next."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from promptlight.cli.chosen import SectionNames, find_stored
from promptlight.cli.options import (
    ByOption,
    HtmlOption,
    IntensityOption,
    OtherTargetOption,
    OverwriteOption,
    PoolOption,
    SectionsOption,
    SvgOption,
    TargetByOption,
    TargetOption,
    TopOption,
    WidthOption,
    parse_question,
)
from promptlight.cli.taste import NEUTRAL_INTENSITY, Taste
from promptlight.salience.errors import OutputError, UsageError
from promptlight.salience.types import Analysis, Pooling

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from promptlight.cli.drawing import Drawing
    from promptlight.cli.views.palette import Look
    from promptlight.salience.comparison import Difference
    from promptlight.salience.explanation import Explanation, Question


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
    by: ByOption = "line",
    target_by: TargetByOption = None,
    pool: PoolOption = Pooling.SUM,
    sections: SectionsOption = None,
    target: TargetOption = None,
    other_target: OtherTargetOption = None,
    top: TopOption = 8,
    intensity: IntensityOption = NEUTRAL_INTENSITY,
    width: WidthOption = None,
    svg: SvgOption = None,
    html: HtmlOption = None,
    overwrite: OverwriteOption = False,
) -> None:
    """Compare two prompts, runs or models: what was written, which parts of the texts changed, and whose share moved.

    Two prompts of a folder: --id and --with. The same prompt in two folders: --id. All prompts of two folders: neither.
    """
    from promptlight.cli.drawing import Drawing
    from promptlight.salience.explanation import explain_target

    questions = (
        parse_question(by=by, target=target, target_by=target_by, pool=pool),
        parse_question(by=by, target=target if other_target is None else other_target, target_by=target_by, pool=pool),
    )
    drawing = Drawing(taste=Taste(intensity=intensity), width=width, svg=svg, html=html, overwrite=overwrite)
    names = SectionNames(sections)
    if id is None and other_id is None and other is not None:
        draw_overview(results, other, questions, names, drawing, top)
        return
    if id is None or (other is None and other_id in (None, id)):
        raise UsageError("expected two prompts: --id ONE --with OTHER, or two folders and --id ONE, or two folders")
    pairs = zip((results, other or results), (id, other_id or id), questions, strict=True)
    before, after = (
        explain_target(names.give(find_stored(folder, id=one), question.by), question)
        for folder, one, question in pairs
    )
    draw_comparison(before, after, drawing, n_top=top, title="promptlight compare")


def draw_comparison(before: Explanation, after: Explanation, drawing: Drawing, *, n_top: int, title: str) -> None:
    """Two explanations side by side."""

    def paint(console: Console, look: Look) -> RenderableType:
        from promptlight.cli.views.comparison import render_comparison

        return render_comparison(before, after, console, look, n_top=n_top)

    drawing.draw(paint, signed=any(one.analysis.salience.method.is_signed for one in (before, after)), title=title)


def draw_overview(
    results: Path, other: Path, questions: tuple[Question, Question], names: SectionNames, drawing: Drawing, n_top: int
) -> None:
    """A line for each prompt of two folders; those that one of them lacks are counted."""
    from promptlight.salience.comparison import summarize_comparison
    from promptlight.salience.explanation import explain_target

    differences: list[Difference] = []
    n_missing, reason = 0, ""
    for one, two in pair_results(results, other):
        if two is None:
            n_missing += 1
            continue
        try:
            pair = [
                explain_target(names.give(analysis, question.by), question)
                for analysis, question in zip((one, two), questions, strict=True)
            ]
        except UsageError as error:
            n_missing, reason = n_missing + 1, reason or f"{one.completion.prompt.id}: {error}"
            continue
        differences.append(summarize_comparison(*pair))
    if not differences:
        raise UsageError(f"expected prompts that both folders explain, found none{f'; {reason}' if reason else ''}")

    def paint(console: Console, look: Look) -> RenderableType:
        from promptlight.cli.views.overview import render_overview

        return render_overview(differences, n_missing, console.width, n_top=n_top)

    drawing.draw(paint, signed=False, title="promptlight compare")


def pair_results(results: Path, other: Path) -> Iterator[tuple[Analysis, Analysis | None]]:
    """Each prompt that the first folder explains, and what the second one has of it; one pair in memory at a time."""
    from promptlight.io.store import find_result, read_results

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
