"""The disk: prompts in, results, tables and pages out. Knows no model.

All public names here are public in ``promptlight`` too; there, ``read_results`` gives results that draw themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from promptlight.salience.lazy import import_lazily

if TYPE_CHECKING:
    from promptlight.io.prompts.reader import read_prompts
    from promptlight.io.results.facts import RunFacts, read_facts
    from promptlight.io.results.reader import find_result, read_results
    from promptlight.io.results.writer import ResultsWriter
    from promptlight.io.tables.frames import to_frame

__all__ = ["ResultsWriter", "RunFacts", "find_result", "read_facts", "read_prompts", "read_results", "to_frame"]

__getattr__ = import_lazily(
    __name__,
    {
        "ResultsWriter": "results.writer",
        "RunFacts": "results.facts",
        "find_result": "results.reader",
        "read_facts": "results.facts",
        "read_prompts": "prompts.reader",
        "read_results": "results.reader",
        "to_frame": "tables.frames",
    },
)
