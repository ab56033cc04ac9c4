"""``promptlight show``: one prompt as coloured text."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from promptlight.cli.chosen import SectionNames, find_stored
from promptlight.cli.engine import Engine
from promptlight.cli.options import (
    ByOption,
    ChatOption,
    CompatOption,
    Device,
    DeviceOption,
    Dtype,
    DtypeOption,
    HtmlOption,
    IntensityOption,
    MarkingOption,
    MaxNewTokensOption,
    ModelOption,
    OverwriteOption,
    PoolOption,
    SectionsOption,
    SpacingOption,
    SvgOption,
    TargetByOption,
    TargetOption,
    TopOption,
    WidthOption,
    parse_question,
)
from promptlight.cli.taste import NEUTRAL_INTENSITY, Marking, Spacing, Taste
from promptlight.cli.trusting import StoredTrust
from promptlight.salience.errors import UsageError
from promptlight.salience.types import Pooling

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from promptlight.cli.views.palette import Look


def show(
    results: Annotated[Path | None, typer.Argument(help="A results folder that `promptlight run` made.")] = None,
    id: Annotated[str | None, typer.Option("--id", help="Which prompt, by its id.")] = None,
    row: Annotated[
        int | None, typer.Option("--row", help="Which prompt, by its row, from 0; -1 is the last (default: the first).")
    ] = None,
    prompt: Annotated[str | None, typer.Option("--prompt", "-p", help="Explain this text now instead.")] = None,
    by: ByOption = "word",
    target_by: TargetByOption = None,
    pool: PoolOption = Pooling.SUM,
    sections: SectionsOption = None,
    target: TargetOption = None,
    matrix: Annotated[bool, typer.Option("--matrix", help="A row per target and a column per source.")] = False,
    top: TopOption = 8,
    intensity: IntensityOption = NEUTRAL_INTENSITY,
    marking: MarkingOption = Marking.HIGHLIGHT,
    spacing: SpacingOption = Spacing.DENSE,
    width: WidthOption = None,
    svg: SvgOption = None,
    html: HtmlOption = None,
    overwrite: OverwriteOption = False,
    model: ModelOption = "demo",
    device: DeviceOption = Device.AUTO,
    dtype: DtypeOption = Dtype.AUTO,
    max_new_tokens: MaxNewTokensOption = 64,
    chat: ChatOption = False,
    compat: CompatOption = None,
) -> None:
    """Show why a completion was written: its prompt, shaded by how much each piece mattered.

    Stored results need no model. With --prompt, the model options say what completes the text.
    """
    from promptlight.cli.drawing import Drawing
    from promptlight.io.prompts import prompt_from_text
    from promptlight.salience.explanation import explain_target

    if (results is None) == (prompt is None):
        raise UsageError("expected either a results folder or --prompt TEXT: try `promptlight show results/`")
    question = parse_question(by=by, target=target, target_by=target_by, pool=pool)  # before a model is paid for
    taste = Taste(intensity=intensity, marking=marking, spacing=spacing)
    drawing = Drawing(taste=taste, width=width, svg=svg, html=html, overwrite=overwrite)
    names = SectionNames(sections)
    if results is not None:
        if compat:
            raise UsageError("--compat is settled when results are made: say it to `promptlight run`")
        analysis = find_stored(results, id=id, row=row)
    else:
        engine = Engine(model=model, device=device, dtype=dtype, max_new_tokens=max_new_tokens, compat=compat)
        (analysis,) = engine.explain(prompt_from_text(prompt or "", chat=chat))
    explanation = explain_target(names.give(analysis, question.by), question)
    trust = StoredTrust(results).describe(analysis, explanation.targets)

    def paint(console: Console, look: Look) -> RenderableType:
        from promptlight.cli.views.heatmap import render_heatmap, render_matrix_view

        return (render_matrix_view if matrix else render_heatmap)(explanation, console, look, n_top=top, trust=trust)

    drawing.draw(paint, signed=analysis.salience.method.is_signed, title="promptlight show")
