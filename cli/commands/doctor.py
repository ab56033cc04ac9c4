"""``promptlight doctor``: what is installed, where models would run, which would fit, and what to mend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from promptlight.cli.views.checks import GIB, Check, Fit, Machine, check_all, find_fits, inspect_machine

if TYPE_CHECKING:
    from rich.console import RenderableType


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="The same as one JSON object.")] = False,
) -> None:
    """Look at this machine: versions, device, memory, logins, models on disk, and which models would fit.

    Logins are looked for and never shown. The exit code is 1 if something that promptlight needs is missing or wrong.
    """
    machine = inspect_machine()
    checks, fits = list(check_all(machine)), find_fits(machine)
    if as_json:
        print(describe_as_json(checks, fits))
    else:
        from rich.console import Console

        Console(highlight=False).print(render_checks(checks, fits, machine))
    if any(check.fix and not is_optional(check) for check in checks):
        raise typer.Exit(1)


def is_optional(check: Check) -> bool:
    """Whether promptlight works without it."""
    return check.topic.endswith("login") or check.topic == "device"


def describe_as_json(checks: Sequence[Check], fits: Sequence[Fit]) -> str:
    """All that was found, for programs."""
    import json
    from dataclasses import asdict

    return json.dumps({"checks": [asdict(one) for one in checks], "models": [asdict(one) for one in fits]}, indent=1)


def render_checks(checks: Sequence[Check], fits: Sequence[Fit], machine: Machine) -> RenderableType:
    """A line per check, what to do below those that need it, and what would fit."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from promptlight.salience.text.printable import one_line

    found, models = Table.grid(padding=(0, 2)), Table.grid(padding=(0, 2))
    for check in checks:
        sign = ("ok", "green") if not check.fix else ("--", "dim") if is_optional(check) else ("!!", "bold red")
        found.add_row(Text(*sign), Text(check.topic), Text(one_line(check.found)))
        if check.fix:
            found.add_row("", "", Text(one_line(check.fix), "dim"))
    heading = f"What would fit into the memory that is free, in {machine.dtype} with room to load and to work"
    for fit in fits:
        sign = ("ok", "green") if fit.fits else ("no", "dim")
        models.add_row(Text(*sign), Text(fit.model), Text(f"{fit.needed / GIB:>6.1f} GiB"))
    return Group(found, Text(), Text(heading, "bold"), models)
