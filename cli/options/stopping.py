"""Stop texts as a shell gives them: ``\\n`` and its like stand for characters that are hard to type there."""

from __future__ import annotations

import re
from collections.abc import Sequence

_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\"}


def read_stops(written: Sequence[str] | None) -> tuple[str, ...]:
    """The texts that ``--stop`` gives: ``\\n``, ``\\r``, ``\\t`` and ``\\\\`` are one character each."""
    texts = (re.sub(r"\\([nrt\\])", lambda found: _ESCAPES[found[1]], text) for text in written or ())
    return tuple(dict.fromkeys(texts))
