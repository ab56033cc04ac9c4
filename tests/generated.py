"""The parts of the docs that are made from code: ``python -m tests.generated`` writes them anew."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pyarrow as pa

from promptlight.io.evaluations import evaluation_schema
from promptlight.io.schema import build_schema
from promptlight.io.tables import summary_schema, tidy_schema
from promptlight.salience.types import Method
from tests.span_cases import render_cases


def render_columns(fields: Iterable[pa.Field]) -> Iterator[str]:
    """A table of columns; those of a struct stand below it, behind its name and a point."""
    yield "| column | type | what it is |"
    yield "|---|---|---|"
    yield from render_fields(fields)


def render_fields(fields: Iterable[pa.Field], parent: str = "") -> Iterator[str]:
    for field in fields:
        name, inner = parent + field.name, field.type
        while pa.types.is_list(inner):
            inner = inner.value_type
        yield f"| `{name}` | {name_type(field.type)} | {field.metadata[b'description'].decode()} |"
        if pa.types.is_struct(inner):
            yield from render_fields([inner.field(place) for place in range(inner.num_fields)], f"{name}.")


def name_type(type: pa.DataType) -> str:
    """``float64``, ``list of list of float32``, ``list of struct``."""
    if pa.types.is_list(type):
        return f"list of {name_type(type.value_type)}"
    return {"float": "float32", "double": "float64"}.get(str(type), "struct" if pa.types.is_struct(type) else str(type))


DOCS = Path(__file__).parents[1] / "docs"
BLOCKS: dict[str, tuple[Callable[[], Iterator[str]], ...]] = {  # in the order in which they stand on the page
    "spans.md": (render_cases,),
    "tables.md": (
        lambda: render_columns(tidy_schema()),
        lambda: render_columns(summary_schema()),
        lambda: render_columns(evaluation_schema()),
        lambda: render_columns(build_schema([Method.GRAD_L2])),
    ),
}
BLOCK = re.compile(r"(<!-- made by `make docs` -->\n\n).*?(\n<!-- end -->\n)", re.DOTALL)


def generate(page: str) -> str:
    """A page of the docs with its blocks made anew."""
    text = (DOCS / page).read_text(encoding="utf-8")
    blocks = ["\n".join(render()).rstrip("\n") + "\n" for render in BLOCKS[page]]
    waiting = iter(blocks)
    made, n_blocks = BLOCK.subn(lambda found: found[1] + next(waiting, "") + found[2], text)
    assert n_blocks == len(blocks), page
    return made


if __name__ == "__main__":
    for page in BLOCKS:
        (DOCS / page).write_text(generate(page), encoding="utf-8")
