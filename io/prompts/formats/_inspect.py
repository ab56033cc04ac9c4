"""Convert a sample of a log of Inspect (inspect_ai), from an ``.eval`` file or a ``.json`` log."""

from __future__ import annotations

from typing import Any, cast

from promptlight.io.prompts.formats._answers import LoggedAnswer, as_list, as_object
from promptlight.io.prompts.jsonline import RecordError, kind_of

Record = dict[str, Any]
_ATTACHMENT = "attachment://"
_VERDICTS: dict[Any, bool] = {"C": True, 1: True, "I": False, "N": False, "P": False, 0: False}  # bool is 0 or 1


def is_inspect_sample(record: Record) -> bool:
    """Whether a record has a sample's fields."""
    return {"input", "output", "epoch"} <= set(record) and isinstance(record["output"], dict)


def convert_inspect_sample(record: Record) -> LoggedAnswer:
    """The messages up to the model's output, the output, and the target as gold.

    Raises RecordError for a sample that failed or whose prompt isn't there.
    """
    if error := record.get("error"):
        said = str(as_object(error).get("message") or error)
        raise RecordError(f"expected a sample that was completed (Inspect), found an error: {said[:200]}; run it again")
    attachments = as_object(record.get("attachments"))
    choices = as_list(as_object(record["output"]).get("choices"))
    said = as_object(as_object(choices[0]).get("message")) if choices else {}
    output, missing = _read_output(said, attachments)
    scores = {name: as_object(score) for name, score in as_object(record.get("scores")).items()}
    answers = [answer for score in scores.values() if isinstance(answer := score.get("answer"), str)]
    return LoggedAnswer(
        id=_name_sample(record),
        prompt=_fill_in(_find_prompt(record, said), attachments),
        output=output,
        missing=missing,
        golds=_read_golds(record.get("target")),
        answer=next((one for one in answers if one.strip() in (output or "")), None),
        is_correct=_judge([score.get("value") for score in scores.values()]),
        fields=_keep_fields(record, scores),
    )


def _name_sample(record: Record) -> str | None:
    """The sample's id, with the epoch as Inspect names its files, but for the first."""
    id, epoch = record.get("id"), record.get("epoch")
    if id is None or isinstance(id, bool) or not isinstance(id, str | int):
        raise RecordError(f"expected `id` to be text or a whole number (Inspect), found {kind_of(id)}")
    return f"{id}" if epoch == 1 else f"{id}_epoch_{epoch}"


def _read_output(message: Record, attachments: Record) -> tuple[str | None, str]:
    """The text that was written, or why there is none."""
    if message.get("tool_calls"):
        return None, "found a call of a tool, which is not read"
    content = _fill_in(message.get("content"), attachments)
    parts = cast("list[Any]", content) if isinstance(content, list) else [{"type": "text", "text": content}]
    for part in map(as_object, parts):
        if part.get("type") == "reasoning":
            return None, "found reasoning beside the text, which is not read"
        if part.get("type") != "text" or not isinstance(part.get("text"), str):
            return None, f"found a part of the type {part.get('type')!r}" if message else "found none"
    text = "".join(part["text"] for part in map(as_object, parts))
    return (text, "") if text.strip() else (None, "found it empty")


def _find_prompt(record: Record, said: Record) -> list[Any]:
    """The messages before the output; without messages, the input."""
    messages = as_list(record.get("messages"))
    if not messages:
        asked = record["input"]
        return as_list(asked) if isinstance(asked, list) else [{"role": "user", "content": asked}]
    if not said:
        return messages
    for place in reversed(range(len(messages))):
        one = as_object(messages[place])
        is_same = one.get("id") == said["id"] if said.get("id") else one.get("content") == said.get("content")
        if one.get("role") == "assistant" and is_same:
            return messages[:place]
    raise RecordError("expected the output among the messages (Inspect), found it nowhere")


def _read_golds(target: Any) -> list[str]:
    texts = cast("list[Any]", target) if isinstance(target, list) else [target]
    return [text for text in texts if isinstance(text, str) and text.strip()]


def _judge(values: list[Any]) -> bool | None:
    """Whether all scorers say that it is right; None if none says so or not."""
    said = [_VERDICTS[one] for one in values if isinstance(one, str | int | float) and one in _VERDICTS]
    return all(said) if said else None


def _keep_fields(record: Record, scores: dict[str, Record]) -> Record:
    """What describes a sample; its events would take more room than all the rest."""
    kept: Record = {
        "sample_id": record.get("id"),
        "epoch": record.get("epoch"),
        "scores": {name: score.get("value") for name, score in scores.items()},
        "choices": record.get("choices"),
        "metadata": record.get("metadata"),
        "model": as_object(record["output"]).get("model"),
    }
    return {name: value for name, value in kept.items() if value not in (None, {}, [])}


def _fill_in(value: Any, attachments: Record) -> Any:
    """The value with the texts that Inspect keeps once, under a name, in their places."""
    if isinstance(value, str) and value.startswith(_ATTACHMENT):
        return attachments.get(value.removeprefix(_ATTACHMENT), value)
    if isinstance(value, list):
        return [_fill_in(one, attachments) for one in cast("list[Any]", value)]
    if isinstance(value, dict):
        return {name: _fill_in(one, attachments) for name, one in cast("Record", value).items()}
    return value
