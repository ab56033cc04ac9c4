"""What ``evaluate`` shows."""

from __future__ import annotations

import io

from rich.console import Console

from promptlight.cli.views.evaluation import render_method, show, show_interval
from promptlight.salience.faithfulness.summaries import FigureSummary, Mean, MethodSummary


def test_nothing_is_minus_zero_and_tables_fit_into_eighty_cells() -> None:
    assert [show(value) for value in (-0.001, 0.004, -0.006, None)] == ["0.00", "0.00", "-0.01", ""]
    wide = Mean(mean=-123.456, low=-150.26, high=-100.04)
    assert show_interval(wide, " ({})", 1) == " (-150.3 to -100.0)"
    assert show_interval(Mean(mean=1.0, low=None, high=None)) == ""
    usual = Mean(mean=-53.73, low=-69.44, high=-38.03)
    figure = FigureSummary(
        name="deletion", n_prompts=9, own=usual, random=-39.7, nearest=-34.48, last_line=-31.06, gain=usual
    )
    summary = MethodSummary(method="m", n_prompts=9, figures=[figure], n_random=20, beaten=usual, noise=None)
    console = Console(width=80, file=io.StringIO(), record=True)
    console.print(render_method(summary))
    head, row = console.export_text().splitlines()
    assert " ".join(head.split()) == "figure mean 95% interval random ahead 95% interval nearest last line"
    numbers = "-53.73 -69.4 to -38.0 -39.70 -53.73 -69.4 to -38.0 -34.48 -31.06"
    assert " ".join(row.split()) == f"deletion {numbers}"
