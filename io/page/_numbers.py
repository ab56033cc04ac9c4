"""A method's numbers as the page holds them; ``record.py`` says what positions and rows are."""

# pyright: standard

from __future__ import annotations

from typing import Any

import numpy as np

from promptlight.io.page._cuts import Cuts
from promptlight.io.page.encoding import encode_floats, encode_rows
from promptlight.salience.explain.span_scores import read_rows
from promptlight.salience.explain.through import find_doubt
from promptlight.salience.statistics import BoolArray
from promptlight.salience.types import Analysis, Granularity, Role, SalienceMap


def _list_target_cuts(salience: SalienceMap) -> list[Granularity]:
    """The cuts of targets that a map has scores for; the browser adds tokens up for others."""
    by_token = {Granularity.TOKEN} if salience.scores is not None else set[Granularity]()
    return [name for name in Granularity if name in by_token | salience.span_scores.keys()]


def describe_map(analysis: Analysis, salience: SalienceMap, cuts: Cuts) -> dict[str, Any]:
    """What a method scored, and its numbers for each cut of targets that it has.

    ``direction`` is that of the scores that raise the target: None if the objective has none. ``removed`` is the cut
    of the spans that a method took away, empty if it took none.
    """
    is_signed = salience.method.is_signed
    return {
        "name": salience.method.value,
        "objective": salience.objective.value,
        "removed": str(salience.sources or ""),
        "signed": is_signed,
        "direction": salience.objective.direction if is_signed else 1,
        "scores": {name: _describe_scores(analysis, salience, cuts, name) for name in _list_target_cuts(salience)},
        **({"doubt": _describe_doubt(analysis, cuts)} if salience.method.takes_spans else {}),
    }


def _describe_doubt(analysis: Analysis, cuts: Cuts) -> str:
    """How unsure the model was of each word that it wrote: chains of methods that take spans away weigh by it."""
    words = cuts[Granularity.TOKEN].targets
    return encode_floats(find_doubt(analysis.completion, words)[[word.start for word in words]])


def _describe_scores(analysis: Analysis, salience: SalienceMap, cuts: Cuts, targets: Granularity) -> dict[str, Any]:
    """``rows``: each target's scores of the tokens before it, as parts of the ``largest`` absolute one.

    Those of tokens that are never shown are 0.
    """
    cut = cuts[targets]
    scores, _ = read_rows(salience, analysis.completion, cut.segmentation, cut.targets)
    shown = np.where(_find_shown(cuts), scores, 0).astype(np.float64)
    rows, largest = encode_rows([row[: span.start] for row, span in zip(shown, cut.targets, strict=True)])
    return {"rows": rows, "largest": encode_floats(np.array(largest))}


def _find_shown(cuts: Cuts) -> BoolArray:
    """Tokens that are in a visible span of some cut: LIT's lines include <bos>, which can outweigh all others."""
    visible = [
        np.repeat([span.role is not Role.SPECIAL for span in cut.spans], np.diff(cut.segmentation.bounds))
        for cut in cuts.values()
    ]
    return np.any(visible, axis=0)
