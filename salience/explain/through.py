"""Trace a target back through the model's own words to the prompt, from stored scores.

The model read its own words when it wrote the target: they are sources, too, and each of them has sources of its own.
With shares in place of scores, this is a chain. Let U be the *own words* before the target (tokens, or larger units),
s [T] the target's shares, and A [U, T] the shares of each own word's sources:

 1. Shares are positive scores over their sum. Special tokens are left out before anything else. A negative score held
    the target back; it can't be passed on, so it counts as 0 (``clipped`` says how much that was).
 2. What reaches the prompt *directly* is s on the prompt. What reaches it *through* one, two, ... own words is s A,
    s A A, ...; *in all*, it is s (I - A)^-1 on the prompt. A word has no later sources, so no inverse is needed:
    ``trace_back`` hands on each own word's share, the last word first. Cost: U x T.
 3. A word that the model was sure of says little about its sources. Among the sources of own words, other own words are
    therefore weighed by the model's doubt, where that helps (``build_chain``).
 4. In all, the shares of the prompt sum to 1, minus what is ``stuck`` at own words that have no positive score.

Every step holds the written words fixed: it says what a word rests on in the text as it is, not what the model would
write in its place. Only writing again says that (``faithfulness/``).

CAGE (arXiv:2512.15663) chains rows of shares over units such as sentences, and FlashTrace (arXiv:2602.01914) passes on
a span's share of the reasoning before it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from promptlight.salience.errors import UsageError
from promptlight.salience.explain.span_scores import find_segmentation, read_rows
from promptlight.salience.statistics import BoolArray, WideArray
from promptlight.salience.text.spans import describe_spans
from promptlight.salience.types import (
    Analysis,
    Completion,
    Cut,
    FloatArray,
    Granularity,
    Role,
    SalienceMap,
    Segmentation,
    Span,
)


@dataclass(frozen=True, kw_only=True)
class Chain:
    """A target's shares, and those of the own words that it may have come through.

    ``row`` [T] are the target's shares of its sources. ``links`` [U, T] are those of each own word, zero from its first
    token on. ``words`` are the U own words, in order of the text. ``flow`` [U] is the part of the target that came
    through each of them, and ``arrived`` [T] where all of it came from in the end. ``clipped`` is the negative part of
    absolute scores, 0 to 1: the mean over the rows of the target and of the own words, weighted by flow.
    """

    row: WideArray
    links: WideArray
    words: Sequence[Span]
    flow: WideArray
    arrived: WideArray
    clipped: float


@dataclass(frozen=True, kw_only=True)
class Through:
    """How a target came about, for each of S sources: ``direct`` + ``through`` = ``total``, shares [S] of 0 to 1.

    Totals of the prompt's spans sum to 1 - ``stuck``. Those of spans that the model wrote say how much came by way of
    them; it comes from the prompt as well, so they don't add up with the others. ``own`` is the share of the target's
    direct sources that are own words, 0 to 1 (rho in the literature).
    """

    direct: WideArray
    through: WideArray
    total: WideArray
    own: float
    stuck: float
    chain: Chain


def build_chain(
    analysis: Analysis,
    salience: SalienceMap,
    row: FloatArray,
    hidden: BoolArray,
    target: Span,
    unit: Cut = Granularity.TOKEN,
    *,
    by_doubt: bool | None = None,
) -> Chain:
    """Trace one target back. ``row`` [T] has its scores, ``hidden`` [T] marks tokens that can't be its sources.

    ``target`` is its last span, and ``unit`` says how own words are cut: within a unit no links are followed.
    ``by_doubt``: in the rows of own words, another one counts for less the surer the model was of it (``find_doubt``);
    None: by a method that takes spans away, because that is what ground truth favours. Raises UsageError if an own word
    has no scores, or if the objective does not say which sign raises the target.
    """
    name, sign = analysis.completion.prompt.id, 1
    if salience.method.is_signed:
        direction = salience.objective.direction
        if direction is None:
            raise UsageError(
                f"expected scores that raise or lower the target, found those of its {salience.objective} by"
                f" {salience.method}: use a method without a sign, such as grad_l2"
            )
        sign = direction
    special = np.array([token.role is Role.SPECIAL for token in analysis.completion.tokens])
    words, scores = _read_own_words(analysis, salience, target, unit)
    earlier = np.arange(len(row)) < np.array([span.start for span in words], dtype=np.intp)[:, None]
    weighed = salience.method.takes_spans if by_doubt is None else by_doubt
    doubt = find_doubt(analysis.completion, words) if weighed else 1.0
    links, lost = _take_shares(sign * doubt * scores, earlier & ~special)
    _check_contrasts(analysis, name, words)
    shares, own_lost = _take_shares(sign * row[None], ~(hidden | special)[None])
    arrived, flow = trace_back(shares[0], links, [(span.start, span.stop) for span in words])
    clipped = float(own_lost[0] + flow @ lost) / (1 + float(flow.sum()))
    return Chain(row=shares[0], links=links, words=words, flow=flow, arrived=arrived, clipped=clipped)


def find_doubt(completion: Completion, words: Sequence[Span]) -> WideArray:
    """How unsure the model was of each own word, [T], 0.01 to 1: (1 - p)^(1/4) of the word's probability; 1 elsewhere.

    A word that was sure would have been written anyway, so little goes through it. The root keeps words in play that
    were all but sure; docs/ground-truth.md has the figures.
    """
    doubt = np.ones(len(completion.tokens))
    for word in words:
        log_probs = [token.log_prob for token in completion.tokens[word.start : word.stop]]
        if None not in log_probs:
            doubt[word.start : word.stop] = max(-math.expm1(sum(filter(None, log_probs))), 1e-8) ** 0.25
    return doubt


def _take_shares(scores: FloatArray | WideArray, visible: BoolArray) -> tuple[WideArray, WideArray]:
    """The positive visible scores over their sum, [rows, T] (0 if none is positive), and the negative part, [rows]."""
    shown = np.where(visible, scores, 0).astype(np.float64)
    raised = np.maximum(shown, 0)
    sums, sizes = raised.sum(axis=1, keepdims=True), np.abs(shown).sum(axis=1)
    shares = np.divide(raised, sums, out=np.zeros_like(raised), where=sums > 0)
    return shares, np.divide(sizes - sums[:, 0], sizes, out=np.zeros_like(sizes), where=sizes > 0)


def trace_back(row: WideArray, links: WideArray, ranges: Sequence[tuple[int, int]]) -> tuple[WideArray, WideArray]:
    """Hand on each own word's share to its sources, the last word first: where it all arrives [T], and flow [U].

    ``ranges`` are the words' half-open ranges of tokens. What a word without sources got stays there.
    """
    arrived, flow = row.copy(), np.zeros(len(links))
    has_sources = links.sum(axis=1) > 0
    for number, (start, stop) in reversed(list(enumerate(ranges))):
        flow[number] = arrived[start:stop].sum()
        if flow[number] and has_sources[number]:
            arrived[start:stop] = 0
            arrived += flow[number] * links[number]
    return arrived, flow


def pool_chain(chain: Chain, source_cut: Segmentation) -> Through:
    """Sum a chain up over source spans. What passes several words of one span is counted once, where it enters."""
    starts = list(source_cut.bounds[:-1])
    direct = np.add.reduceat(chain.row, starts)
    handed = np.add.reduceat(chain.flow[:, None] * chain.links, starts, axis=1)  # [U, S]
    own = np.array([span.start for span in chain.words], dtype=np.intp)
    home = np.searchsorted(source_cut.bounds, own, side="right") - 1
    handed[np.arange(len(own)), home] = 0  # from one word of a span to another
    total = direct + handed.sum(axis=0)
    first = chain.words[0].start if chain.words else len(chain.row)
    return Through(
        direct=direct,
        through=total - direct,
        total=total,
        own=float(chain.row[first:].sum()),
        stuck=float(chain.arrived[first:].sum()),
        chain=chain,
    )


def sum_handed(chain: Chain, source_cut: Segmentation, own: Span) -> WideArray:
    """What a span that the model wrote handed on to each other span, as shares [S] of the target."""
    inside = np.array([own.start <= word.start < own.stop for word in chain.words], dtype=bool)
    by_token = chain.flow[inside] @ chain.links[inside]
    by_token[own.start : own.stop] = 0  # from one of its words to another
    return np.add.reduceat(by_token, list(source_cut.bounds[:-1]))


def _read_own_words(
    analysis: Analysis, salience: SalienceMap, target: Span, unit: Cut
) -> tuple[list[Span], FloatArray]:
    """The own words before a target's last span, and their scores [U, T].

    A unit that reaches into the target is cut into tokens.
    """
    completion = analysis.completion
    words: list[Span] = []
    rows: list[FloatArray] = [np.zeros((0, len(completion.tokens)), dtype=np.float32)]
    for cut in dict.fromkeys((unit, Granularity.TOKEN)):
        segmentation = find_segmentation(analysis, cut)
        done = words[-1].stop if words else completion.n_prompt_tokens
        found = [
            span
            for span in describe_spans(completion, segmentation)
            if span.role is Role.COMPLETION and done <= span.start and span.stop <= target.start
        ]
        if not found:
            continue
        try:
            rows.append(read_rows(salience, completion, segmentation, found)[0])
        except UsageError as error:
            held = ", ".join(salience.span_scores) or "none"
            raise UsageError(
                f"{completion.prompt.id}: expected scores of every {cut} that the model wrote before the target, found"
                f" those of {held}: run the prompts with scores for every token, or go through larger units that have"
                " scores",
                parameters=("through_by", "targets", "store"),
            ) from error
        words += found
    return words, np.concatenate(rows)


def _check_contrasts(analysis: Analysis, name: str, words: Sequence[Span]) -> None:
    """Raise UsageError if the foil leaves own words without scores: nothing is contrasted there."""
    if analysis.foil is None:
        return
    first, tokens = analysis.completion.n_prompt_tokens, analysis.foil.tokens
    if any(tokens[at - first] is None for span in words for at in range(span.start, span.stop)):
        raise UsageError(
            f"{name}: expected scores of every word that the model wrote before the target, found only those of the"
            " words that are contrasted with a foil: run the prompts without the foil, or with the foil auto",
            parameters=("foil",),
        )
