"""Make a record of what an evaluation's log has of one question: what was asked, what was written, what was right.

In these logs ``target`` is the right answer, which is called gold here; what was written is the output.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from promptlight.io.prompts.jsonline import RecordError
from promptlight.salience.types import Explain

Record = dict[str, Any]
GOLD, CORRECT = "gold", "correct"
_FOILS = ("foil", "foil_text", "foil_target")


@dataclass(frozen=True, kw_only=True)
class LoggedAnswer:
    """One answer of a model to one question, as a log has it.

    ``prompt`` is text or messages. If ``output`` is None, ``missing`` says why. ``answer`` is the part of the output
    that was scored, if that is not all of it. ``fields`` are kept.
    """

    id: str | None
    prompt: Any
    output: str | None
    missing: str = ""
    golds: Sequence[str] = ()
    answer: str | None = None
    is_correct: bool | None = None  # None: the log doesn't say
    fields: Record = field(default_factory=dict[str, Any])


def build_record(logged: LoggedAnswer, explain: Explain, *, gold_as_foil: bool) -> Record:
    """The record with our fields; ``gold`` and ``correct`` are kept among the others.

    The target is the output, or with ``Explain.TARGET`` the first gold answer. Raises RecordError if what is to be
    explained, or the gold answer for a foil, isn't there.
    """
    golds, is_correct = list(logged.golds), _is_correct(logged)
    if not golds and (gold_as_foil or explain is Explain.TARGET):
        raise RecordError("expected a gold answer in the log, found none; leave this out", parameters=("foil",))
    if logged.output is None and explain is Explain.OUTPUT:
        raise RecordError(f"expected an output in the log, {logged.missing}")
    target = golds[0] if explain is Explain.TARGET else logged.output
    kept = {GOLD: golds[0] if len(golds) == 1 else golds or None, CORRECT: is_correct}
    record = {"id": logged.id} | _name_prompt(logged.prompt) | logged.fields
    record |= {name: value for name, value in kept.items() if value is not None}
    if target is not None:
        record["target"] = target
    if gold_as_foil and not (is_correct and explain is Explain.OUTPUT):
        record = {name: value for name, value in record.items() if name not in _FOILS}
        record |= _build_foil(logged, in_output=explain is Explain.OUTPUT)
    return record


def is_right(fields: Mapping[str, Any]) -> bool:
    """Whether a record that was built here has an answer that was right."""
    return fields.get(CORRECT) is True and GOLD in fields


def _name_prompt(prompt: Any) -> Record:
    return {"prompt": prompt} if isinstance(prompt, str) else {"messages": prompt}


def _is_correct(logged: LoggedAnswer) -> bool | None:
    """What the log says; else whether the output, or the answer in it, is a gold answer."""
    if logged.is_correct is not None or logged.output is None or not logged.golds:
        return logged.is_correct
    golds = {gold.strip() for gold in logged.golds}
    return not golds.isdisjoint({logged.output.strip(), (logged.answer or logged.output).strip()})


def _build_foil(logged: LoggedAnswer, *, in_output: bool) -> Record:
    """The first gold answer in place of the output, or of the answer where it is last in the output.

    It gets the blanks that the output has in front, which say nothing about what is right.
    """
    gold, output, answer = logged.golds[0], logged.output or "", (logged.answer or "").strip()
    if in_output and answer and answer in output and answer != output.strip():
        return {"foil_target": answer, "foil_text": gold.strip()}
    return {"foil_text": output[: len(output) - len(output.lstrip())] + gold.strip()}


def as_object(value: Any) -> Record:
    """The value if it is an object, else an empty one."""
    return cast("Record", value) if isinstance(value, dict) else {}


def as_list(value: Any) -> list[Any]:
    """The value if it is a list, else an empty one."""
    return cast("list[Any]", value) if isinstance(value, list) else []
