"""How likely a text still is after other prompts: one forward for many prompts, without gradients.

 1. Each prompt is tokenised; the tokens that followed the old prompt follow it as they are (*teacher forcing*).
 2. Prompts of similar length go through the layers together, padded on the right: no token sees what comes after it.
 3. Logits are computed only where a token of the text is predicted, for some rows at a time.

Shapes: N prompts, G tokens of the text, B prompts of a batch, D width.
"""

# pyright: standard

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from promptlight.salience.decoder.batch_plan import Need, choose_batch_size, plan_batches
from promptlight.salience.decoder.chunks import naming_lack_of_memory, plan_rows, run_in_chunks
from promptlight.salience.decoder.decoder import Decoder
from promptlight.salience.decoder.objectives import log_probabilities
from promptlight.salience.decoder.tensors import at_least_float32
from promptlight.salience.errors import PromptTooLongError
from promptlight.salience.model import Model
from promptlight.salience.progress import Counted, ignore
from promptlight.salience.text.completion import encode_prompt
from promptlight.salience.types import PAD_ID, Prompt


@naming_lack_of_memory("the likelihood of a text")
@torch.no_grad()
def score_text(
    model: Model, prompts: Sequence[Prompt], ids: Sequence[int], *, counted: Counted = ignore
) -> NDArray[np.float64]:
    """The log-probability of each of these tokens after each prompt, given the tokens before it: [N, G], in nats.

    ``counted`` is told how many prompts are scored. Raises PromptTooLongError if a prompt and the text together exceed
    the model's context.
    """
    read = [_encode(model, prompt, len(ids)) for prompt in prompts]
    scores = np.zeros((len(prompts), len(ids)))
    done = 0
    counted(0, len(prompts))
    needs = [Need(len(one) + len(ids), 0) for one in read] if ids else []
    for batch in plan_batches(model.decoder, needs, choose_batch_size(model.device)):

        def work(start: int, stop: int, batch: list[int] = batch) -> NDArray[np.float64]:
            return _score_batch(model.decoder, [read[number] for number in batch[start:stop]], ids)

        for start, found in run_in_chunks(work, len(batch), len(batch), "prompt"):
            scores[batch[start : start + len(found)]] = found
            done += len(found)
            counted(done, len(prompts))
    return scores


def _encode(model: Model, prompt: Prompt, n_new: int) -> list[int]:
    ids, longest = encode_prompt(model.tokenizer, prompt).ids, model.facts.context_length
    if len(ids) + n_new > longest:
        raise PromptTooLongError(
            prompt.path,
            prompt.line,
            f"the changed prompt and the old completion have {len(ids) + n_new:,} tokens, but {model.facts.name} reads"
            f" {longest:,}: shorten it, or use a model with a longer context",
        )
    return ids


def _score_batch(decoder: Decoder, prompts: Sequence[Sequence[int]], ids: Sequence[int]) -> NDArray[np.float64]:
    """The tokens' log-probabilities after each prompt of a batch, [B, G]."""
    device = decoder.embedding.device
    rows = torch.full((len(prompts), max(map(len, prompts)) + len(ids)), PAD_ID)
    for row, prompt in zip(rows, prompts, strict=True):
        row[: len(prompt) + len(ids)] = torch.tensor([*prompt, *ids])
    output = decoder.hidden(decoder.embed(rows.to(device)))
    firsts = torch.tensor([len(prompt) for prompt in prompts], device=device)
    places = firsts[:, None] + torch.arange(len(ids), device=device) - 1  # each predicts the token after it
    predicting = output.gather(1, places[..., None].expand(-1, -1, output.shape[-1])).flatten(0, 1)  # [B G, D]
    expected = torch.tensor(ids, device=device).repeat(len(prompts))

    def read(start: int, stop: int) -> Tensor:
        logits = decoder.logits(predicting[start:stop])
        return log_probabilities(logits.to(at_least_float32(logits.dtype)), expected[start:stop])

    parts = run_in_chunks(read, len(expected), plan_rows(decoder, len(expected)))
    return torch.cat([part for _, part in parts]).cpu().double().numpy().reshape(len(prompts), -1)
