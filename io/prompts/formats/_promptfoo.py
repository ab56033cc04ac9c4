"""Convert a result of promptfoo: one test, of one prompt and one provider."""

from __future__ import annotations

import re
from typing import Any, cast

from promptlight.io.prompts.formats._answers import LoggedAnswer, as_list, as_object
from promptlight.io.prompts.formats._messages import spread_messages
from promptlight.io.prompts.jsonline import RecordError, kind_of

Record = dict[str, Any]
_BY_ERROR = 2  # `failureReason`: 0 none, 1 an assertion, 2 an error
_SAYING_GOLD = {  # assertions whose value is a right answer, or a part of one
    "equals",
    "contains",
    "icontains",
    "contains-any",
    "icontains-any",
    "starts-with",
    "similar",
    "levenshtein",
    "rouge-n",
    "bleu",
    "gleu",
    "meteor",
    "factuality",
    "model-graded-factuality",
}
_VARIABLE = re.compile(r"\{\{\s*([\w.-]+)\s*\}\}")


def is_promptfoo_result(record: Record) -> bool:
    """Whether a record has a result's fields."""
    prompt = record.get("prompt")
    return isinstance(prompt, dict) and "raw" in prompt and {"provider", "testCase"} <= set(record)


def convert_promptfoo_result(record: Record, name: str) -> LoggedAnswer:
    """The prompt as it was sent, the output, and the gold answer of the assertions; ``name`` is the file's.

    Raises RecordError for a test that failed by an error.
    """
    response = as_object(record.get("response"))
    error = response.get("error") or (record.get("error") if record.get("failureReason") == _BY_ERROR else None)
    if error:
        raise RecordError(f"expected a test that was completed (promptfoo), found an error: {str(error)[:200]}")
    output, variables = response.get("output"), as_object(record.get("vars"))
    said = isinstance(output, str) and bool(output.strip())
    found = "it empty" if output == "" else "none" if output is None else kind_of(output)
    passed = record.get("success")
    return LoggedAnswer(
        id=_name_result(record, name),
        prompt=_read_prompt(as_object(record["prompt"]).get("raw")),
        output=cast("str", output) if said else None,
        missing=f"found {found}",
        golds=_read_golds(record, variables or as_object(as_object(record["testCase"]).get("vars"))),
        is_correct=passed if isinstance(passed, bool) else None,
        fields=_keep_fields(record, variables),
    )


def _name_result(record: Record, name: str) -> str | None:
    """Such as ``out-3-1``: the test's number, and that of the prompt and provider."""
    numbers = [record.get("testIdx"), record.get("promptIdx")]
    return None if None in numbers else "-".join(map(str, [name, *numbers]))


def _read_prompt(raw: Any) -> Any:
    """The text that was sent, or a chat, which promptfoo has as JSON text or YAML."""
    if not isinstance(raw, str) or not raw.strip():
        raise RecordError(f"expected `prompt.raw` to be text (promptfoo), found {kind_of(raw)}")
    if raw.lstrip().startswith("- role:"):
        raise RecordError("expected a chat as JSON in `prompt.raw` (promptfoo), found YAML, which is not read")
    return spread_messages(raw)


def _read_golds(record: Record, variables: Record) -> list[str]:
    """The values of assertions that say what is right, without repeats."""
    graded = as_list(as_object(record.get("gradingResult")).get("componentResults"))
    stated = [as_object(as_object(one).get("assertion")) for one in graded]
    stated += [as_object(one) for one in as_list(as_object(record["testCase"]).get("assert"))]
    golds: list[str] = []
    for assertion in stated:
        if assertion.get("type") in _SAYING_GOLD:
            value = assertion.get("value")
            golds += [_render(one, variables) for one in (as_list(value) or [value])]
    return list(dict.fromkeys(gold for gold in golds if gold.strip() and "{{" not in gold))


def _render(value: Any, variables: Record) -> str:
    """An assertion's value with the test's variables in it; one that isn't there stays as it is."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return _VARIABLE.sub(lambda found: str(variables.get(found[1], found[0])), str(value))


def _keep_fields(record: Record, variables: Record) -> Record:
    provider, prompt = record.get("provider"), as_object(record["prompt"])
    kept: Record = {
        "provider": as_object(provider).get("label") or as_object(provider).get("id") or provider,
        "prompt_label": prompt.get("label") if prompt.get("label") != prompt.get("raw") else None,
        "vars": variables,
        "score": record.get("score"),
        "reason": as_object(record.get("gradingResult")).get("reason"),
        "metadata": as_object(record["testCase"]).get("metadata"),
    }
    return {name: value for name, value in kept.items() if value not in (None, {}, [])}
