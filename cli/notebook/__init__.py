"""Results that draw themselves in a notebook, and the page with a model behind it.

All public names here are public in ``promptlight`` too.

Does not know: options of the command line, the explorer. Importing it loads neither torch nor Keras.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from promptlight.salience.lazy import import_lazily

if TYPE_CHECKING:
    from promptlight.cli.notebook.drawing import Drawing
    from promptlight.cli.notebook.explaining import explain
    from promptlight.cli.notebook.result import Result
    from promptlight.cli.notebook.results import Results, read_results
    from promptlight.cli.notebook.serving import ServedPage, serve

__all__ = ["Drawing", "Result", "Results", "ServedPage", "explain", "read_results", "serve"]

__getattr__ = import_lazily(
    __name__,
    {
        "Drawing": "drawing",
        "Result": "result",
        "Results": "results",
        "ServedPage": "serving",
        "explain": "explaining",
        "read_results": "results",
        "serve": "serving",
    },
)
