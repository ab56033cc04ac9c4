"""``promptlight explore``: a results folder as an app in the terminal."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from promptlight.cli.attempt import find_model
from promptlight.cli.chosen import SectionNames
from promptlight.cli.engine import Engine
from promptlight.cli.options import (
    ByOption,
    Device,
    DeviceOption,
    Dtype,
    DtypeOption,
    MaxNewTokensOption,
    PoolOption,
    SectionsOption,
    TargetByOption,
    parse_question,
)
from promptlight.salience.errors import UsageError
from promptlight.salience.types import Pooling


def explore(
    results: Annotated[Path, typer.Argument(help="A results folder that `promptlight run` made.")],
    id: Annotated[str | None, typer.Option("--id", help="Which prompt is open at first (default: the first).")] = None,
    by: ByOption = "word",
    target_by: TargetByOption = None,
    pool: PoolOption = Pooling.SUM,
    sections: SectionsOption = None,
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="Runs changed prompts; as in run (default: the folder's own).")
    ] = None,
    device: DeviceOption = Device.AUTO,
    dtype: DtypeOption = Dtype.AUTO,
    max_new_tokens: MaxNewTokensOption = 64,
) -> None:
    """Look around in a results folder: choose prompts and targets with keys or mouse, compare, change and run again.

    Everything is read from the folder; only a changed prompt needs a model. Press ? for all keys.
    """
    question = parse_question(by=by, target=None, target_by=target_by, pool=pool)
    names = SectionNames(sections)
    if not all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):
        raise UsageError("expected a terminal to draw on, found a pipe or a file: try `promptlight show`")
    from promptlight.cli.explorer.app import Explorer
    from promptlight.cli.explorer.library import Library

    library = Library(results)
    if id is not None and all(one.id != id for one in library.listed):
        raise UsageError(f"{results}: no result with id {id!r}; leave --id out to see all")
    engine = Engine(model=model or find_model(results), device=device, dtype=dtype, max_new_tokens=max_new_tokens)
    app = Explorer(library, question=question, engine=engine, names=names, id=id)
    app.run()
    if app.running:
        # a model can't be stopped in the middle of a step, and a thread in torch would tear the interpreter's end
        sys.stdout.flush()
        os._exit(0)
