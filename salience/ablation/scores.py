"""Ablation methods: the salience of a source span is the change in the target when the span is removed.

The method in steps:
 1. Players are the source spans that have a removable token and lie before some target (``find_removable``).
 2. A game gives each coalition of kept players a value, the objective of each target (``forward.py``).
 3. An estimator chooses coalitions and turns their values into scores (``estimators.py``).

Special tokens (<bos> and a chat's marks) are never removed, nor is the text's first token, since something has to
predict the next one. A span's score is positive if the span raised the target. ``docs/ablation.md`` says what each
method costs and when to use it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from promptlight.salience.ablation.coalitions import start_stream
from promptlight.salience.ablation.estimators import (
    Estimate,
    Game,
    estimate_lime,
    estimate_occlusion,
    estimate_shapley_by_kernel,
    estimate_shapley_by_orders,
    estimate_surrogate,
)
from promptlight.salience.ablation.forward import score_ablations
from promptlight.salience.ablation.streams import lay_out_streams
from promptlight.salience.decoder.decoder import Decoder
from promptlight.salience.errors import UsageError
from promptlight.salience.options.methods import ABLATION_METHODS, AblationOptions, ShapleySampling
from promptlight.salience.progress import Counted, Counter, ignore
from promptlight.salience.statistics import BoolArray, WideArray
from promptlight.salience.types import Completion, FloatArray, Method, Role, Segmentation


@dataclass(frozen=True, kw_only=True)
class AblationResult:
    """Salience of S source spans for targets: rows are targets, columns are all spans of the source segmentation.

    ``scores`` and ``standard_errors`` are in the objective's unit, nats for log-probabilities. A source that can't be
    removed, or does not lie wholly before the target, scores 0. ``standard_errors`` is None for ``occlusion``, which
    does not sample, and 0 for Shapley values from all coalitions. ``n_forwards`` counts the ablations that were scored.
    """

    scores: FloatArray  # [targets, S]
    standard_errors: FloatArray | None  # [targets, S]
    full_value: FloatArray  # [targets] the objective with all sources
    empty_value: FloatArray  # [targets] with none that can be removed
    n_forwards: int


def compute_ablation_scores(
    decoder: Decoder,
    completion: Completion,
    sources: Segmentation,
    targets: Sequence[tuple[int, int]],
    method: Method,
    options: AblationOptions | None = None,
    *,
    batch: int | None = None,
    counted: Counted = ignore,
) -> AblationResult:
    """Score every source span for every target, a range of tokens; one forward per ablation serves all targets.

    ``batch`` overrides the planned number of ablations per batch; it changes speed and memory. Random draws depend on
    the seed and the prompt's id alone. Raises UsageError if the method is not an ablation method, if a target is empty,
    starts the text or exceeds it, or if there are too few ablations.
    ``counted`` is told how many are scored, of at most how many.
    """
    options = options or AblationOptions()
    if method not in ABLATION_METHODS:
        raise UsageError(f"expected a method that takes spans away ({', '.join(ABLATION_METHODS)}), found {method}")
    check_targets(completion, targets)
    removable = find_removable(completion, sources)  # [S, T]
    earlier = np.array(sources.bounds[1:]) <= np.array([start for start, _ in targets])[:, None]  # [targets, S]
    players = np.flatnonzero(removable.any(axis=1) & earlier.any(axis=0))
    layout = lay_out_streams(sources.bounds, targets, decoder.embedding.device)

    counter = Counter(_count_ablations(method, options, len(players)), counted)

    def value_of(kept: BoolArray) -> WideArray:
        values = score_ablations(
            decoder,
            completion.ids,
            layout,
            removable[players],
            kept,
            ablate=options.ablate,
            objective=options.objective,
            batch=batch,
            counted=counter.part(),
        )
        return log_odds(values) if options.log_odds else values

    lengths = np.array([stop - start for start, stop in targets], dtype=np.float64)
    stream = start_stream(options.seed, completion.prompt.id)
    estimate = _estimate(Game(value_of, earlier[:, players]), method, options, lengths, stream)
    counter.finish()
    return _spread_players(estimate, players, len(sources))


def _count_ablations(method: Method, options: AblationOptions, n_players: int) -> int:
    """The most ablations that a method scores, with all spans and with none."""
    if n_players == 0:
        return 1
    drawn = n_players if method is Method.OCCLUSION else options.ablations
    return min(drawn + 2, 2**n_players)


def find_removable(completion: Completion, sources: Segmentation) -> BoolArray:
    """Which tokens to remove with each span, [S, T]: all of its tokens except special ones and the text's first."""
    places = np.arange(len(completion.tokens))
    may_go = np.array([token.role is not Role.SPECIAL for token in completion.tokens]) & (places > 0)
    bounds = np.array(sources.bounds)
    return (bounds[:-1, None] <= places) & (places < bounds[1:, None]) & may_go


def check_targets(completion: Completion, targets: Sequence[tuple[int, int]]) -> None:
    """Raise UsageError unless each target is a range of tokens with at least one token before it."""
    n_tokens = len(completion.tokens)
    if not targets:
        raise UsageError("expected a target, found none: there is nothing to explain")
    for start, stop in targets:
        if not 1 <= start < stop <= n_tokens:
            raise UsageError(f"expected targets within tokens 1 to {n_tokens}, found {start} to {stop}")


def log_odds(log_probs: WideArray) -> WideArray:
    """log(p / (1 - p)) of log p; certainty counts as 1 - p = 1e-12."""
    return log_probs - np.log(np.maximum(-np.expm1(log_probs), 1e-12))


def spread_over_tokens(scores: FloatArray, sources: Segmentation, n_tokens: int) -> FloatArray:
    """Spread each source span's score evenly over its tokens: [targets, S] -> [targets, T].

    The sum over a span is the span's score again; scores of finer spans add no information.
    """
    widths = np.diff(sources.bounds)
    assert widths.sum() == n_tokens
    return np.repeat(scores / widths, widths, axis=1).astype(np.float32)


def _estimate(
    game: Game, method: Method, options: AblationOptions, lengths: WideArray, stream: np.random.Generator
) -> Estimate:
    """Run the method's estimator on the game; without players, all scores are 0."""
    if game.n_spans == 0:
        nothing = np.zeros(game.sources.shape)
        return game.estimate(nothing, None if method is Method.OCCLUSION else nothing)
    if method is Method.OCCLUSION:
        return estimate_occlusion(game)
    if method is Method.LIME:
        return estimate_lime(game, options.ablations, stream, ridge=options.ridge)
    if method is Method.SURROGATE:
        return estimate_surrogate(game, options.ablations, stream, options.lasso * lengths)
    if options.shapley is ShapleySampling.KERNEL:
        return estimate_shapley_by_kernel(game, options.ablations, stream)
    return estimate_shapley_by_orders(game, options.ablations, stream)


def _spread_players(estimate: Estimate, players: np.ndarray, n_spans: int) -> AblationResult:
    """Expand scores of players to all spans of the segmentation."""

    def widen(values: WideArray) -> FloatArray:
        wide = np.zeros((len(values), n_spans), dtype=np.float32)
        wide[:, players] = values
        return wide

    return AblationResult(
        scores=widen(estimate.scores),
        standard_errors=None if estimate.errors is None else widen(estimate.errors),
        full_value=estimate.full.astype(np.float32),
        empty_value=estimate.empty.astype(np.float32),
        n_forwards=estimate.n_values,
    )
