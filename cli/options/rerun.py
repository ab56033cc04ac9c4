"""The options for the model that runs a stored prompt again, in a group (``groups.py``)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

import typer

from promptlight.cli.options.completion import complete_model
from promptlight.cli.options.panels import MODEL
from promptlight.cli.options.shared import AdapterOption, Device, DeviceOption, Dtype, StoredStopOption

AS_STORED = "default: the folder's own"


@dataclass(frozen=True, kw_only=True)
class Rerun:
    """Which model runs, and when its completions end: what is not said is as in the folder's run."""

    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            autocompletion=complete_model,
            help=f"Model to run, named as for `promptlight run` ({AS_STORED}; for a text, demo).",
            rich_help_panel=MODEL,
        ),
    ] = None
    adapter: AdapterOption = None
    device: DeviceOption = Device.AUTO
    dtype: Annotated[
        Dtype | None,
        typer.Option(help=f"Precision of the model's weights ({AS_STORED}; for a text, auto).", rich_help_panel=MODEL),
    ] = None
    max_new_tokens: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help=f"Most tokens that a completion may have ({AS_STORED}; for a text, 64).",
            rich_help_panel=MODEL,
        ),
    ] = None
    stop: StoredStopOption = None

    @property
    def is_as_stored(self) -> bool:
        """Whether the model writes as in the folder's run: nothing but the device is said."""
        return replace(self, device=Device.AUTO) == Rerun()
