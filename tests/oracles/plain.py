"""Plain salience: one forward, then one backward per target, with nothing shared and no optimisation.

The model runs in plain float64 code, or, if not ``exact``, through its own library's layers. Neither shares code with
``promptlight``: no decoder, no loss, no reduction.

A token's row is its unscaled embedding e [D]. Gemma 4's E-series and Gemma 3n look it up in a second table, too: there
a row is [D + n P], e and then the other table's row R, both as stored. Gradients are by these rows.
"""

# pyright: standard

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from tests.oracles import gemma3n, gemma4
from tests.oracles.reference import logits_from_embeddings
from tests.oracles.weights import is_newer, is_of_transformers, read_weights


def through_keras(backbone: Any, embeddings: Tensor) -> Tensor:
    """The Keras layers, in the backbone's dtype."""
    x = embeddings[None] * torch.tensor(embeddings.shape[-1]).sqrt().to(embeddings.dtype)
    padding_mask = torch.ones(x.shape[:2], dtype=torch.int32)
    for layer in backbone.transformer_layers:
        x = layer(x, padding_mask=padding_mask)
    return backbone.token_embedding(backbone.layer_norm(x), reverse=True)[0]


def through_transformers(model: Any, rows: Tensor) -> Tensor:
    """The layers of a transformers model of Gemma 4 or 3n, in its dtype."""
    width = model.config.hidden_size
    given: dict[str, Any] = {"inputs_embeds": rows[None, :, :width] * width**0.5}
    if rows.shape[1] > width:
        n_layers, per_layer = model.config.num_hidden_layers, model.config.hidden_size_per_layer_input
        given["per_layer_inputs"] = (rows[None, :, width:] * per_layer**0.5).unflatten(-1, (n_layers, per_layer))
    return model(**given).logits[0]


def embed(model: Any, ids: Sequence[int], *, exact: bool = True) -> Tensor:
    """Rows [T, D] or [T, D + n P] that require gradients; float64 if ``exact``."""
    if is_newer(model):
        weights, places = read_weights(model), torch.tensor(ids)
        rows = weights["embedding"][places]
        if weights.per_layer_width:
            known = places < len(weights["table"])  # Gemma 3n has ids beyond it, which take row 0
            rows = torch.cat([rows, weights["table"][places.where(known, torch.zeros_like(places))]], dim=1)
        rows = rows if exact else rows.float()
    else:
        rows = model.token_embedding.embeddings.value.detach()[torch.tensor(ids)]
        rows = rows.double() if exact else rows.clone()
    return rows.requires_grad_()


def logits(model: Any, rows: Tensor) -> Tensor:
    """Logits [T, V] of these rows; exact if they are float64."""
    exact = rows.dtype == torch.float64
    if not is_newer(model):
        return logits_from_embeddings(model, rows) if exact else through_keras(model, rows)
    family = gemma3n if type(model).__name__.startswith("Gemma3n") else gemma4
    if exact:
        return family.logits(read_weights(model), rows)
    return through_transformers(model, rows) if is_of_transformers(model) else family.through_keras(model, rows)


def log_probabilities(model: Any, rows: Tensor) -> Tensor:
    """Log-probabilities of the next token at each position, [T, V]; exact if the rows are float64."""
    found = logits(model, rows)
    return found.to(torch.promote_types(found.dtype, torch.float32)).log_softmax(dim=-1)


def as_entering(model: Any, gradients: Tensor) -> Tensor:
    """Gradients by rows as gradients by what enters the network, up to a common sqrt(D).

    The network takes sqrt(D) e and sqrt(P) R, so the part of R is sqrt(D / P) times the gradient by R.
    """
    if not is_newer(model):
        return gradients
    weights = read_weights(model)
    main, rest = gradients[..., : weights.width], gradients[..., weights.width :]
    return torch.cat([main, rest * (weights.width / max(weights.per_layer_width, 1)) ** 0.5], dim=-1)


def gradients(backbone: Any, ids: Sequence[int], n_prompt_tokens: int, *, exact: bool = True) -> Tensor:
    """Gradient of each target's log-probability with respect to every row, [G, T, W]."""
    embeddings = embed(backbone, ids, exact=exact)
    log_probs = log_probabilities(backbone, embeddings)
    return torch.stack(
        [
            torch.autograd.grad(log_probs[place - 1, ids[place]], embeddings, retain_graph=True)[0]
            for place in range(n_prompt_tokens, len(ids))
        ]
    )


def grad_l2(
    backbone: Any, ids: Sequence[int], n_prompt_tokens: int, *, exact: bool = True, main_only: bool = False
) -> Tensor:
    """Grad L2 Norm of every token for every target, [G, T]; of the main table's part alone if ``main_only``."""
    found = as_entering(backbone, gradients(backbone, ids, n_prompt_tokens, exact=exact))
    if main_only and is_newer(backbone):
        found = found[..., : read_weights(backbone).width]
    return found.norm(dim=-1)


def grad_dot_input(backbone: Any, ids: Sequence[int], n_prompt_tokens: int, *, exact: bool = True) -> Tensor:
    """Gradient of +log p times the row, of every token for every target, [G, T]."""
    return (gradients(backbone, ids, n_prompt_tokens, exact=exact) * embed(backbone, ids, exact=exact)).sum(dim=-1)


def span_gradient(backbone: Any, ids: Sequence[int], start: int, stop: int) -> Tensor:
    """Gradient of the summed log-probability of tokens start..stop with respect to every row, [T, W]."""
    embeddings = embed(backbone, ids)
    log_probs = log_probabilities(backbone, embeddings)
    total = torch.stack([log_probs[place - 1, ids[place]] for place in range(start, stop)]).sum()
    return torch.autograd.grad(total, embeddings)[0]


def gradient_of(backbone: Any, embeddings: Tensor, quantity: Callable[[Tensor], Tensor]) -> Tensor:
    """Gradient of any quantity of the log-probabilities [T, V] at these rows, [T, W]: one backward."""
    leaf = embeddings.detach().double().requires_grad_()
    return torch.autograd.grad(quantity(log_probabilities(backbone, leaf)), leaf)[0]


def central_difference(backbone: Any, ids: Sequence[int], target: int, source: int, step: float = 1e-5) -> Tensor:
    """Gradient of log p of token ``target`` by the row of token ``source``, from central differences, [W]."""
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
