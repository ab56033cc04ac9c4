"""What kinds of tables there are: a file of tables holds one of them, a database one or more, each under its name."""

# pyright: standard

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, kw_only=True)
class TableKind:
    """A table's name in a database, and its columns.

    Values of the column ``key`` are unique. Those of the column ``id`` are keys of the table ``parent``.
    """

    name: str
    schema: pa.Schema
    key: str | None = None
    parent: str | None = None
