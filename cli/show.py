"""``promptlight show``: one prompt as coloured text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from promptlight.cli.explaining import choose_objective
from promptlight.cli.options import (
    ByOption,
    ChatOption,
    CompatOption,
    Device,
    DeviceOption,
    Dtype,
    DtypeOption,
    MaxNewTokensOption,
    ModelOption,
    PoolOption,
    SectionsOption,
    TargetByOption,
)
from promptlight.salience.errors import UsageError
from promptlight.salience.types import Analysis, Compat, Granularity, Objective, Pooling, Prompt, SetAside


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
    target: Annotated[
        str | None,
        typer.Option(
            "--target", "-t", help="What is explained: a span's number, some of its text, or a pattern (default: all)."
        ),
    ] = None,
    top: Annotated[int, typer.Option(min=0, help="How many of the strongest sources are listed.")] = 8,
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
    import os

    from rich.console import Console

    from promptlight.cli.heatmap import build_heatmap, render_heatmap
    from promptlight.io.sections import read_section_patterns
    from promptlight.salience.sections import name_sections, sections_of
    from promptlight.salience.spans import parse_cut

    if (results is None) == (prompt is None):
        raise UsageError("expected either a results folder or --prompt TEXT: try `promptlight show results/`")
    sources, targets = parse_cut(by), parse_cut(target_by) if target_by else None  # before a model is paid for
    patterns = read_section_patterns(sections) if sections else None
    if results is not None:
        result = find_stored(results, id, row, compat)
    else:
        from promptlight.io.prompts import prompt_from_text

        assert prompt is not None
        result = analyze_now(prompt_from_text(prompt, chat=chat), model, device, dtype, max_new_tokens, compat)
    if isinstance(result, SetAside):
        raise UsageError(f"{result.id} was set aside, there is nothing to show: {result.reason}")
    if patterns:
        result = name_sections(result, patterns)
    if sources is Granularity.SECTION and not sections_of(result.completion.prompt):
        reason = "expected a prompt with sections, found none: give its record `sections`, or say --sections FILE"
        raise UsageError(f"{result.completion.prompt.id}: {reason}")
    # Rich would keep bold and dim, and the raised numbers would be missing
    console = Console(highlight=False, color_system=None if os.environ.get("NO_COLOR") else "auto")
    heatmap = build_heatmap(result, sources, target, targets, pooling=pool)
    console.print(render_heatmap(heatmap, console, n_top=top))


def find_stored(results: Path, id: str | None, row: int | None, compat: Compat | None) -> Analysis | SetAside:
    """One result of a folder. Raises UsageError for options that don't go together."""
    from promptlight.io.store import find_result

    if id is not None and row is not None:
        raise UsageError("expected either --id or --row, found both: leave one out")
    if compat:
        raise UsageError("--compat is settled when results are made: say it to `promptlight run`")
    return find_result(results, id=id, row=row or 0)


def analyze_now(
    prompt: Prompt, model: str, device: str, dtype: str, max_new_tokens: int, compat: Compat | None
) -> Analysis | SetAside:
    """Complete and explain one prompt."""
    from promptlight.salience.model import load_model
    from promptlight.salience.pipeline import AnalysisOptions, analyze

    loaded = load_model(model, device=device, dtype=dtype)
    objective = choose_objective(Objective.LOGPROB, compat)
    options = AnalysisOptions(max_new_tokens=max_new_tokens, objective=objective, compat=compat)
    (result,) = analyze([prompt], loaded, options)
    return result
