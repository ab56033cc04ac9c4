"""Recognise a record in another tool's format by its keys, and convert it to the fields of ours.

    format         keys                                           what they become
    OpenAI batch   custom_id, body: messages | prompt | input,    id, messages | prompt,
                   max_tokens, stop                               max_new_tokens, stop
    Alpaca         instruction, input, output                     prompt, target
    ShareGPT       conversations: from, value                     messages; both also with TRL's chosen and rejected
    TRL            prompt, completion | chosen, rejected          prompt | messages, target, foil_text
    Inspect        input, output, epoch, messages, scores         messages, target, gold, correct
    lm-eval        doc, arguments, resps                          prompt | messages, target, gold, correct
    promptfoo      prompt: raw; provider, testCase, response      prompt | messages, target, gold, correct

Our own fields come first: a record with ``messages``, or with ``prompt`` and none of TRL's fields, is ours, unless it
has those of an evaluation's log (the last three). A key whose value is null is absent. Everything that isn't converted
stays in the record; of a log, what describes the answer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from promptlight.io.prompts._fields import find_field
from promptlight.io.prompts.formats._answers import LoggedAnswer, build_record
from promptlight.io.prompts.formats._inspect import convert_inspect_sample, is_inspect_sample
from promptlight.io.prompts.formats._lm_eval import convert_lm_eval_sample, is_lm_eval_sample
from promptlight.io.prompts.formats._openai import LIMITS, convert_openai_batch
from promptlight.io.prompts.formats._promptfoo import convert_promptfoo_result, is_promptfoo_result
from promptlight.io.prompts.formats._tuning import convert_alpaca, convert_sharegpt, convert_trl
from promptlight.io.prompts.jsonline import RecordError
from promptlight.salience.types import Explain

Record = dict[str, Any]


class RecordFormat(StrEnum):
    """Whose fields a record has; AUTO finds out by its keys."""

    AUTO = "auto"
    OWN = "promptlight"
    OPENAI_BATCH = "openai-batch"
    ALPACA = "alpaca"
    SHAREGPT = "sharegpt"
    TRL = "trl"
    INSPECT = "inspect"
    LM_EVAL = "lm-eval"
    PROMPTFOO = "promptfoo"


NAMES = {
    RecordFormat.OPENAI_BATCH: "OpenAI batch",
    RecordFormat.ALPACA: "Alpaca",
    RecordFormat.SHAREGPT: "ShareGPT",
    RecordFormat.TRL: "TRL",
    RecordFormat.INSPECT: "Inspect log",
    RecordFormat.LM_EVAL: "lm-evaluation-harness log",
    RecordFormat.PROMPTFOO: "promptfoo results",
}
LOGS = (RecordFormat.INSPECT, RecordFormat.LM_EVAL, RecordFormat.PROMPTFOO)
MAYBE_LOGS = (RecordFormat.AUTO, *LOGS)
_OF_RESULTS = {"prompt", "turns", "completion", "completion_is", "stop_reason", "fingerprint"}
_NEEDED = {  # what a record must have
    RecordFormat.OPENAI_BATCH: "`custom_id` and `body`",
    RecordFormat.ALPACA: "`instruction` and `input` or `output`",
    RecordFormat.SHAREGPT: "`conversations`",
    RecordFormat.TRL: "`prompt`, or `chosen` and `rejected`",
    RecordFormat.INSPECT: "`input`, `output` and `epoch`",
    RecordFormat.LM_EVAL: "`doc`, `arguments` and `resps`",
    RecordFormat.PROMPTFOO: "`prompt.raw`, `provider` and `testCase`",
}
_GIVEN_AS: dict[RecordFormat, dict[str, Sequence[str]]] = {  # the fields that ours are made of
    RecordFormat.OPENAI_BATCH: {
        "id": ["custom_id"],
        "messages": ["body.messages", "body.input"],
        "prompt": ["body.prompt"],
        "stop": ["body.stop"],
        "max_new_tokens": [f"body.{name}" for name in LIMITS],
    },
    RecordFormat.ALPACA: {"prompt": ["instruction"], "target": ["output", "chosen"], "foil_text": ["rejected"]},
    RecordFormat.SHAREGPT: {"messages": ["conversations"], "target": ["chosen"], "foil_text": ["rejected"]},
    RecordFormat.TRL: {"messages": ["prompt", "chosen"], "target": ["chosen", "completion"], "foil_text": ["rejected"]},
}


@dataclass
class Seen:
    """How many records there were of each format but ours, how many set a parameter that no run follows, and how many
    were left out because their answers were right.

    ``notes`` are lines about files, such as the encoding that one was read in. ``n_parsed`` are prompts that were JSON
    text with messages.
    """

    formats: Counter[RecordFormat] = field(default_factory=Counter[RecordFormat])
    unfollowed: Counter[str] = field(default_factory=Counter[str])
    notes: list[str] = field(default_factory=list[str])
    n_right: int = 0
    n_parsed: int = 0


def convert_record(
    record: Record, format: RecordFormat, explain: Explain, seen: Seen, name: str = "", *, gold_as_foil: bool = False
) -> Record:
    """The record with our fields, counted in ``seen``. Raises RecordError if it isn't of the format, or of several.

    Where no target is explained, there is nothing to contrast with a foil either. ``name`` is the file's, for the ids
    of a log. The gold answers of a log may become foils; other records must have their own then.
    """
    format = recognize_format(record) if format is RecordFormat.AUTO else format
    _check_log(record, format, explain, gold_as_foil=gold_as_foil)
    if format is RecordFormat.OWN:
        return record
    if not _has_keys(record, format):
        found = ", ".join(f"`{name[:30]}`" for name in list(record)[:5]) or "no fields"
        raise RecordError(f"expected {_NEEDED[format]} ({NAMES[format]}), found {found}", parameters=("format",))
    if format in LOGS:
        seen.formats[format] += 1  # also of what has no answer, such as a sample that failed
        return build_record(_convert_log(record, format, name), explain, gold_as_foil=gold_as_foil)
    unfollowed: list[str] = []
    with_foil = explain is Explain.TARGET
    match format:
        case RecordFormat.OPENAI_BATCH:
            converted, unfollowed = convert_openai_batch(record)
        case RecordFormat.ALPACA:
            converted = convert_alpaca(record, with_foil=with_foil)
        case RecordFormat.SHAREGPT:
            converted = convert_sharegpt(record, with_foil=with_foil)
        case _:
            converted = convert_trl(record, with_foil=with_foil)
    seen.formats[format] += 1
    seen.unfollowed.update(unfollowed)
    return converted


def name_as_given(record: Record, format: RecordFormat) -> dict[str, str]:
    """For each field of ours that a record's format gave, the name of the field in the record."""
    there = {
        own: [name for name in names if find_field(record, name)[1] is not None]
        for own, names in _GIVEN_AS.get(format, {}).items()
    }
    return {own: names[0] for own, names in there.items() if names}


def is_log(format: RecordFormat, record: Record) -> bool:
    """Whether a record is of an evaluation's log, by the format that was asked for or its keys."""
    return (recognize_format(record) if format is RecordFormat.AUTO else format) in LOGS


def _check_log(record: Record, format: RecordFormat, explain: Explain, *, gold_as_foil: bool) -> None:
    """Raise RecordError if what is asked for is only in a log, and this is none."""
    if format not in LOGS and explain is Explain.OUTPUT:
        raise RecordError("expected a record of an evaluation's log, found another", parameters=("explain",))
    if format not in LOGS and gold_as_foil and not (record.get("foil") or record.get("foil_text")):
        raise RecordError("expected a right answer from an evaluation's log, found no log", parameters=("foil",))


def _convert_log(record: Record, format: RecordFormat, name: str) -> LoggedAnswer:
    match format:
        case RecordFormat.INSPECT:
            return convert_inspect_sample(record)
        case RecordFormat.LM_EVAL:
            return convert_lm_eval_sample(record, name)
        case _:
            return convert_promptfoo_result(record, name)


def recognize_format(record: Record) -> RecordFormat:
    """The format whose keys a record has; ours, if it has those of none.

    Raises RecordError if it has several's, or those of stored results.
    """
    if set(record) >= _OF_RESULTS:  # a chat is its text there, and would be read as plain text
        found = "expected prompts, found results of promptlight; run the file that they were made of, or `try` them"
        raise RecordError(found, parameters=("prompt_field",))
    if logs := [format for format in LOGS if _has_keys(record, format)]:
        return logs[0]
    there = _list_given(record)
    if "messages" in there:
        return RecordFormat.OWN
    if "prompt" in there:
        is_trl = "target" not in there and ("completion" in there or {"chosen", "rejected"} <= there)
        return RecordFormat.TRL if is_trl else RecordFormat.OWN
    found = [format for format in NAMES if _has_keys(record, format)]
    if found in ([RecordFormat.ALPACA, RecordFormat.TRL], [RecordFormat.SHAREGPT, RecordFormat.TRL]):
        return found[0]  # its answers in pairs
    if len(found) > 1:
        names = " and ".join(NAMES[format] for format in found)
        raise RecordError(f"expected the fields of one format, found those of {names}", parameters=("format",))
    return found[0] if found else RecordFormat.OWN


def _has_keys(record: Record, format: RecordFormat) -> bool:
    there = _list_given(record)
    match format:
        case RecordFormat.OPENAI_BATCH:
            return {"custom_id", "body"} <= there
        case RecordFormat.ALPACA:
            return "instruction" in there and not {"input", "output"}.isdisjoint(record)
        case RecordFormat.SHAREGPT:
            return "conversations" in there
        case RecordFormat.INSPECT:
            return is_inspect_sample(record)
        case RecordFormat.LM_EVAL:
            return is_lm_eval_sample(record)
        case RecordFormat.PROMPTFOO:
            return is_promptfoo_result(record)
        case _:
            return "prompt" in there or {"chosen", "rejected"} <= there


def _list_given(record: Record) -> set[str]:
    """The names of the fields that have a value."""
    return {name for name, value in record.items() if value is not None and value != ""}
