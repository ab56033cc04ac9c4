"""What ``evaluate`` shows."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import replace

from rich.console import Console

from promptlight.cli.views._findings import describe_drops, render_drops, spell_findings
from promptlight.cli.views.evaluation import render_method, show, show_interval
from promptlight.salience.faithfulness.curves import OrderFigures
from promptlight.salience.faithfulness.summaries import FigureSummary, MethodSummary, PromptEvaluation
from promptlight.salience.statistics import Mean
from tests.support.evaluations import ROW


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
    above, head, row = (re.split("  +", line.strip()) for line in console.export_text().splitlines())
    assert above == ["last"]
    assert head == ["figure", "mean", "95% interval", "random", "ahead", "95% interval", "nearest", "line"]
    interval = "-69.4 to -38.0"
    assert row == ["deletion", "-53.7", interval, "-39.7", "-53.7", interval, "-34.5", "-31.1"]


def test_small_figures_keep_two_decimals() -> None:
    small = Mean(mean=0.126, low=None, high=None)
    figure = FigureSummary(name="drop_1", n_prompts=1, own=small, random=0.1, nearest=9.994, last_line=0, gain=small)
    summary = MethodSummary(method="m", n_prompts=1, figures=[figure], n_random=20, beaten=small, noise=None)
    console = Console(width=80, file=io.StringIO(), record=True)
    console.print(render_method(summary))
    row = console.export_text().splitlines()[-1].split()
    assert row == ["drop", "1", "0.13", "0.10", "0.13", "9.99", "0.00"]


def figures(deletion: float, *drops: float) -> OrderFigures:
    return OrderFigures(deletion=deletion, insertion=-1.0, drop_1=drops[0], drop_3=drops[1], drop_5=drops[1])


def rows(
    own: Sequence[float], random: Sequence[float], nearest: Sequence[float], n_sources: int = 9, method: str = "grad_l2"
) -> list[PromptEvaluation]:
    """A prompt for each triple of drops at 3; those at 1 are half as large."""
    triples = zip(own, random, nearest, strict=True)
    return [
        make_row(str(number), method, n_sources, *(figures(-20, drop / 2, drop) for drop in triple))
        for number, triple in enumerate(triples)
    ]


def make_row(
    id: str, method: str, n_sources: int, order: OrderFigures, random: OrderFigures, nearest: OrderFigures
) -> PromptEvaluation:
    last_line = figures(-40, 0.5, 1)
    orders = {"order": order, "random": random, "nearest": nearest, "last_line": last_line}
    return replace(
        ROW, id=id, label=None, method=method, n_sources=n_sources, **orders, noise_correlation=0.98, agreement=None
    )


FIVE = (10.0, 12.0, 14.0, 16.0, 18.0)
LITTLE = (4.0, 3.0, 15.0, 3.0, 5.0)


def test_the_sentence_counts_prompts_and_names_the_better_simple_rule() -> None:
    (said,) = spell_findings(rows(FIVE, LITTLE, [drop - 1 for drop in FIVE]), seed=0)
    assert said == (
        "grad_l2: taking away the 3 strongest lines lowers the log-probability more than 3 lines at random in 4 of 5"
        " prompts (by 14.0 on average, against 6.0). The 3 nearest lines do worse (13.0). With a little noise the order"
        " hardly changes (rank correlation 0.98)."
    )
    (better,) = spell_findings(rows(FIVE, LITTLE, [drop + 1 for drop in FIVE]), seed=0)
    assert " The 3 nearest lines do better (15.0). " in better
    (equal,) = spell_findings(rows(FIVE, LITTLE, [18.0, 16.0, 14.0, 12.0, 10.0]), seed=0)
    assert " The 3 nearest lines do as well (14.0). " in equal
    (last,) = spell_findings(rows(FIVE, LITTLE, [0.0] * 5), seed=0)
    assert " The prompt's last line and the first 2 do worse (1.0). " in last
    (chance,) = spell_findings(rows(FIVE, [18.0, 16.0, 14.0, 12.0, 10.0], [1.0] * 5), seed=0)
    assert chance.startswith("grad_l2: no better than chance: taking away the 3 strongest lines lowers ")
    assert " in 2 of 5 prompts (by 14.0 on average, against 14.0). " in chance


def test_of_short_prompts_the_strongest_alone_counts_and_few_prompts_are_no_proof() -> None:
    said, few = spell_findings(rows([10.0, 12.0], [4.0, 4.0], [4.0, 4.0], n_sources=3), seed=0)
    assert said.startswith(
        "grad_l2: taking away the strongest line lowers the log-probability more than a line at random in 2 of 2"
        " prompts (by 5.5 on average, against 2.0). The nearest line does worse (2.0)."
    )
    assert few == "2 prompts are few: this is a sign, no proof."


def test_the_small_table_has_a_row_for_each_method_and_each_rival() -> None:
    found = [*rows(FIVE, LITTLE, FIVE), *rows(LITTLE, LITTLE, FIVE, method="occlusion")]
    found[0] = replace(found[0], n_sources=2)
    found[5] = replace(found[5], n_sources=2)
    console = Console(width=80, file=io.StringIO(), record=True)
    console.print(render_drops(found))
    table = [re.split("  +", line.strip()) for line in console.export_text().splitlines()]
    assert table == [
        ["taken away first", "1 line", "3 lines", "beats random", "beats nearest"],
        ["grad_l2", "7.0", "15.0", "3 of 4", "0 of 4"],
        ["occlusion", "3.0", "6.5", "0 of 4", "1 of 4"],
        ["nearest", "7.0", "15.0", "3 of 4"],
        ["last line", "0.5", "1.0", "0 of 4", "0 of 4"],
        ["random", "3.0", "6.5"],
    ]
    assert list(describe_drops(found))[1] == "3 lines: only the 4 prompts with more than 3"
