"""What is known of a model before it is loaded, and what loading gives; the same for every format."""

# pyright: standard

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from promptlight.salience.decoder.decoder import Decoder
from promptlight.salience.loading.model_size import Size
from promptlight.salience.text.tokenizer import Tokenizer


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """A loaded model; ``config_hash`` is of what it computes, apart from its weights, ``file_sha256`` of a
    model that is one file, ``adapter_sha256`` of an adapter that is one."""

    decoder: Decoder
    tokenizer: Tokenizer
    config_hash: str
    file_sha256: str | None = None
    adapter_sha256: str | None = None


@dataclass(frozen=True, kw_only=True)
class Source:
    """A model that can be loaded on a device in a dtype; ``size`` is None if its config does not say it.

    ``quantised`` says how its files are. ``keeps_quantised``: while it loads, those weights are in memory beside the
    expanded ones. ``to_fetch``: bytes of weights to fetch from a hub, 0 if they are here, None if nobody knows.
    """

    size: Size | None
    context_length: int
    load: Callable[[torch.device, torch.dtype], Loaded]
    quantised: str | None = None
    keeps_quantised: bool = False
    to_fetch: int | None = 0
