"""A drawing that a notebook shows by itself, and that can be saved."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from promptlight.cli.views.fragment import draw_fragment, draw_text
from promptlight.cli.views.look import DEFAULT, Paper, Taste
from promptlight.cli.views.output import View, check_pillow, draw_picture, draw_png_picture, write_bytes
from promptlight.io.files import check_free
from promptlight.salience.errors import UsageError

KINDS = ("html", "svg", "png", "txt")
LEFT_OUT = 'fold=True folds what matters little, and .save("page.html") has all of them'


@dataclass(frozen=True, kw_only=True, repr=False)
class Drawing:
    """What ``promptlight show`` or ``compare`` draws. A notebook shows it; ``print`` prints it as text."""

    view: View
    name: str  # what is drawn, in some words
    taste: Taste = DEFAULT

    def save(self, path: str | Path, *, dark: bool = False, overwrite: bool = False) -> None:
        """Draw it into a file: ``.html``, ``.svg``, ``.png`` or ``.txt``.

        A PNG needs Pillow; characters that no font has are warned of. Raises OutputError if the file exists already.
        """
        path = Path(path)
        kind = path.suffix.lower().removeprefix(".")
        if kind not in KINDS:
            listed = ", ".join(f".{one}" for one in KINDS)
            raise UsageError(f"expected a file name that ends with {listed}, found {path.name!r}", parameters=("path",))
        if kind == "png":
            check_pillow("a .png file")
        check_free(path, overwrite=overwrite)
        taste = replace(self.taste, paper=Paper.DARK if dark else Paper.LIGHT)
        if kind == "png":
            content, note = draw_png_picture(self.view, taste)
            if note:
                warnings.warn(f"{path}: {note}", stacklevel=2)
        else:
            content = draw_picture(self.view, taste, None, kind).encode()
        write_bytes(path, content)

    def to_bundle(self) -> dict[str, str]:
        """Its MIME types: text, and HTML for those who can show it; 200 kB at most."""
        return {"text/plain": str(self), "text/html": draw_fragment(self.view, self.taste, left_out=LEFT_OUT)}

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """What IPython and Jupyter ask for."""
        return self.to_bundle()

    def __str__(self) -> str:
        return draw_text(self.view, self.taste, left_out=LEFT_OUT)

    def __repr__(self) -> str:
        return f"<Drawing: {self.name}>"
