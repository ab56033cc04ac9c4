"""Read what a reader asks about a stored prompt: to take its parts away, or to measure its answer in another way."""

# pyright: standard

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from promptlight.cli.options.analysis import choose_objective
from promptlight.cli.server._jobs import Kind, hash_request
from promptlight.cli.server._limits import Limits
from promptlight.cli.server._shelf import Shelf
from promptlight.cli.server._values import read_choice, read_text
from promptlight.salience.errors import UsageError
from promptlight.salience.explain.explanation import Question
from promptlight.salience.options.analysis import AnalysisOptions
from promptlight.salience.options.methods import ABLATION_METHODS, EmbeddingPart
from promptlight.salience.regeneration.finding_causes import LAST, plan_parts
from promptlight.salience.types import Granularity, Method, Objective


@dataclass(frozen=True, kw_only=True)
class Questions:
    """Reads questions about the prompts of a shelf, as fields of a job."""

    shelf: Shelf
    limits: Limits

    def read_each(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Which parts to take away, and what is looked at. Raises UsageError if there are none."""
        _, slot = self.shelf.find(read_text(request, "id"))
        target = request.get("target")
        if type(target) is int:
            target = str(target)
        if target is not None and not isinstance(target, str):
            raise UsageError("expected `target` to be text or a number")
        by = read_choice(request, "by", Granularity) or Granularity.LINE
        target_by = read_choice(request, "target_by", Granularity) or Granularity.LINE
        asked = {"source": slot.source, "by": str(by), "target": target or LAST, "target_by": str(target_by)}
        plan_parts(self.shelf.fetch(slot), build_question(asked))  # raises UsageError if there is nothing to take away
        key = hash_request({"kind": "each", "id": slot.id, **asked})
        return {"kind": Kind.EACH, "key": key, "parent": slot.id, "asked": asked | {"folder": self._name(slot.source)}}

    def read_ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Which method, objective or foil. Raises UsageError if the results have that already."""
        _, slot = self.shelf.find(read_text(request, "id"))
        method = read_choice(request, "method", Method)
        objective = read_choice(request, "objective", Objective)
        foil = request.get("foil")
        if foil is not None and (not isinstance(foil, str) or not foil or len(foil.encode()) > self.limits.note_bytes):
            raise UsageError(f"expected `foil` to be a text of at most {self.limits.note_bytes:,} bytes")
        if method is None and objective is None and foil is None:
            raise UsageError("expected `method`, `objective` or `foil`, found none")
        asked = {"method": method and str(method), "objective": objective and str(objective), "foil": foil}
        stored = AnalysisOptions.from_settings(self.shelf.sources[slot.source].settings)
        wanted = change_question(stored, asked)
        if wanted.objective is stored.objective and not foil and set(wanted.methods) <= set(stored.methods):
            raise UsageError(f"{slot.id}: its results have that already")
        key = hash_request({"kind": "ask", "id": slot.id, "source": slot.source, **asked})
        asked["folder"] = self._name(slot.source)
        return {"kind": Kind.ASK, "key": key, "parent": slot.id, "makes": slot.id, "asked": asked}

    def _name(self, source: int) -> str:
        return self.shelf.sources[source].name


def build_question(asked: Mapping[str, Any]) -> Question:
    """What parts are taken away, and which target is looked at."""
    by, target_by = Granularity(asked["by"]), Granularity(asked["target_by"])
    return Question(by=by, target=asked["target"], target_by=target_by)


def change_question(options: AnalysisOptions, asked: Mapping[str, Any]) -> AnalysisOptions:
    """The options with another method, objective or foil. Raises UsageError if they contradict each other."""
    methods = (Method(asked["method"]),) if asked["method"] else options.methods
    how = options.method_options
    if Method.OCCLUSION not in methods:
        how = replace(how, own_sources=None)
    if set(methods) <= set(ABLATION_METHODS):
        how = replace(how, embedding=EmbeddingPart.JOINT)
    objective = options.objective
    if asked["objective"]:
        objective = choose_objective(Objective(asked["objective"]), options.compat)
    foil = asked["foil"] or (options.foil if objective is Objective.LOGPROB else None)
    return replace(options, methods=methods, method_options=how, objective=objective, foil=foil)
