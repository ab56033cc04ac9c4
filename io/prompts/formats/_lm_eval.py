"""Convert a line of the samples that lm-evaluation-harness logs with ``log_samples``.

A task that generates has one request for each document, with the responses to it; each response is a record. A task
that ranks continuations has a request for each, with its log-likelihood; the likeliest is what the model chose.
"""

from __future__ import annotations

import ast
import math
import re
from contextlib import suppress
from typing import Any, cast

from promptlight.io.prompts.formats._answers import LoggedAnswer, as_list, as_object
from promptlight.io.prompts.formats._messages import spread_messages
from promptlight.io.prompts.jsonline import RecordError

Record = dict[str, Any]
_METRICS = re.compile(r"exact_match|acc|em|pass@1|prompt_level_(strict|loose)_acc", re.IGNORECASE)  # 1: right, 0: wrong
_DROPPED = {"doc_id", "arguments", "resps", "filtered_resps", "target", "metrics", "repeat"}
_FILE = re.compile(r"samples_(.+)_\d{4}-\d\d-\d\dT[\d.:-]+")
NAME = "lm-evaluation-harness"


def is_lm_eval_sample(record: Record) -> bool:
    """Whether a record has a sample's fields."""
    return {"doc", "arguments", "resps"} <= set(record)


def spread_responses(record: Record) -> list[Record]:
    """A record for each response to a request that generates; any other record as it is."""
    requests = as_list(record.get("resps"))
    texts = as_list(requests[0]) if len(requests) == 1 else []
    if len(texts) < 2 or not all(isinstance(text, str) for text in texts):
        return [record]
    return [record | {"resps": [[text]], "repeat": number} for number, text in enumerate(texts, 1)]


def convert_lm_eval_sample(record: Record, name: str) -> LoggedAnswer:
    """The prompt, the response or the likeliest continuation, and the target as gold; ``name`` is the file's.

    Raises RecordError for a request of another kind.
    """
    requests = _read_requests(record["arguments"])
    fields = {field: value for field, value in record.items() if field not in _DROPPED and field[-5:] != "_hash"}
    if "repeat" in record:
        fields["repeat"] = record["repeat"]
    shared: Record = {"id": _name_sample(record, name), "is_correct": _judge(record), "fields": fields}
    if len(requests) == 1 and isinstance(requests[0][1], dict):
        return _convert_generation(record, requests[0][0], shared)
    if len(requests) > 1 and all(isinstance(said, str) for _, said in requests):
        return _convert_choice(record, requests, shared)
    raise RecordError(
        f"expected a task that generates or chooses ({NAME}), found one that measures a likelihood: the model wrote"
        " nothing"
    )


def _read_requests(value: Any) -> list[tuple[Any, Any]]:
    """The prompt of each request, and what goes with it: parameters, or a continuation."""
    given = [as_list(one) or list(as_object(one).values()) for one in as_list(value) or as_object(value).values()]
    if not given or not all(given):
        raise RecordError(f"expected `arguments` to be requests ({NAME}), found others")
    return [(parts[0], parts[1] if len(parts) > 1 else None) for parts in given]


def _name_sample(record: Record, name: str) -> str:
    """Such as ``gsm8k-7``: the task, as the file's name has it, and the document, with a filter or a repeat."""
    named = _FILE.fullmatch(name)
    filtered = record.get("filter")
    parts = [named[1] if named else name, record.get("doc_id")]
    parts += [filtered] if isinstance(filtered, str) and filtered != "none" else []
    return "-".join(map(str, [*parts, *([record["repeat"]] if "repeat" in record else [])]))


def _convert_generation(record: Record, prompt: Any, shared: Record) -> LoggedAnswer:
    response, (answer, *_) = _take_first(record["resps"]), as_list(record.get("filtered_resps")) or [None]
    if "repeat" in record:  # the score is that of all responses together
        shared, answer = shared | {"is_correct": None}, None
    return LoggedAnswer(
        prompt=_read_prompt(prompt),
        output=response if isinstance(response, str) and response.strip() else None,
        missing="found none",
        golds=_read_golds(record),
        answer=answer if isinstance(answer, str) else None,
        **shared,
    )


def _take_first(value: Any) -> Any:
    """The first item of a list of lists."""
    while parts := as_list(value):
        value = parts[0]
    return value


def _read_prompt(value: Any) -> Any:
    """A text, or a chat as JSON text, which may stand in a list of one."""
    if isinstance(value, list) and len(texts := cast("list[Any]", value)) == 1:
        value = texts[0]
    if not isinstance(value, str):
        raise RecordError(f"expected the prompt of a request to be text ({NAME}), found others")
    return spread_messages(value)


def _read_golds(record: Record) -> list[str]:
    """The target, or each of several: the log has Python's form of a list."""
    target = record.get("target")
    if isinstance(target, str) and target.startswith("[") and target not in as_object(record["doc"]).values():
        with suppress(ValueError, SyntaxError, MemoryError, RecursionError):
            target = ast.literal_eval(target)
    texts = as_list(cast("Any", target)) or [target]
    return [str(text) for text in texts if isinstance(text, str | int) and str(text).strip()]


def _convert_choice(record: Record, requests: list[tuple[Any, Any]], shared: Record) -> LoggedAnswer:
    """The likeliest continuation of one prompt, and the right one."""
    prompt = requests[0][0]
    if any(one != prompt for one, _ in requests):
        raise RecordError(f"expected continuations of one prompt ({NAME}), found several prompts in a document")
    likelihoods = [_read_likelihood(one) for one in as_list(record["resps"])]
    if len(likelihoods) != len(requests):
        raise RecordError(f"expected a response to each request ({NAME}), found {len(likelihoods)}")
    said = [text for _, text in requests]
    chosen = likelihoods.index(max(likelihoods))
    return LoggedAnswer(prompt=_read_prompt(prompt), output=said[chosen], golds=_find_right(record, said), **shared)


def _read_likelihood(value: Any) -> float:
    """The first number of a response, such as ``[["-6.0", "False"]]``."""
    try:
        number = float(_take_first(value))
    except (TypeError, ValueError):
        number = math.nan
    if math.isnan(number):  # which can't be compared
        raise RecordError(f"expected log-likelihoods in `resps` ({NAME}), found others")
    return number


def _find_right(record: Record, said: list[str]) -> list[str]:
    """The right continuations: the target is a number of one, or its text."""
    stripped = [text.strip() for text in said]
    found: list[str] = []
    for gold in _read_golds(record):
        if re.fullmatch(r"\d{1,4}", gold) and int(gold) < len(said):
            found.append(said[int(gold)])
        elif gold.strip() in stripped:
            found.append(said[stripped.index(gold.strip())])
    return found


def _judge(record: Record) -> bool | None:
    """The first metric that says right or wrong."""
    for name in as_list(record.get("metrics")) or list(record):
        if isinstance(name, str) and _METRICS.fullmatch(name) and (value := record.get(name)) in (0, 1):
            return bool(value)
    return None
