"""Results as pandas frames."""

# pyright: standard

from __future__ import annotations

from typing import TYPE_CHECKING

from promptlight.io.tables.tidy import to_tidy
from promptlight.salience.types import Analysis, SpanTable

if TYPE_CHECKING:
    import pandas as pd


def to_frame(analysis: Analysis, table: SpanTable) -> pd.DataFrame:
    """One prompt's tidy table, a row per target span and earlier source span; columns are ``tidy_schema``'s."""
    return to_tidy(analysis, table).to_pandas()
