"""Find the strongest ways from the prompt through the model's own words to a target.

A *way* is a source of the prompt and a sequence of *stations*, spans that the model wrote, in order of the text. Its
share is that of all chains of own words (``through.py``) that pass just these spans, with any number of words in each:
the shares of all ways, and of the direct sources, sum to 1. The search goes back from the target and continues with the
strongest beginning. What follows a beginning can't exceed it, so ways come out in order, and none stronger is missed.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np

from promptlight.salience.explain.explanation import Explanation
from promptlight.salience.explain.span_scores import find_segmentation
from promptlight.salience.explain.through import Chain
from promptlight.salience.statistics import WideArray
from promptlight.salience.text.spans import describe_spans
from promptlight.salience.types import Granularity, Role, Span

MOST_STEPS = 5_000  # of the search: with many short spans, the last of the ways asked for may be missing


@dataclass(frozen=True, kw_only=True)
class Station:
    """A span that a way passes, and the word in it that hands most on to what comes next in the text."""

    span: Span
    word: str


@dataclass(frozen=True, kw_only=True)
class FoundWay:
    """A way from a source of the prompt to the target, and its share of the target, 0 to 1."""

    source: Span
    stations: tuple[Station, ...]  # in order of the text
    share: float


def find_ways(explanation: Explanation, n_ways: int = 5) -> list[FoundWay]:
    """The strongest ways through own words, the strongest first; empty if the scores are direct or there are none."""
    if explanation.through is None or not explanation.through.chain.words:
        return []
    graph = _build_graph(explanation, explanation.through.chain)
    return [_describe_way(explanation, graph, *found) for found in _search(graph, n_ways)]


@dataclass(frozen=True, kw_only=True)
class _Graph:
    """What U own words hand on: to each other [U, U], and to the N sources of the prompt [U, N].

    ``entries`` [U] is what each gets from the target. ``stations`` are the spans that ways pass, and ``members`` the
    half-open ranges of their own words.
    """

    sources: Sequence[Span]
    stations: Sequence[Span]
    members: Sequence[tuple[int, int]]
    entries: WideArray
    among: WideArray
    to_prompt: WideArray


Beginning = tuple[
    tuple[int, ...], WideArray
]  # the stations passed, the last in the text first, and the last one's flow


def _build_graph(explanation: Explanation, chain: Chain) -> _Graph:
    """Stations are source spans, or own words where these are larger."""
    sources = [span for span in explanation.spans if span.role is Role.PROMPT]
    homes = [_find_home(explanation, word) for word in chain.words]
    firsts = [number for number, home in enumerate(homes) if number == 0 or home is not homes[number - 1]]
    members = list(zip(firsts, [*firsts[1:], len(homes)], strict=True))
    by_token = np.concatenate([np.zeros((len(chain.links), 1)), np.cumsum(chain.links, axis=1)], axis=1)
    row = np.concatenate([[0.0], np.cumsum(chain.row)])
    starts, stops = ([getattr(word, end) for word in chain.words] for end in ("start", "stop"))
    return _Graph(
        sources=sources,
        stations=[homes[first] for first in firsts],
        members=members,
        entries=row[stops] - row[starts],
        among=by_token[:, stops] - by_token[:, starts],
        to_prompt=by_token[:, [span.stop for span in sources]] - by_token[:, [span.start for span in sources]],
    )


def _find_home(explanation: Explanation, word: Span) -> Span:
    """The source span that holds an own word, or the word itself if none does."""
    number = int(np.searchsorted(explanation.source_cut.bounds, word.start, side="right")) - 1
    home = explanation.spans[number]
    return home if word.stop <= home.stop else word


def _search(graph: _Graph, n_ways: int) -> Iterator[tuple[Beginning, int, float]]:
    """The strongest ways: what they pass, the number of their source, and their share."""
    order, waiting = count(), list[tuple[float, int, Beginning, int | None]]()

    def push(share: float, beginning: Beginning, source: int | None = None) -> None:
        if share > 0:
            heapq.heappush(waiting, (-share, next(order), beginning, source))

    for number, entries in _split_entries(graph, graph.entries):
        push(float(entries.sum()), ((number,), entries))
    n_found = 0
    for _ in range(MOST_STEPS):
        if not waiting or n_found == n_ways:
            return
        share, _, (passed, entries), source = heapq.heappop(waiting)
        if source is not None:
            n_found += 1
            yield (passed, entries), source, -share
            continue
        flow = _pass_within(graph, passed[-1], entries)
        given = flow @ graph.to_prompt
        for number in np.argsort(-given, kind="stable")[:n_ways].tolist():
            push(float(given[number]), (passed, flow), number)
        for number, further in _split_entries(graph, flow @ graph.among, before=passed[-1]):
            push(float(further.sum()), ((*passed, number), further))


def _split_entries(graph: _Graph, entries: WideArray, before: int | None = None) -> Iterator[tuple[int, WideArray]]:
    """What enters each station (only those before one), as a vector over all own words."""
    for number, (first, stop) in enumerate(graph.members[:before]):
        own = np.zeros_like(entries)
        own[first:stop] = entries[first:stop]
        yield number, own


def _pass_within(graph: _Graph, station: int, entries: WideArray) -> WideArray:
    """Hand on what enters a station between its own words: the flow through each of them."""
    first, stop = graph.members[station]
    flow = entries.copy()
    for number in reversed(range(first, stop)):
        flow[first:number] += flow[number] * graph.among[number, first:number]
    return flow


def _describe_way(explanation: Explanation, graph: _Graph, beginning: Beginning, source: int, share: float) -> FoundWay:
    """Replay a way with its flows, and name the word of each station that hands most on to the next step."""
    passed, _ = beginning
    entries, stations = graph.entries, list[Station]()
    for place, station in enumerate(passed):
        first, stop = graph.members[station]
        own = np.zeros_like(entries)
        own[first:stop] = entries[first:stop]
        flow = _pass_within(graph, station, own)
        entries = flow @ graph.among
        if place + 1 < len(passed):
            after = slice(*graph.members[passed[place + 1]])
            given = flow * graph.among[:, after].sum(axis=1)
        else:
            given = flow * graph.to_prompt[:, source]
        stations.append(Station(span=graph.stations[station], word=_name_word(explanation, int(given.argmax()))))
    return FoundWay(source=graph.sources[source], stations=tuple(reversed(stations)), share=share)


def _name_word(explanation: Explanation, number: int) -> str:
    """The text of the word that an own word is in, or of the own word if that is larger."""
    assert explanation.through is not None
    own = explanation.through.chain.words[number]
    cut = find_segmentation(explanation.analysis, Granularity.WORD)
    place = int(np.searchsorted(cut.bounds, own.start, side="right")) - 1
    word = describe_spans(explanation.analysis.completion, cut)[place]
    return (word if own.stop <= word.stop else own).text.strip()
