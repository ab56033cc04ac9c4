"""Plain salience: one forward, then one backward per target, with nothing shared and no optimisation.

``FORWARDS`` names two ways to run the model: through the Keras layers, and through the float64 reference. Neither
shares code with ``promptlight``: no decoder, no loss, no reduction.
"""

# pyright: standard

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from tests.oracles.reference import logits_from_embeddings

Forward = Callable[[Any, Tensor], Tensor]
"""A backbone and unscaled embeddings [T, D] -> logits [T, V]."""


def through_keras(backbone: Any, embeddings: Tensor) -> Tensor:
    """The Keras layers, in the backbone's dtype."""
    x = embeddings[None] * torch.tensor(embeddings.shape[-1]).sqrt().to(embeddings.dtype)
    padding_mask = torch.ones(x.shape[:2], dtype=torch.int32)
    for layer in backbone.transformer_layers:
        x = layer(x, padding_mask=padding_mask)
    return backbone.token_embedding(backbone.layer_norm(x), reverse=True)[0]


def embed(backbone: Any, ids: Sequence[int], *, exact: bool = True) -> Tensor:
    """Unscaled embeddings [T, D] that require gradients; float64 if ``exact``."""
    rows = backbone.token_embedding.embeddings.value.detach()[torch.tensor(ids)]
    return (rows.double() if exact else rows.clone()).requires_grad_()


def log_probabilities(backbone: Any, embeddings: Tensor) -> Tensor:
    """Log-probabilities of the next token at each position, [T, V]; exact if the embeddings are float64."""
    forward: Forward = logits_from_embeddings if embeddings.dtype == torch.float64 else through_keras
    logits = forward(backbone, embeddings)
    return logits.to(torch.promote_types(logits.dtype, torch.float32)).log_softmax(dim=-1)


def gradients(backbone: Any, ids: Sequence[int], n_prompt_tokens: int, *, exact: bool = True) -> Tensor:
    """Gradient of each target's log-probability with respect to every embedding, [G, T, D]."""
    embeddings = embed(backbone, ids, exact=exact)
    log_probs = log_probabilities(backbone, embeddings)
    return torch.stack(
        [
            torch.autograd.grad(log_probs[place - 1, ids[place]], embeddings, retain_graph=True)[0]
            for place in range(n_prompt_tokens, len(ids))
        ]
    )


def grad_l2(backbone: Any, ids: Sequence[int], n_prompt_tokens: int, *, exact: bool = True) -> Tensor:
    """Grad L2 Norm of every token for every target, [G, T]."""
    return gradients(backbone, ids, n_prompt_tokens, exact=exact).norm(dim=-1)


def span_gradient(backbone: Any, ids: Sequence[int], start: int, stop: int) -> Tensor:
    """Gradient of the summed log-probability of tokens start..stop with respect to every embedding, [T, D]."""
    embeddings = embed(backbone, ids)
    log_probs = log_probabilities(backbone, embeddings)
    total = torch.stack([log_probs[place - 1, ids[place]] for place in range(start, stop)]).sum()
    return torch.autograd.grad(total, embeddings)[0]


def gradient_of(backbone: Any, embeddings: Tensor, quantity: Callable[[Tensor], Tensor]) -> Tensor:
    """Gradient of any quantity of the log-probabilities [T, V] at these embeddings, [T, D]: one backward."""
    leaf = embeddings.detach().double().requires_grad_()
    return torch.autograd.grad(quantity(log_probabilities(backbone, leaf)), leaf)[0]


def central_difference(backbone: Any, ids: Sequence[int], target: int, source: int, step: float = 1e-5) -> Tensor:
    """Gradient of log p of token ``target`` by the embedding of token ``source``, from central differences, [D]."""
    embeddings = embed(backbone, ids).detach()
    result = torch.zeros(embeddings.shape[1], dtype=embeddings.dtype)
    for axis in range(len(result)):
        sides = []
        for sign in (1, -1):
            nudged = embeddings.clone()
            nudged[source, axis] += sign * step
            sides.append(log_probabilities(backbone, nudged)[target - 1, ids[target]])
        result[axis] = (sides[0] - sides[1]) / (2 * step)
    return result


def keras_score_grad_l2(causal_lm: Any, ids: Sequence[int], n_prompt_tokens: int) -> Tensor:
    """LIT's way, target by target: the model's own ``score``, and autograd on the input of ``layer_intercept_fn``."""
    rows = []
    for place in range(n_prompt_tokens, len(ids)):
        caught: list[Tensor] = []

        def catch(x: Tensor, layer: int, caught: list[Tensor] = caught) -> Tensor:
            if layer == -1:
                caught.append(x)
            return x

        token_ids = torch.tensor(ids)[None]
        losses = causal_lm.score(
            token_ids=token_ids,
            padding_mask=torch.ones_like(token_ids),
            scoring_mode="loss",
            layer_intercept_fn=catch,
            target_ids=token_ids.roll(-1, dims=1),
        )
        rows.append(torch.autograd.grad(losses[0, place - 1], caught[0])[0][0].norm(dim=-1))
    return torch.stack(rows)
