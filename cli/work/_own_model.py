"""Load the model that made some results, to measure or write with it again."""

# pyright: standard

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from promptlight.cli.options.evaluation import Measuring
from promptlight.cli.options.shared import Dtype
from promptlight.salience.errors import ModelError
from promptlight.salience.loading.handles import spell_stored
from promptlight.salience.loading.load import load_model
from promptlight.salience.model import Model


def load_own_model(
    settings: Mapping[str, Any], measuring: Measuring, if_missing: str, on_fetch: Callable[[str], None]
) -> Model:
    """Load the model that made the results. Raises ModelError if it is missing or is another one."""
    model, adapter = measuring.model, measuring.adapter or settings.get("adapter")
    precision = settings["dtype"] if measuring.dtype is Dtype.AUTO else measuring.dtype
    try:
        loaded = load_model(
            model or spell_stored(settings["model"]),
            adapter=adapter,
            device=measuring.device,
            dtype=precision,
            on_fetch=on_fetch,
        )
    except ModelError as error:
        if model:
            raise
        raise ModelError(f"{error}; {if_missing}") from error
    if loaded.facts.adapter_sha256 != settings.get("adapter_sha256"):
        raise ModelError(
            f"{loaded.facts.adapter or loaded.facts.name}: expected the adapter that these results were made with,"
            f" {settings.get('adapter', 'none')}, found another one: name that one with --adapter"
        )
    other = "one of another shape" if loaded.facts.config_hash != settings["config_hash"] else ""
    if not other and loaded.facts.file_sha256 != settings.get("file_sha256"):
        other = "another file"
    if other:
        raise ModelError(
            f"{loaded.facts.name}: expected the model that made these results, {settings['model']}, found {other}: name"
            " that one with --model"
        )
    return loaded
