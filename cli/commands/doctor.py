"""``promptlight doctor``: what is installed, where models would run, which would fit, which load, what to fix."""

from __future__ import annotations

from typing import Annotated

import typer


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")] = False,
) -> None:
    """Check this machine: versions, device, memory, logins, models on disk, which models fit, and which load.

    Logins are checked but never shown. The exit code is 1 if something that promptlight needs is missing or wrong.
    """
    from promptlight.cli.work.checks import report_checks

    if not report_checks(as_json=as_json):
        raise typer.Exit(1)
