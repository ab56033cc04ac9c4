"""The objectives to explain: each one's value and its gradient by the logits.

All functions take logits [C, V] (float32 or better, soft-cap already applied) and target ids [C]. Values are [C],
gradients [C, V], both of the quantity that gives the objective its name: positive salience raises it. With p the
softmax of the logits z, and y the target:

    logprob   log p(y)
    logit     z(y)
    margin    z(y) - max of all other z
    prob      p(y)
    entropy   -sum p log p        independent of y: how unsure the model was, in nats
    kl        sum p (log p - log q)   independent of y too: q is the prediction without the prompt, a constant
    loss      -log p(y)           because other tools, such as LIT, show signed scores of it

The log-probability's gradient is onehot(y) - softmax(z). In this form it loses precision if the target is certain,
because 1 - p(y) is then a difference of nearly equal numbers. Computed from the odds it does not
(``_logprob_gradient``). The gradients of entropy and divergence have the same problem at the likeliest token, so there
they are computed as minus the sum of all others.
"""

from __future__ import annotations

import torch
from torch import Tensor

from promptlight.salience.types import Objective


def objective_value(objective: Objective, logits: Tensor, ids: Tensor, reference: Tensor | None = None) -> Tensor:
    """The objective itself, [C]; ``reference`` are the logits [C, V] without the prompt, for KL alone."""
    match objective:
        case Objective.LOGPROB:
            return log_probabilities(logits, ids)
        case Objective.LOGIT:
            return _pick(logits, ids)
        case Objective.MARGIN:
            return contrast_value(logits, ids, best_other(logits, ids))
        case Objective.PROB:
            return log_probabilities(logits, ids).exp()
        case Objective.ENTROPY:
            log_probs = _all_log_probabilities(logits)
            return -(log_probs.exp() * log_probs).sum(dim=1)
        case Objective.KL:
            log_probs, ratios = _log_ratios(logits, reference)
            return (log_probs.exp() * ratios).sum(dim=1)
        case Objective.LOSS:
            return -log_probabilities(logits, ids)


def objective_gradient(objective: Objective, logits: Tensor, ids: Tensor, reference: Tensor | None = None) -> Tensor:
    """Gradient of the objective by the logits, [C, V]."""
    match objective:
        case Objective.LOGPROB:
            return _logprob_gradient(logits, ids)
        case Objective.LOGIT:
            return _one_hot(logits, ids)
        case Objective.MARGIN:
            return contrast_gradient(logits, ids, best_other(logits, ids))
        case Objective.PROB:
            return log_probabilities(logits, ids).exp()[:, None] * _logprob_gradient(logits, ids)
        case Objective.ENTROPY:
            log_probs = _all_log_probabilities(logits)
            return -_mean_gradient(log_probs.exp(), log_probs)
        case Objective.KL:
            log_probs, ratios = _log_ratios(logits, reference)
            return _mean_gradient(log_probs.exp(), ratios)
        case Objective.LOSS:
            return -_logprob_gradient(logits, ids)


def contrast_value(logits: Tensor, ids: Tensor, others: Tensor) -> Tensor:
    """log p(y) - log p(other) of the same prediction, which is a difference of logits, [C]."""
    return _pick(logits, ids) - _pick(logits, others)


def contrast_gradient(logits: Tensor, ids: Tensor, others: Tensor) -> Tensor:
    """Its gradient: 1 at the target, -1 at the other token, [C, V]."""
    return _one_hot(logits, ids) - _one_hot(logits, others)


def log_probabilities(logits: Tensor, ids: Tensor) -> Tensor:
    """Natural log of the target's probability, [C]: -log(1 + o), with o the odds of all other tokens against it."""
    _, odds, shift = _odds(logits, ids)
    return -torch.where(shift > 0, shift + torch.log(torch.exp(-shift) + odds), torch.log1p(odds))


def _logprob_gradient(logits: Tensor, ids: Tensor) -> Tensor:
    """Gradient of log p(y): with w = exp(z - z[y]), w[y] = 0, o = sum(w), it is -w / (1 + o), at y o / (1 + o)."""
    ratios, odds, shift = _odds(logits, ids)
    whole = torch.exp(-shift) + odds
    gradient = -ratios / whole[:, None]
    return gradient.scatter_(1, ids[:, None], (odds / whole)[:, None])


def best_other(logits: Tensor, ids: Tensor) -> Tensor:
    """The likeliest token that is not the target, [C]."""
    return logits.scatter(1, ids[:, None], float("-inf")).argmax(dim=1)


def _one_hot(logits: Tensor, ids: Tensor) -> Tensor:
    """1 at the target, 0 elsewhere, [C, V]."""
    return torch.zeros_like(logits).scatter_(1, ids[:, None], 1.0)


def _pick(logits: Tensor, ids: Tensor) -> Tensor:
    return logits.gather(1, ids[:, None])[:, 0]


def _all_log_probabilities(logits: Tensor) -> Tensor:
    """Log-probabilities of every token, [C, V], relative to the likeliest one, which keeps that one's precision."""
    top = logits.argmax(dim=1)
    return logits - _pick(logits, top)[:, None] + log_probabilities(logits, top)[:, None]


def _log_ratios(logits: Tensor, reference: Tensor | None) -> tuple[Tensor, Tensor]:
    """log p and log p - log q of every token, [C, V] each."""
    assert reference is not None
    log_probs = _all_log_probabilities(logits)
    return log_probs, log_probs - _all_log_probabilities(reference)


def _mean_gradient(probs: Tensor, terms: Tensor) -> Tensor:
    """Gradient of sum p f, where f's own part sums to zero: p (f - sum p f); its entries sum to zero. [C, V]."""
    gradient = probs * (terms - (probs * terms).sum(dim=1, keepdim=True))
    top = probs.argmax(dim=1, keepdim=True)
    gradient.scatter_(1, top, 0.0)
    return gradient.scatter_(1, top, -gradient.sum(dim=1, keepdim=True))


def _odds(logits: Tensor, ids: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Ratios w [C, V], their sum o [C] and a shift m [C]; the first two are scaled by exp(-m) to keep exp finite."""
    relative = logits - logits.gather(1, ids[:, None])
    shift = relative.amax(dim=1).clamp(min=0)
    ratios = torch.exp(relative - shift[:, None]).scatter_(1, ids[:, None], 0.0)
    return ratios, ratios.sum(dim=1), shift
