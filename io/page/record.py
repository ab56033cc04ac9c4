"""The page's data for one prompt: its text, its cuts, its targets, and every method's numbers.

Positions count tokens. The text of a character whose bytes are several tokens stands at the first of them. Each target
has a row of its sources' scores, token by token up to its start; the browser sums them up to spans (storing a row of
sums for every cut would make the page two thirds larger), and follows the model's own words back with them
(``browser/through.js``).
"""

# pyright: standard

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from promptlight.io.page._cuts import CutText, cut_text
from promptlight.io.page._facts import Texts, show
from promptlight.io.page._numbers import describe_map
from promptlight.io.page.encoding import round_digits
from promptlight.io.page.overview import Checks, describe_rewritten, outline
from promptlight.io.results.tried import Try, describe_try
from promptlight.salience.errors import UsageError
from promptlight.salience.explain.comparison import split_words
from promptlight.salience.explain.explanation import (
    Explanation,
    Question,
    explain_target,
    find_probability_per_token,
    find_targets,
    list_log_probs,
)
from promptlight.salience.explain.span_scores import choose_targets, find_foil_text
from promptlight.salience.text.editing import said_in
from promptlight.salience.text.printable import printable, printable_within
from promptlight.salience.text.sections import written_sections
from promptlight.salience.types import Analysis, Granularity, Method, Prompt, Role, SalienceMap, Way

LAST = "-1"  # the target that a prompt opens with
Check = Callable[[Explanation], Checks]  # what was measured and tried, for the table of all prompts
Trust = Callable[[Analysis, Method, Way], Texts]  # lines about what was measured and tried, beside scores of a way


@dataclass(frozen=True, kw_only=True)
class ReportEntry:
    """One prompt for the page: its name there, and the question that it opens with.

    Its target is the last one if the question has none. ``source`` is the number of its folder of results.
    ``quantised`` says that the model is; it is empty otherwise.
    """

    analysis: Analysis
    name: str
    question: Question = field(default_factory=Question)
    trust: Trust = lambda *_: ""
    check: Check = lambda _: Checks()
    quantised: Texts = ""
    source: int = 0


@dataclass(frozen=True, kw_only=True)
class ReportRecord:
    """The page's data for one prompt: what lists of prompts say of it, and all. Both are JSON.

    No HTML parser mistakes ``data`` for a tag.
    """

    head: str
    data: str


def to_record(entry: ReportEntry, *, served: bool = False) -> ReportRecord:
    """Make the page's data for one prompt. Raises UsageError if the question's method was not computed.

    ``served``: with the prompt as it was given, which a reader may change and try.
    """
    prompt = entry.analysis.completion.prompt
    analysis, explained = entry.analysis, _explain(entry)
    name, label = printable(entry.name), printable(prompt.label or "")
    checks = entry.check(explained) if explained else Checks()
    is_asked = entry.question.target is not None
    named = {"id": name, "label": label, "source": entry.source}
    head = named | outline(analysis, explained, checks, is_asked=is_asked)
    if attempt := describe_try(prompt):
        head["attempt"] = _describe_attempt(attempt, entry)
    data = named | {"opening": _describe_opening(entry, explained)}
    if served:
        head["given"] = prompt.id
        data["given"] = _describe_given(prompt)
        if checks.rewritten:
            data["rewritten"] = [describe_rewritten(one) for one in checks.rewritten]
    return ReportRecord(
        head=json.dumps(head, ensure_ascii=False, separators=(",", ":")),
        data=to_json(data | _describe_analysis(entry)),
    )


def to_json(data: object) -> str:
    """JSON that no HTML parser mistakes for a tag."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def _explain(entry: ReportEntry) -> Explanation | None:
    """The answer to the question that the prompt opens with; None if it has no such target."""
    entry.analysis.map_by(entry.question.method)
    question = entry.question if entry.question.target else replace(entry.question, target=LAST)
    try:
        return explain_target(entry.analysis, question)
    except UsageError:
        return None


def _describe_opening(entry: ReportEntry, explained: Explanation | None) -> dict[str, Any] | None:
    """The targets that the question asks for, by number; None if it asks for none, or the prompt has none."""
    if explained is None or entry.question.target is None:
        return None
    every = find_targets(entry.analysis, replace(entry.question, target=None), explained.target_cut)
    numbers = [span.number for span in every]
    first, last = (numbers.index(explained.targets[end].number) for end in (0, -1))
    if last - first >= len(explained.targets):  # a section in several places: the page knows only targets in a row
        return None
    return {"by": explained.target_by, "targets": [first, last]}


def _describe_attempt(attempt: Try, entry: ReportEntry) -> dict[str, Any]:
    """How a tried prompt came about; its parent by the name that it has on the page, if it is there."""
    id, parent = entry.analysis.completion.prompt.id, attempt.parent
    if parent is not None and entry.name.startswith(id):
        parent += entry.name[len(id) :]
    return {
        "parent": printable(parent) if parent else None,
        "of": printable(attempt.parent) if attempt.parent else None,  # of another folder, such as the run's own
        "note": printable(attempt.note),
        "author": printable(attempt.author),
        "made": attempt.tried,
    }


def _describe_given(prompt: Prompt) -> dict[str, Any]:
    """The prompt's id among the results, and its text, or that of each turn, with the line where it begins, from 1."""
    roles = [turn.role for turn in prompt.turns] or [""]
    turns = [
        {"role": role, "line": prompt.text.count("\n", 0, start) + 1, "text": prompt.text[start:stop]}
        for role, (start, stop) in zip(roles, said_in(prompt), strict=True)
    ]
    return {"id": prompt.id, "turns": turns}


def _describe_analysis(entry: ReportEntry) -> dict[str, Any]:
    """Describe the text of a prompt and its completion, and every method's numbers."""
    analysis, completion = entry.analysis, entry.analysis.completion
    cuts, maps = cut_text(analysis), _order_maps(analysis, entry.question.method)
    has_sections = bool(written_sections(completion))
    explained = [
        name
        for name in cuts
        if (name is not Granularity.SECTION or has_sections) and any(choose_targets(one, name) is name for one in maps)
    ]
    return {
        "quantised": show(entry.quantised),
        "stopped": {"reason": completion.stop_reason, "text": _quote(completion.stop_text or "")},
        "texts": _list_texts(analysis, cuts[Granularity.TOKEN]),
        "words": split_words(printable(completion.completion_text)),
        "border": completion.n_prompt_tokens,
        "uncontrasted": _find_uncontrasted(analysis, cuts[Granularity.TOKEN]),
        "cuts": {name: _describe_cut(cut) for name, cut in cuts.items()},
        "offered": [name for name in cuts if name is not Granularity.SECTION or cuts[name].has_names],
        "targets": {name: list(_describe_targets(analysis, cuts[name])) for name in explained},
        "methods": [describe_map(analysis, one, cuts) | {"trust": _describe_trust(entry, one)} for one in maps],
    }


def _describe_trust(entry: ReportEntry, salience: SalienceMap) -> dict[str, Texts]:
    """What to say beside direct scores, and beside those that were followed back."""
    ways = {"direct": Way.DIRECT, "followed": Way.ALL}
    return {name: show(entry.trust(entry.analysis, salience.method, way)) for name, way in ways.items()}


def _list_texts(analysis: Analysis, units: CutText) -> list[str]:
    """Each token's text: that of all tokens of a character stands at the first of them."""
    completion = analysis.completion
    texts = [""] * len(completion.tokens)
    for span in units.spans:
        texts[span.start] = printable_within(span.text, completion.text, completion.tokens[span.start].start)
    return texts


def _quote(text: str) -> str:
    return json.dumps(printable(text), ensure_ascii=False)


def _order_maps(analysis: Analysis, first: Method | None) -> list[SalienceMap]:
    """All maps, one method's first. Raises UsageError if that was not computed."""
    shown = analysis.map_by(first)
    return [shown, *(one for one in analysis.maps.values() if one is not shown)]


def _describe_cut(cut: CutText) -> dict[str, Any]:
    """The number of tokens of each span, the spans that the model's format added, and the names of sections."""
    described: dict[str, Any] = {
        "lengths": np.diff(cut.segmentation.bounds).tolist(),
        "special": [span.number for span in cut.spans if span.role is Role.SPECIAL],
    }
    if cut.segmentation.granularity is Granularity.SECTION:
        described["names"] = {span.number: printable(span.section) for span in cut.spans if span.section}
    return described


def _describe_targets(analysis: Analysis, cut: CutText) -> Iterator[list[Any]]:
    """For each target its tokens, its probability per token, the number of these tokens, and with a foil its text."""
    for span in cut.targets:
        probability = round_digits(find_probability_per_token(analysis.completion, [span]))
        n_tokens = len(list_log_probs(analysis.completion, [span]))
        foil = printable("".join(find_foil_text(analysis, [span])))
        yield [span.start, span.stop, probability, n_tokens, *([foil] if foil else [])]


def _find_uncontrasted(analysis: Analysis, units: CutText) -> int | None:
    """The first token that the model wrote and that has no scores, because no foil is contrasted with it."""
    if analysis.foil is None:
        return None
    foil, first = analysis.foil.tokens, analysis.completion.n_prompt_tokens
    return next((span.start for span in units.targets if None in foil[span.start - first : span.stop - first]), None)
