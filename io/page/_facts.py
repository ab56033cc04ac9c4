"""What the page's footer says of a folder of results."""

from __future__ import annotations

import json
from collections.abc import Mapping

from promptlight.io.page.words import Language, spell
from promptlight.io.results.facts import HASH_DIGITS, RunFacts
from promptlight.salience.text.printable import printable

SHOWN_FIRST = ("promptlight", "torch", "keras")  # of the versions; the results folder has all

Texts = Mapping[Language, str] | str  # a text, or one for each language


def describe_facts(facts: RunFacts | None) -> dict[str, Texts]:
    """The facts by the keys of the words about them: ``facts.model`` and so on. A fact that is not known says so."""
    unknown = {language: spell(language, "facts.unknown") for language in Language}
    if facts is None:
        return {"model": unknown}
    digest = facts.file_sha256 or facts.config_hash
    found: dict[str, Texts | None] = {
        "model": ", ".join(filter(None, [facts.short_model, facts.dtype, facts.device])),
        "quantised": facts.quantised,
        "adapter": facts.short_adapter,
        "chat": {language: spell(language, "facts.yes") for language in Language} if facts.chat else None,
        "file" if facts.file_sha256 else "config": digest[:HASH_DIGITS] if digest else None,
        "made": _describe_dates(facts) or unknown,
        "settings": "; ".join(_describe_setting(*one) for one in facts.settings.items() if one[1] not in (None, [])),
        "versions": ", ".join(f"{name} {facts.versions[name]}" for name in SHOWN_FIRST if name in facts.versions),
    }
    return {name: show(texts) for name, texts in found.items() if texts}


def show(texts: Texts) -> Texts:
    """The same, safe to show."""
    return printable(texts) if isinstance(texts, str) else {name: printable(text) for name, text in texts.items()}


def _describe_dates(facts: RunFacts) -> str:
    """When the first run began and the last result was there, to the minute; empty if that is not known."""
    moments = [f"{moment[:16].replace('T', ' ')} UTC" for moment in (facts.started, facts.finished) if moment]
    return " – ".join(dict.fromkeys(moments)) if facts.finished else ""


def _describe_setting(name: str, value: object) -> str:
    """A setting as it is stored; texts without quotes."""
    return f"{name} {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"
