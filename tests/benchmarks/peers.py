"""Inseq and Interpreto on the same weights, if they are installed; nothing here requires them.

Both read text. An artificial vocabulary with a word for every id gives them exactly the tokens of the others.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Sequence
from typing import Any

from tests.benchmarks.measure import Candidate

PEERS = ("inseq", "interpreto")
MARKS = ("<pad>", "<eos>", "<bos>", "<unk>")


def peer_candidates(
    model: Any, ids: Sequence[int], n_prompt: int, sampled: Sequence[int]
) -> tuple[dict[str, Candidate], list[str]]:
    """The peers that can be imported, and notes on the others. Inseq starts over for each target: ``sampled`` only."""
    found = [name for name in PEERS if importlib.util.find_spec(name)]
    racing: dict[str, Candidate] = {}
    if found:
        tokenizer = build_tokenizer(model.config.vocab_size)
        if "inseq" in found:
            racing["Inseq, saliency"] = inseq_candidate(model, tokenizer, ids[: sampled[-1] + 1], sampled[0])
        if "interpreto" in found:
            racing["Interpreto, Saliency"] = interpreto_candidate(model, tokenizer, ids, n_prompt)
    return racing, [f"{name}: skipped, not installed." for name in PEERS if name not in found]


def inseq_candidate(model: Any, tokenizer: Any, ids: Sequence[int], n_prompt: int) -> Candidate:
    """Inseq: explain the logit of every token from ``n_prompt`` on."""
    explainer = importlib.import_module("inseq").load_model(model, "saliency", tokenizer=tokenizer)
    prompt, whole = spell(ids[:n_prompt]), spell(ids)
    n_targets = len(ids) - n_prompt

    def work() -> None:
        result = explainer.attribute(prompt, whole, attributed_fn="logit", show_progress=False, pretty_progress=False)
        assert result.sequence_attributions[0].target_attributions.shape[:2] == (len(ids), n_targets)

    return Candidate(work, n_targets)


def interpreto_candidate(model: Any, tokenizer: Any, ids: Sequence[int], n_prompt: int) -> Candidate:
    """Interpreto: explain the log-probability; its scores are means of absolute gradients, not norms."""
    library = importlib.import_module("interpreto")
    modes = importlib.import_module("interpreto.attributions").InferenceModes
    explainer = library.Saliency(
        model,
        tokenizer,
        batch_size=1,
        granularity=library.Granularity.ALL_TOKENS,
        inference_mode=modes.LOG_SOFTMAX,
        input_x_gradient=False,
    )
    prompt, target = spell(ids[:n_prompt]), spell(ids[n_prompt:])
    n_targets = len(ids) - n_prompt

    def work() -> None:
        assert len(explainer.explain(prompt, target)[0].attributions) == n_targets

    return Candidate(work, n_targets)


def build_tokenizer(vocabulary_size: int) -> Any:
    """Words between spaces, a word for each id."""
    import tokenizers
    import transformers

    words = tokenizers.models.WordLevel({spell([n]): n for n in range(vocabulary_size)}, unk_token="<unk>")
    tokenizer = tokenizers.Tokenizer(words)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()  # type: ignore[assignment]
    marks = dict(zip(("pad_token", "eos_token", "bos_token", "unk_token"), MARKS, strict=True))
    return transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **marks)


def spell(ids: Sequence[int]) -> str:
    """Token ids as words of that vocabulary."""
    return " ".join(MARKS[n] if n < len(MARKS) else f"w{n}" for n in ids)
