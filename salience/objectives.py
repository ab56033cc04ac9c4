"""What is differentiated: for each objective, its gradient by the logits.

All functions take logits [C, V] (float32 or better, soft-cap already applied) and target ids [C], and return the
gradient of a quantity that grows when the target gets likelier, [C, V]. The loss, -log p, is the exception: it is there
because others, LIT among them, show signed scores of it.

The log-probability's gradient is onehot(y) - softmax(z). Written like that it loses its digits where the target is
certain: 1 - p(y) is then a difference of nearly equal numbers. Through the odds it does not (``logprob_gradient``).
"""

from __future__ import annotations

import torch
from torch import Tensor

from promptlight.salience.types import Objective


def objective_gradient(objective: Objective, logits: Tensor, ids: Tensor) -> Tensor:
    """Gradient of the objective by the logits, [C, V]."""
    match objective:
        case Objective.LOGPROB:
            return logprob_gradient(logits, ids)
        case Objective.LOGIT:
            return one_hot(logits, ids)
        case Objective.MARGIN:
            return one_hot(logits, ids) - one_hot(logits, best_other(logits, ids))
        case Objective.LOSS:
            return -logprob_gradient(logits, ids)


def log_probabilities(logits: Tensor, ids: Tensor) -> Tensor:
    """Natural log of the target's probability, [C]: with odds o of all others against it, -log(1 + o)."""
    _, odds, shift = _odds(logits, ids)
    return -torch.where(shift > 0, shift + torch.log(torch.exp(-shift) + odds), torch.log1p(odds))


def logprob_gradient(logits: Tensor, ids: Tensor) -> Tensor:
    """Gradient of log p(y): with w = exp(z - z[y]), w[y] = 0, o = sum(w), it is -w / (1 + o), at y o / (1 + o)."""
    ratios, odds, shift = _odds(logits, ids)
    whole = torch.exp(-shift) + odds
    gradient = -ratios / whole[:, None]
    return gradient.scatter_(1, ids[:, None], (odds / whole)[:, None])


def best_other(logits: Tensor, ids: Tensor) -> Tensor:
    """The likeliest token that is not the target, [C]."""
    return logits.scatter(1, ids[:, None], float("-inf")).argmax(dim=1)


def one_hot(logits: Tensor, ids: Tensor) -> Tensor:
    """1 at the target, 0 elsewhere, [C, V]."""
    return torch.zeros_like(logits).scatter_(1, ids[:, None], 1.0)


def _odds(logits: Tensor, ids: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Ratios w [C, V], their sum o [C] and a shift m [C]; the first two are scaled by exp(-m) to keep exp finite."""
    relative = logits - logits.gather(1, ids[:, None])
    shift = relative.amax(dim=1).clamp(min=0)
    ratios = torch.exp(relative - shift[:, None]).scatter_(1, ids[:, None], 0.0)
    return ratios, ratios.sum(dim=1), shift
