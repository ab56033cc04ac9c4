"""One prompt as text shaded by its salience for a target, with a legend and the strongest sources.

From top to bottom: the question, the text with line numbers, the legend, the list of sources in their lines, advice.

    Why did the model write “Recommendation: You have to try it.”?
    probability 0.998; stopped: end of text

       1  Analyze a menu item in a restaurant.
      ...
      29  Recommendation: You have to try it.

           0  25  50  75  100  % of the strongest   target

    line   share   score  strongest lines
       9   20.2%  0.0119  Recommendation: You have to try it.

    Look first at line 9 of the prompt, “Recommendation: You have to try it.”: 20.2% of all scores.
"""

# pyright: standard

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.text import Text

from promptlight.cli.views._as_json import describe_explanation
from promptlight.cli.views._remarks import describe_sum, name_foil
from promptlight.cli.views.facts import describe_origin, describe_quantised, spell_facts
from promptlight.cli.views.folding import find_folds
from promptlight.cli.views.hints import Hints
from promptlight.cli.views.look import Marking
from promptlight.cli.views.matrix import render_matrix
from promptlight.cli.views.output import View
from promptlight.cli.views.palette import MANY_COLOURS, SMALLEST_MARK, Look
from promptlight.cli.views.strongest import plural, render_strongest, spell_advice
from promptlight.cli.views.text import ASIDE, OWN_WORDS, PLAIN_TARGET, find_seam, render_page, render_text, wrap
from promptlight.cli.views.tried import spell_try
from promptlight.cli.views.ways import (
    describe_columns,
    describe_limits,
    describe_own_words,
    describe_way,
    render_tree,
    render_ways,
    spell_hint,
)
from promptlight.io.results.tried import describe_try
from promptlight.salience.explain.explanation import Explanation
from promptlight.salience.text.printable import one_line, quote
from promptlight.salience.text.spans import describe_spans
from promptlight.salience.types import Compat, Cut, Granularity, Objective, Pooling, Role, StopReason, Way

if TYPE_CHECKING:
    from promptlight.io.results.facts import RunFacts

MOST_LISTED, LISTED_WIDTH = 8, 40  # targets, and characters of each
ROWS_APART = Text("each row has its own scale; a · is part of the target, or comes after it", ASIDE)


def view_explanation(
    explanation: Explanation,
    trust: str,
    facts: RunFacts | None,
    *,
    matrix: bool,
    fold: bool | None,
    n_top: int,
    title: str,
    hints: Hints = Hints.TERMINAL,
) -> View:
    """One prompt as coloured text, or as a matrix; ``trust`` is the verdict of an evaluation, empty if there is none,
    ``facts`` are where the scores come from, if that is known. ``fold``: see ``render_heatmap``."""
    render = render_matrix_view if matrix else partial(render_heatmap, fold=fold)
    quantised = describe_quantised(facts)
    said = {"trust": trust or None, "quantised": quantised or None, "facts": describe_origin(facts)}
    return View(
        paint=lambda console, look: render(
            explanation, console, look, n_top=n_top, remarks=(quantised, trust), origin=spell_facts(facts), hints=hints
        ),
        describe=lambda: describe_explanation(explanation, n_top) | said,
        signed=explanation.is_signed,
        by=explanation.by,
        title=title,
    )


def render_heatmap(
    explanation: Explanation,
    console: Console,
    look: Look,
    *,
    n_top: int = 8,
    remarks: Sequence[str] = (),
    origin: str = "",
    fold: bool | None = False,
    hints: Hints = Hints.TERMINAL,
) -> RenderableType:
    """Everything that ``show`` prints about one prompt; ``origin`` is the last line.

    ``fold`` None folds the lines that matter little if a person looks on and the text is longer than the terminal.
    """
    text = render_text(explanation, look)
    seam = find_seam(text, explanation)
    page, legend = (
        list(render_page(text, console, look, seam=seam)),
        list(wrap(render_legend(look, explanation.way), console)),
    )
    if fold is None:  # FORCE_COLOR makes Rich take a pipe for a terminal
        fold = console.file.isatty() and len(page) > console.height
    if fold and (folds := find_folds(explanation, n_top)):
        page = list(render_page(text, console, look, folds, seam))
        legend += wrap(_explain_folds(hints), console)
    return _render_view(explanation, console, look, [page, legend], n_top, remarks, origin, hints=hints)


def render_matrix_view(
    explanation: Explanation,
    console: Console,
    look: Look,
    *,
    n_top: int = 8,
    remarks: Sequence[str] = (),
    origin: str = "",
    hints: Hints = Hints.TERMINAL,
) -> RenderableType:
    """The same with a row of blocks per target instead of the text."""
    if look.color_system not in MANY_COLOURS:  # too few colours to paint with
        look = replace(look, taste=replace(look.taste, marking=Marking.UNDERLINE))
    rows = chain(render_matrix(explanation, look, console.width), wrap(ROWS_APART, console))
    picture = [rows, wrap(render_legend(look, of_matrix=True), console)]
    return _render_view(explanation, console, look, picture, n_top, remarks, origin, hints=hints)


def render_reading(
    explanation: Explanation, console: Console, look: Look, *, n_top: int, remarks: Sequence[str] = (), origin: str = ""
) -> RenderableType:
    """What ``show`` prints around the text, for a reader who has the text elsewhere, and no command line."""
    return _render_view(explanation, console, look, [], n_top, remarks, origin, hints=Hints.NOBODY)


def _render_view(
    explanation: Explanation,
    console: Console,
    look: Look,
    picture: Sequence[Iterable[Text]],
    n_top: int,
    remarks: Sequence[str],
    origin: str = "",
    *,
    hints: Hints,
) -> RenderableType:
    """A picture of an explanation and its legend, with the question above and help to read it below."""
    blocks: list[Iterable[RenderableType]] = list(picture)
    if hints is not Hints.NOBODY and (targets := _list_targets(explanation, hints)):
        blocks.append(wrap(targets, console))
    if sources := explanation.strongest(n_top):
        blocks.append(render_strongest(explanation, sources, look, console.width))
        blocks.append(line for note in _describe_scores(explanation, remarks) for line in wrap(note, console))
        blocks += _render_ways(explanation, console, hints=hints)
        if advice := spell_advice(explanation):
            blocks.append([Text(advice, "bold")])
    if origin:
        blocks.append(wrap(Text(origin, ASIDE), console))
    heading = render_heading(explanation, look, console.width)
    return Group(*heading, *(line for block in blocks for line in (Text(), *block)))


def _render_ways(explanation: Explanation, console: Console, *, hints: Hints) -> Iterator[Iterable[RenderableType]]:
    """How much came through the model's own words, the strongest ways there, and the same as a tree."""
    if hints is not Hints.NOBODY and (hint := spell_hint(explanation, hints)):
        yield [Text(hint)]
    if explanation.through is not None:
        yield map(Text, describe_own_words(explanation))
        if rows := list(render_ways(explanation, console.width)):
            yield rows
        if tree := render_tree(explanation, console.width):
            yield [tree]
        yield (line for limit in describe_limits(explanation) for line in wrap(Text(limit, ASIDE), console))


def render_heading(explanation: Explanation, look: Look, width: int) -> Iterator[Text]:
    """The prompt, how it was tried if it was, the question, the target's probability, and the way if not direct."""
    completion = explanation.analysis.completion
    label = f" ({one_line(completion.prompt.label)})" if completion.prompt.label else ""
    yield Text.assemble((one_line(completion.prompt.id), "bold"), label)
    if how := describe_try(completion.prompt):
        yield Text(spell_try(how), ASIDE)
    given = completion.stop_reason is StopReason.GIVEN
    question = f"Why {'would' if given else 'did'} the model write "
    shown = f"“{quote(explanation.target_text, min(60, max(10, width - len(question) - 3)))}”"
    foil = name_foil(explanation.analysis, explanation.targets)
    yield Text.assemble(question, (shown, look.target or ""), f"{foil}?")
    origin = "given in the record" if given else f"stopped: {one_line(completion.ending)}"
    yield Text(f"probability {spell_probability(explanation)}; {origin}")
    if way := describe_way(explanation):
        yield Text(way)


def spell_probability(explanation: Explanation) -> str:
    """The target's probability in three digits, of several tokens the mean a token; never rounded up to 1."""
    probability = explanation.probability_per_token
    shown = "over 0.999" if 0.9995 <= probability < 1 else f"{probability:.3g}"
    return f"{shown}{' a token' * (explanation.n_target_tokens > 1)}"


def _list_targets(explanation: Explanation, hints: Hints) -> Text | None:
    """The number of each target, if all of several are explained at once: what to ask about next."""
    spans = describe_spans(explanation.analysis.completion, explanation.target_cut)
    targets = [span for span in spans if span.role is Role.COMPLETION]
    if len(targets) == 1 or len(explanation.targets) < len(targets):
        return None
    listed = [f"{number} “{quote(span.text, LISTED_WIDTH)}”" for number, span in enumerate(targets[:MOST_LISTED], 1)]
    more = ", …" if len(targets) > MOST_LISTED else ""
    return Text.assemble((f"choose one with {hints.spell('target')}: ", ASIDE), ", ".join(listed), more)


def _explain_folds(hints: Hints) -> Text:
    everything = "fold=False" if hints is Hints.NOTEBOOK else "--no-fold"
    return Text(f"folded: sources below {SMALLEST_MARK}% of the strongest; {everything} shows them", ASIDE)


def _is_finer(cut: Cut, other: Granularity) -> bool:
    """Whether spans of a cut can be parts of the other's spans."""
    order = list(Granularity)
    return isinstance(cut, Granularity) and order.index(cut) < order.index(other)


def render_legend(look: Look, way: Way = Way.DIRECT, *, of_matrix: bool = False) -> Text:
    """Explain the colours, the bars or the numbers; a matrix has bars for faint sources, too.

    Own words are never marked if a way goes through them.
    """
    legend = _render_scale(look, of_matrix)
    if way is not Way.DIRECT and look.color_system:
        legend.append("  ").append("own words", OWN_WORDS)
    return legend


def _render_scale(look: Look, of_matrix: bool) -> Text:
    target = Text.assemble((" target ", look.target)) if look.target else Text("target".join(PLAIN_TARGET))
    unmarked = "" if look.color_system or of_matrix else f"; unmarked below {SMALLEST_MARK}"
    if look.marking is Marking.UNDERLINE:
        steps = ((look.bar(level), round(100 * level)) for level in look.steps if level)
        bars = Text.assemble(*(part for (bar, ink), number in steps for part in ((bar * 2, ink or ""), f" {number}  ")))
        return Text.assemble(bars, f"{_describe_scale(look)}{unmarked}  ", target)
    if look.color_system is None:
        return Text.assemble(f"{look.mark(1)} {_describe_scale(look).removeprefix('% of ')}{unmarked}  ", target)
    steps = Text.assemble(*((f" {round(100 * level)} ", look.shade(level) or "") for level in look.steps))
    return Text.assemble(steps, f" {_describe_scale(look)}  ", target)


def _describe_scale(look: Look) -> str:
    """Explain the ends of the colour scale."""
    return "% of the strongest" + ("; below 0 lowers the target" if look.signed else "")


def _describe_scores(explanation: Explanation, remarks: Sequence[str] = ()) -> Iterator[Text]:
    """Explain the columns of numbers, and add the remarks that aren't empty."""
    if explanation.way is Way.DIRECT:
        yield Text("share: a source's part of all scores")
    else:
        yield from map(Text, describe_columns())
    yield from describe_method(explanation)
    yield from (Text(one_line(line)) for remark in remarks for line in remark.splitlines())


def describe_method(explanation: Explanation) -> Iterator[Text]:
    """Explain where the scores come from."""
    salience = explanation.salience
    parts = "tokens" if salience.scores is not None else plural(explanation.target_by)
    objective = "" if salience.objective is Objective.LOGPROB else f" of the {salience.objective}"
    pooled = "" if explanation.exact else f", the sum of the scores for each of the target's {parts}"
    if explanation.analysis.compat is Compat.LIT:
        yield Text("cut, summed and signed as LIT does, <bos> within the first source")
    how = "" if explanation.pooling is Pooling.SUM else f", the {explanation.pooling} over a source's tokens"
    yield Text(f"score: {salience.method}{objective}{pooled}{how}")
    if explanation.errors is not None:
        yield Text("±: the score's standard error over random draws")
    if salience.sources and _is_finer(explanation.by, salience.sources):
        yield Text(
            f"{salience.method} removed whole {salience.sources}s of the prompt: all parts of one have one score"
        )
    if explanation.way is Way.DIRECT:
        yield from map(Text, describe_sum(explanation))
        return
    if explanation.through_by is not Granularity.TOKEN:
        yield Text(f"the model's own words are cut by {explanation.through_by}: links within one are not followed")
    if salience.method.takes_spans:
        yield Text("the surer the model was of one of its own words, the less it passes on to others")
