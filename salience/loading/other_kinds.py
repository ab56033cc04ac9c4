"""Models that are called a Gemma, and whose next token can't be explained: why not, and what to take instead.

One rule finds them in all formats, by a name: the class of a Keras preset (``PaliGemmaBackbone``), the preset's name
(``pali_gemma_3b_224``), the ``model_type`` of transformers (``paligemma``), the architecture of a GGUF file. Others
have the class of a covered model: an option of their config.json tells them apart, or only the name of their preset.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class _OtherKind:
    """A kind of model that is refused: a pattern of its names, and why, with what to do.

    ``unmarked`` are presets of Keras whose config.json may not tell them from a covered model.
    """

    names: str
    reason: str
    unmarked: tuple[str, ...] = ()


_EMBEDS = (
    "it is an embedding model, which makes a vector of a text and predicts no next token; use a Gemma that writes,"
    " such as gemma3_instruct_270m"
)
_DRAFTS = (
    "it drafts tokens for a larger Gemma 4 and reads that model's keys and values, so it computes nothing alone; use"
    " the model that it drafts for"
)
_IS_BIDIRECTIONAL = (
    "it reads each token together with those after it, so it predicts no next token; use a model that reads from left"
    " to right"
)
_ENCODES = (
    "an encoder reads the prompt in both directions for a decoder, and only decoders alone are run here; use a Gemma"
    " without an encoder, such as gemma2_instruct_2b_en"
)

_KINDS = (
    _OtherKind(
        names=r"embedding_?gemma|gemma.?embedding|harrier|TextEmbedder|colpali",
        reason=_EMBEDS,
        unmarked=("embedding_gemma3_300m", "harrier_embedding_oss_270m"),
    ),
    _OtherKind(
        names=r"gemma.*assistant",
        reason=_DRAFTS,
        unmarked=(
            "gemma4_instruct_2b_assistant",
            "gemma4_instruct_4b_assistant",
            "gemma4_instruct_26b_a4b_assistant",
            "gemma4_instruct_31b_assistant",
        ),
    ),
    _OtherKind(
        names=r"diffusion.?gemma|gemma.?diffusion",
        reason="it writes many tokens at once by removing noise from them, so none has a probability given only those"
        " before it; use a Gemma that writes token by token",
    ),
    _OtherKind(names=r"t5.?gemma", reason=_ENCODES),
    _OtherKind(
        names=r"pali.?gemma",
        reason="it answers about an image, and reads that and the prompt in both directions; use a Gemma for text",
    ),
    _OtherKind(
        names=r"recurrent.?gemma",
        reason="most of its layers are recurrent, which are not computed here; use Gemma 1 or 2 of its size",
    ),
    _OtherKind(
        names=r"shield.?gemma.?2(?!7?b)",  # ShieldGemma's sizes are 2b, 9b and 27b
        reason="it classifies images and writes no text; for texts use the first ShieldGemma, such as"
        " shieldgemma_2b_en",
    ),
    _OtherKind(
        names=r"vaultgemma",
        reason="VaultGemma is read from a preset of Keras only; use vault_gemma_1b_en",
    ),
)


def explain_name(name: str) -> str | None:
    """Why a model of this class, type, architecture or preset is refused; None if its name gives no reason."""
    return next((kind.reason for kind in _KINDS if re.search(kind.names, name, re.IGNORECASE)), None)


def explain_address(address: str) -> str | None:
    """``explain_name`` for an address on a hub: only for presets whose config.json does not say what they are."""
    parts = address.split("/")
    return next((kind.reason for kind in _KINDS if any(one in parts for one in kind.unmarked)), None)


def explain_options(sizes: Mapping[str, Any], name: str) -> tuple[str, str] | None:
    """An option with which a model of this class or type predicts no next token, and why; None without one."""
    return next(_find_options(sizes, name), None)


def _find_options(sizes: Mapping[str, Any], name: str) -> Iterator[tuple[str, str]]:
    if sizes.get("is_embedding_model"):
        yield "is_embedding_model", _EMBEDS
    # of Gemma 4 in transformers' format: the tokens of an image see each other, those of a text only what is before
    only_images = name.startswith("gemma4") and sizes.get("use_bidirectional_attention") == "vision"
    if sizes.get("use_bidirectional_attention") and not only_images:
        yield "use_bidirectional_attention", _IS_BIDIRECTIONAL
    for option in ("is_encoder_decoder", "add_cross_attention"):
        if sizes.get(option):
            yield option, _ENCODES
    shared, n_layers = (sizes.get("num_kv_shared_layers"), sizes.get("num_layers", sizes.get("num_hidden_layers")))
    if isinstance(shared, int) and isinstance(n_layers, int) and 0 < n_layers <= shared:
        yield "all layers in num_kv_shared_layers", _DRAFTS
