"""What a process needs before it loads a model."""

from __future__ import annotations

import warnings

from promptlight.salience.loading.environment import quiet_missing_bars


def test_a_notebook_without_widgets_is_not_warned_of_bars_that_are_not_used() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        quiet_missing_bars()
        warnings.warn("IProgress not found. Please update jupyter and ipywidgets.", UserWarning, stacklevel=1)
