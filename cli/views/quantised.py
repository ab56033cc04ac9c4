"""Say that a model is quantised: its weights are rounded to few bits, and scores are of those.

``show``, ``report``, ``export``, ``summarize``, ``run`` and its dry run take the words from here, for a GGUF file and
for a Keras preset of int8 alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from promptlight.salience.text.printable import one_line

if TYPE_CHECKING:
    from promptlight.salience.model import ModelFacts

HASH_DIGITS = 12


def describe_quantised(quantised: str | None) -> str:
    """A sentence about results; empty if their model is not quantised."""
    return f"scores are of the quantised model ({one_line(quantised)})" if quantised else ""


def describe_model(facts: ModelFacts) -> str:
    """``x.gguf in float32 (Q4_K_M: Q4_K, Q6_K, expanded) on cpu, sha256 a5fd3b62230a``."""
    expanded = f" ({facts.quantised}, expanded)" if facts.quantised else ""
    digest = f", sha256 {facts.file_sha256[:HASH_DIGITS]}" if facts.file_sha256 else ""
    return one_line(f"{facts.name} in {facts.dtype}{expanded} on {facts.device}{digest}")


def describe_facts(facts: ModelFacts) -> dict[str, Any]:
    """The same for ``--json``, with the whole hash."""
    names = ("name", "dtype", "device", "quantised", "file_sha256")
    return {name: getattr(facts, name) for name in names}
