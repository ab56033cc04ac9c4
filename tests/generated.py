"""The parts of the docs that are made from code: ``python -m tests.generated`` writes them anew."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.span_cases import render_cases

DOCS = Path(__file__).parents[1] / "docs"
BLOCKS: dict[str, Callable[[], Iterator[str]]] = {"spans.md": render_cases}
BLOCK = re.compile(r"(<!-- made by `make docs` -->\n\n).*?(\n<!-- end -->\n)", re.DOTALL)


def generate(page: str) -> str:
    """A page of the docs with its block made anew."""
    text = (DOCS / page).read_text(encoding="utf-8")
    block = "\n".join(BLOCKS[page]()).rstrip("\n") + "\n"
    made, n_blocks = BLOCK.subn(lambda found: found[1] + block + found[2], text)
    assert n_blocks == 1, page
    return made


if __name__ == "__main__":
    for page in BLOCKS:
        (DOCS / page).write_text(generate(page), encoding="utf-8")
