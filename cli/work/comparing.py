"""Compare stored results: two of them, or each prompt of a folder with the same prompt of another folder."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from promptlight.cli.failures import name_options
from promptlight.cli.work.stored_results import SectionNames, find_stored
from promptlight.io.places import Place
from promptlight.salience.errors import OutputError, UsageError
from promptlight.salience.types import Analysis

if TYPE_CHECKING:
    from promptlight.cli.views.output import View
    from promptlight.salience.explain.comparison import Difference
    from promptlight.salience.explain.explanation import Explanation, Question

TITLE = "promptlight compare"
Two = tuple[Place, Place | None]
Questions = tuple["Question", "Question"]


def view_compared(
    folders: Two, ids: tuple[str | None, str | None], questions: Questions, names: SectionNames, *, n_top: int
) -> View:
    """Two prompts side by side, or a line for each prompt if there are two folders and no id.

    If the second folder or the second id is None, it is the same as the first. Raises UsageError if that leaves nothing
    to compare.
    """
    from promptlight.cli.views.comparison import view_comparison
    from promptlight.cli.views.overview import view_overview
    from promptlight.io.results.facts import read_facts

    (results, other), (id, other_id) = folders, ids
    if id is None and other_id is None and other is not None:
        differences, n_missing = _find_differences(results, other, questions, names)
        facts = read_facts(results), read_facts(other)
        return view_overview(differences, n_missing, facts, n_top=n_top, title=TITLE)
    same = other is None and other_id in (None, id) and questions[0].method is questions[1].method
    if id is None or same:
        raise UsageError(
            "expected two prompts: --id ONE --with OTHER, or two folders and --id ONE, or two folders, or --id ONE and"
            " two methods"
        )
    stored = find_stored(results, id=id), find_stored(other or results, id=other_id or id)
    facts = read_facts(results), read_facts(other or results)
    return view_comparison(*explain_both(stored, questions, names), facts, n_top=n_top, title=TITLE)


def explain_both(
    pair: tuple[Analysis, Analysis], questions: Questions, names: SectionNames
) -> tuple[Explanation, Explanation]:
    """The explanation of each prompt. Raises UsageError if one has no such target."""
    from promptlight.salience.explain.explanation import explain_target

    before, after = (
        explain_target(names.give(one, question.by), question) for one, question in zip(pair, questions, strict=True)
    )
    return before, after


def _find_differences(
    results: Place, other: Place, questions: Questions, names: SectionNames
) -> tuple[list[Difference], int]:
    """Compare each prompt that both folders explain, and count the others. Raises UsageError if there are none."""
    from promptlight.salience.explain.comparison import summarize_comparison

    differences: list[Difference] = []
    n_missing, reason = 0, ""
    for one, two in _pair_results(results, other):
        if two is None:
            n_missing += 1
            continue
        try:
            differences.append(summarize_comparison(*explain_both((one, two), questions, names)))
        except UsageError as error:
            found = f"{one.completion.prompt.id}: {name_options(str(error), error.parameters)}"
            n_missing, reason = n_missing + 1, reason or found
    if not differences:
        raise UsageError(f"expected prompts that both folders explain, found none{f'; {reason}' if reason else ''}")
    return differences, n_missing


def _pair_results(results: Place, other: Place) -> Iterator[tuple[Analysis, Analysis | None]]:
    """Each prompt that the first folder explains, and the second folder's result for it; one pair at a time."""
    from promptlight.io.results.reader import find_result, read_results

    others = read_results(other)
    for one in read_results(results):
        if not isinstance(one, Analysis):
            next(others, None)
            continue
        two = next(others, None)
        if not isinstance(two, Analysis) or two.completion.prompt.id != one.completion.prompt.id:  # in another order
            try:
                two = find_result(other, id=one.completion.prompt.id)
            except OutputError:
                two = None
        yield one, two if isinstance(two, Analysis) else None
