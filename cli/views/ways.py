"""How a target came through the model's own words: as sentences, as the strongest ways, and as a tree.

10.2% of its scores lie on the model's own words before it; in all, these are followed back to the prompt.

share  strongest ways through its own words
 1.6%  line 26 → Analysis “don't” → Recommendation
 1.4%  line 27 → Analysis “eggs” → Recommendation

Recommendation: You have to try it.
├── 89.8% directly from the prompt
└── 10.2% by way of line 28, “it has cooked eggs in it, which you don't like.”
    ├── 1.6% line 26, “Taste-dislikes: Can't eat eggs”
    └── 1.4% line 27, “Suggestion: Quiche Lorraine”
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import regex
from rich.text import Text
from rich.tree import Tree

from promptlight.cli.views.hints import Hints
from promptlight.cli.views.text import ASIDE
from promptlight.salience.errors import UsageError
from promptlight.salience.explain.explanation import Explanation, Question, explain_spans
from promptlight.salience.explain.through import sum_handed
from promptlight.salience.explain.ways import FoundWay, find_ways
from promptlight.salience.text.printable import one_line, quote
from promptlight.salience.types import Granularity, Role, Span, Way

N_WAYS, N_OWN, N_SOURCES = 5, 3, 3  # ways listed; own parts in the tree, and sources of each
MOST = 0.5  # share of a target on own words from which a hint says so
STUCK = 0.005  # smallest share that got stuck which is worth a sentence
TEXT_WIDTH, FEWEST, TARGET_WIDTH = 60, 12, 24  # cells of a part's text in the tree, and of the target's in a way
LABEL = regex.compile(r"[ \t]*(\p{L}[\w -]{0,23}):(?=\s|$)")  # as in `Analysis: it has ...`
SHORT = (Granularity.TOKEN, Granularity.WORD)  # cuts whose spans are named by their text
OVERLAP = "what came by way of several parts counts for each of them"
HELD = (
    "the written words are held fixed: only writing again (promptlight why, promptlight try --each line) shows what"
    " would change"
)


def describe_way(explanation: Explanation) -> str:
    """The way in a sentence, for the heading; empty if it is direct."""
    match explanation.way:
        case Way.DIRECT:
            return ""
        case Way.THROUGH:
            return "shown: what came to it through the model's own words before it"
        case Way.ALL:
            return "shown: what it comes from in all, directly and through the model's own words before it"


def describe_columns() -> Iterator[str]:
    """Explain the three columns of shares."""
    yield "direct: a source's part of the target's scores"
    yield "own words: what came from it through words that the model wrote before the target"
    yield "in all: both together"


def describe_limits(explanation: Explanation) -> Iterator[str]:
    """What the ways don't say."""
    if len(list_own_parts(explanation)) > 1:
        yield OVERLAP
    yield HELD


def describe_own_words(explanation: Explanation) -> Iterator[str]:
    """Say how much lies on own words and where it went; nothing for direct scores."""
    through = explanation.through
    if through is None:
        return
    if not through.own:
        yield "None of its scores lie on words that the model wrote before it: all comes directly from the prompt."
        return
    yield f"{through.own:.1%} of its scores lie on the model's own words, followed back to the prompt."
    if through.stuck > STUCK:
        yield f"{through.stuck:.1%} can't be followed further: it lies on own words without a positive score."
    if through.chain.clipped:
        yield (
            f"Only scores that raise a word can be followed: {through.chain.clipped:.0%} of all are negative and left"
            " out."
        )


def spell_hint(explanation: Explanation, hints: Hints) -> str:
    """Point to the way ``all`` where most of a target lies on own words that can be followed; else empty."""
    if explanation.way is not Way.DIRECT:
        return ""
    written = [span.number for span in explanation.spans if span.role is Role.COMPLETION]
    own = float(np.abs(explanation.shares[written]).sum())
    if own <= MOST:
        return ""
    try:
        question = Question(method=explanation.salience.method, way=Way.ALL)
        cuts = explanation.target_cut, explanation.source_cut
        explain_spans(explanation.analysis, question, explanation.targets, *cuts)
    except UsageError:  # no scores for the own words, or none that can be followed
        return ""
    return f"{own:.0%} lies on the model's own words: {hints.spell('way', 'all')} follows them back to the prompt"


def render_ways(explanation: Explanation, width: int, n_ways: int = N_WAYS) -> Iterator[Text]:
    """A heading, and a row for each of the strongest ways: its share, its source, its stations, the target."""
    ways = find_ways(explanation, n_ways)
    if not ways:
        return
    yield Text("share  strongest ways through its own words", "bold")
    for way in ways:
        row = Text.assemble(f"{spell_part(way.share):>5}  ", " → ".join(_spell_steps(explanation, way)))
        row.truncate(width, overflow="ellipsis")
        yield row


def spell_part(share: float) -> str:
    """A share in percent, with two decimals if it is small: many words share a target."""
    return f"{share:.2%}" if share < 0.00995 else f"{share:.1%}"


def _spell_steps(explanation: Explanation, way: FoundWay) -> Iterator[str]:
    """The source, each station with its word, and the target."""
    yield _name_source(explanation, way.source)
    for station in way.stations:
        if explanation.by in SHORT:
            yield _name_source(explanation, station.span)
        else:
            yield f"{name_part(explanation, station.span)} “{quote(station.word, TEXT_WIDTH)}”"
    yield _name_target(explanation)


def _name_target(explanation: Explanation) -> str:
    """Its label, its line's number, or its text if it begins within a line that has no label before it."""
    text = explanation.target_text.strip()
    if label := LABEL.match(text):
        return one_line(label[1])
    completion, first = explanation.analysis.completion, explanation.targets[0]
    before = completion.text[: completion.tokens[first.start].start].rpartition("\n")[2]
    return f"“{quote(text, TARGET_WIDTH)}”" if before.strip() else f"line {first.line}"


def _name_source(explanation: Explanation, span: Span) -> str:
    """``line 26``, or a short source and its line: ``“eggs” in line 26``."""
    if explanation.by in SHORT:
        return f"“{quote(span.text.strip() or span.text, TEXT_WIDTH)}” in line {span.line}"
    return f"line {span.line}"


def name_part(explanation: Explanation, span: Span) -> str:
    """The label of the line where a span begins, as in ``Analysis: ...``, or else its number."""
    line = explanation.analysis.completion.text.split("\n")[span.line - 1]
    label = LABEL.match(line)
    return one_line(label[1]) if label else f"line {span.line}"


def render_tree(explanation: Explanation, width: int) -> Tree | None:
    """The target at the root, then own parts with the share that came by way of each, then their strongest sources."""
    through = explanation.through
    if through is None or not through.own:
        return None
    room = max(FEWEST, min(TEXT_WIDTH, width - 40))
    parts = list_own_parts(explanation)
    tree = Tree(Text(quote(explanation.target_text.strip(), max(FEWEST, width - 4)), "bold"), guide_style=ASIDE)
    tree.add(Text(f"{1 - through.own:.1%} directly from the prompt"))
    for own, share in parts[:N_OWN]:
        branch = tree.add(Text(f"{spell_part(share)} by way of {_name_in_tree(explanation, own, room)}"))
        for source, part in list_sources(explanation, own)[:N_SOURCES]:
            branch.add(Text(f"{spell_part(part)} {_name_in_tree(explanation, source, room)}"))
    return tree


def _name_in_tree(explanation: Explanation, span: Span, room: int) -> str:
    """``line 28, “it has ...”``, or ``“eggs” in line 28``."""
    text = f"“{quote(span.text.strip() or span.text, room)}”"
    return f"{text} in line {span.line}" if explanation.by in SHORT else f"line {span.line}, {text}"


def list_own_parts(explanation: Explanation) -> list[tuple[Span, float]]:
    """The spans that the target came through, and the share of it that did, the largest first.

    They are spans of the text, or own words where these are larger.
    """
    through, parts = explanation.through, dict[int, tuple[Span, float]]()
    if through is None:
        return []
    for word, flow in zip(through.chain.words, through.chain.flow.tolist(), strict=True):
        home = explanation.spans[_find_number(explanation, word)]
        if word.stop <= home.stop:
            parts[home.start] = home, float(through.total[home.number])
        else:
            parts[word.start] = word, flow
    return sorted((part for part in parts.values() if part[1] > 0), key=lambda part: -part[1])


def list_sources(explanation: Explanation, own: Span) -> list[tuple[Span, float]]:
    """The sources that a span of the model's own handed shares of the target to, the largest first."""
    if explanation.through is None:
        return []
    handed = sum_handed(explanation.through.chain, explanation.source_cut, own)
    order = np.argsort(-handed, kind="stable")
    return [(explanation.spans[number], float(handed[number])) for number in order if handed[number] > 0]


def _find_number(explanation: Explanation, word: Span) -> int:
    """The number of the source span where a word begins."""
    return int(np.searchsorted(explanation.source_cut.bounds, word.start, side="right")) - 1
