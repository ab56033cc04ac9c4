"""Say where results come from: the model, its dtype, when it ran, and which promptlight.

A quantised model has its weights rounded to few bits, and scores are of those: that is said in a sentence of its own,
for a GGUF file and for a Keras preset of int8 alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from promptlight.cli.views.sentences import say
from promptlight.io.page.words import Language
from promptlight.salience.text.printable import one_line

if TYPE_CHECKING:
    from promptlight.io.results.facts import RunFacts
    from promptlight.salience.model import ModelFacts

HASH_DIGITS = 12


def describe_quantised(facts: RunFacts | None, language: Language = Language.ENGLISH) -> str:
    """A sentence about results; empty if their model is not quantised, or not known."""
    quantised = facts.quantised if facts else None
    return say(language, "quantised", quantised=one_line(quantised)) if quantised else ""


def spell_facts(facts: RunFacts | None, name: str = "model") -> str:
    """``model: gemma3-270m in float32 on cpu; run on 2026-11-27 by promptlight 0.1.0``; empty if nothing is known.

    ``name`` comes first. Unknown facts, such as the date of older results, are left out.
    """
    if facts is None:
        return ""
    adapter = f" with {facts.short_adapter}" if facts.adapter else ""
    dtype = f" in {facts.dtype}" if facts.dtype else ""
    device = f" on {facts.device}" if facts.device else ""
    when = " on " * (len(facts.dates) == 1) + " from " * (len(facts.dates) > 1) + " to ".join(facts.dates)
    version = f" by promptlight {facts.promptlight}" if facts.promptlight else ""
    run = f"; run{when}{version}" if when or version else ""
    return one_line(f"{name}: {facts.short_model}{adapter}{dtype}{device}{run}")


def spell_both_facts(before: RunFacts | None, after: RunFacts | None) -> Iterator[str]:
    """One line for two results, or two if they come from different runs."""
    if spell_facts(before) == spell_facts(after):
        yield from filter(None, [spell_facts(before)])
    else:
        yield from filter(None, [spell_facts(before, "before"), spell_facts(after, "after")])


def describe_origin(facts: RunFacts | None) -> dict[str, Any] | None:
    """All facts for ``--json``; None if they are not known."""
    return facts.describe() if facts else None


def describe_model(facts: ModelFacts) -> str:
    """``x.gguf in float32 (Q4_K_M: Q4_K, Q6_K, expanded) on cpu, sha256 a5fd3b62230a``."""
    expanded = f" ({facts.quantised}, expanded)" if facts.quantised else ""
    digest = f", sha256 {facts.file_sha256[:HASH_DIGITS]}" if facts.file_sha256 else ""
    return one_line(f"{facts.name} in {facts.dtype}{expanded} on {facts.device}{digest}")


def describe_facts(facts: ModelFacts) -> dict[str, Any]:
    """The same for ``--json``, with the whole hash."""
    names = ("name", "dtype", "device", "quantised", "file_sha256")
    return {name: getattr(facts, name) for name in names}
