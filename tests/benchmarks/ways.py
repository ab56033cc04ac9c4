"""What it costs to follow a target back through the model's own words, on made scores of a long result."""

from __future__ import annotations

import statistics
from collections.abc import Callable

from promptlight.salience.explain.explanation import Question, explain_target
from promptlight.salience.explain.ways import find_ways
from promptlight.salience.types import Analysis, Granularity, Way
from tests.benchmarks.measure import Candidate, Settings, Table, alternate, judge
from tests.support.handmade import make_analysis, make_completion

PIECES = ("▁dish", "▁soup", ",", "▁onion", "s", ".", "\n")
LIMIT = 0.2  # seconds of CPU


def run(settings: Settings) -> list[Table]:
    """Measure a result of 1,000 tokens read and 200 written."""
    read, written = (100, 20) if settings.quick else (1000, 200)
    pieces = [PIECES[at % len(PIECES)] for at in range(read + written)]
    analysis = make_analysis(make_completion(["<bos>", *pieces[:read]], pieces[read:]))
    table = Table(
        f"Ways: {read:,} tokens read, {written} written", ("sources", "direct ms", "in all ms", "5 ways too ms")
    )
    slowest = 0.0
    for by in (Granularity.LINE, Granularity.WORD, Granularity.TOKEN):
        works = {
            "direct": explain(analysis, by, Way.DIRECT),
            "all": explain(analysis, by, Way.ALL),
            "ways": explain(analysis, by, Way.ALL, n_ways=5),
        }
        seconds = alternate({name: Candidate(work) for name, work in works.items()}, settings)
        middles = {name: statistics.median(taken) for name, taken in seconds.items()}
        table.rows.append((by.value, *(f"{1000 * middle:.3g}" for middle in middles.values())))
        table.figures[by.value] = seconds
        slowest = max(slowest, middles["ways"])
    judge(table, settings, f"under {LIMIT} s with the ways", slowest < LIMIT)
    return [table]


def explain(analysis: Analysis, by: Granularity, way: Way, n_ways: int = 0) -> Callable[[], object]:
    """Explain the last line, and find the strongest ways, if any are wanted."""
    question = Question(by=by, target="-1", way=way)
    if not n_ways:
        return lambda: explain_target(analysis, question)
    return lambda: find_ways(explain_target(analysis, question), n_ways)
