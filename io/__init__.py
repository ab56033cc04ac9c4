"""The disk: prompts in, Parquet and tables out. Knows no model."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from promptlight.io.frames import to_frame
    from promptlight.io.prompts import read_prompts
    from promptlight.io.store import ResultsWriter, find_result, read_results

_MODULES = {
    "ResultsWriter": "store",
    "find_result": "store",
    "read_prompts": "prompts",
    "read_results": "store",
    "to_frame": "frames",
}

__all__ = ["ResultsWriter", "find_result", "read_prompts", "read_results", "to_frame"]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
