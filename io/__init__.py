"""The disk: prompts in, Parquet and tables out. Knows no model."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from promptlight.io.prompts.reader import read_prompts
    from promptlight.io.results.store import ResultsWriter, find_result, read_results
    from promptlight.io.tables.frames import to_frame

_MODULES = {
    "ResultsWriter": "results.store",
    "find_result": "results.store",
    "read_prompts": "prompts.reader",
    "read_results": "results.store",
    "to_frame": "tables.frames",
}

__all__ = ["ResultsWriter", "find_result", "read_prompts", "read_results", "to_frame"]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
