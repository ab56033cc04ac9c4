"""Convert the rows of data sets for fine-tuning: Alpaca, ShareGPT, and the data sets of TRL."""

from __future__ import annotations

from typing import Any, cast

from promptlight.io.prompts.formats._messages import read_messages, spread_messages
from promptlight.io.prompts.jsonline import RecordError, kind_of
from promptlight.salience.text.chat import MODEL, USER

Record = dict[str, Any]


def convert_alpaca(record: Record, *, with_foil: bool) -> Record:
    """The instruction and its input, with a line feed between, as the prompt, and the output as the target.

    With ``system``, or ``history`` as pairs of what was asked and answered, it is a chat. Instead of the output there
    may be a chosen and a rejected one, as in TRL.
    """
    asked = "\n".join(filter(None, (_read_text(record, name) for name in ("instruction", "input"))))
    system, history, output = _read_text(record, "system"), record.get("history"), _read_text(record, "output")
    rest = _leave_out(record, "instruction", "input", "output", "system", "history", "prompt", "messages")
    prompt: Record = {"prompt": asked}
    if system or history:
        said = [("system", system or ""), *_read_history(history or []), (USER, asked)]
        prompt = {"messages": [{"role": role, "content": text} for role, text in said]}
    if not _has_pair(record):
        return rest | prompt | ({"target": output} if output else {})
    if output:
        raise RecordError("expected `output`, or `chosen` and `rejected` (Alpaca), found all; keep what is meant")
    return _leave_out(rest, "chosen") | prompt | _read_pair(rest, prompt.get("messages"), with_foil=with_foil)


def _read_history(value: Any) -> list[tuple[str, str]]:
    pairs = cast("list[Any]", value) if isinstance(value, list) else [value]
    said: list[tuple[str, str]] = []
    for pair in pairs:
        texts = cast("list[Any]", pair) if isinstance(pair, list) else []
        if len(texts) != 2 or not all(isinstance(text, str) for text in texts):
            raise RecordError("expected `history` to be pairs of texts, asked and answered (Alpaca), found others")
        said += [(USER, texts[0]), (MODEL, texts[1])]
    return said


def convert_sharegpt(record: Record, *, with_foil: bool) -> Record:
    """The conversation as messages, after the text of ``system`` if the record has one.

    LLaMA-Factory has a chosen and a rejected answer beside it, as in TRL.
    """
    conversation, system = spread_messages(record["conversations"]), _read_text(record, "system")
    if not isinstance(conversation, list):
        found = kind_of(conversation)
        raise RecordError(f'expected `conversations` to be an array of {{"from": ..., "value": ...}}, found {found}')
    messages = [{"role": "system", "content": system}] if system else []
    messages += cast("list[Any]", conversation)
    rest = _leave_out(record, "conversations", "system", "prompt")
    pair = _read_pair(rest, messages, with_foil=with_foil) if _has_pair(record) else {}
    rest = _leave_out(rest, "chosen") if pair else rest
    return rest | {"messages": messages} | pair


def convert_trl(record: Record, *, with_foil: bool) -> Record:
    """The completion as the target, or the chosen one and, ``with_foil``, the rejected one as its ``foil_text``.

    Each is text or messages. Without a prompt, it is what both chats begin with. Stepwise ``completions`` are joined by
    line feeds, TRL's own default.
    """
    prompt = spread_messages(record.get("prompt"))
    chosen, rejected = (_spread_answer(record.get(name)) for name in ("chosen", "rejected"))
    if not _has_pair(record):
        if record.get("completion") is None and record.get("completions") is not None:
            target = _join_steps(record["completions"])
        else:
            target = _read_answer("completion", _spread_answer(record.get("completion")), prompt)
        rest = _leave_out(record, "prompt", "messages", "completion")
        return rest | _name_prompt(prompt) | ({"target": target} if target else {})
    if isinstance(chosen, list) and isinstance(rejected, list) and not isinstance(prompt, list):
        prompt, chosen, rejected = _part_chats(prompt, cast("list[Any]", chosen), cast("list[Any]", rejected))
    if prompt is None:
        raise RecordError("expected `prompt` beside `chosen` and `rejected` as texts (TRL), found none; add it")
    rest, answers = _leave_out(record, "prompt", "messages", "chosen"), Record(chosen=chosen, rejected=rejected)
    return rest | _name_prompt(prompt) | _read_pair(record | answers, prompt, with_foil=with_foil)


def _has_pair(record: Record) -> bool:
    return record.get("chosen") is not None and record.get("rejected") is not None


def _read_pair(record: Record, prompt: Any, *, with_foil: bool) -> Record:
    """The chosen answer as the target and, ``with_foil``, the rejected one as its foil, unless the record has one."""
    target, foil = (_read_answer(name, _spread_answer(record[name]), prompt) for name in ("chosen", "rejected"))
    own = not with_foil or record.get("foil")
    return {"target": target} | ({} if own else {"foil_text": foil})


def _spread_answer(value: Any) -> Any:
    """Messages as a list, also a single one."""
    message = cast("Record", value) if isinstance(value, dict) else {}
    is_message = isinstance(message.get("role", message.get("from")), str)
    return [message] if is_message else spread_messages(value)


def _part_chats(prompt: Any, chosen: list[Any], rejected: list[Any]) -> tuple[list[Any], list[Any], list[Any]]:
    """What two chats begin with, and the rest of each, at least a message.

    A prompt that is text must be the last message before them.
    """
    most = max(min(len(chosen), len(rejected)) - 1, 0)
    n_shared = next((n for n in range(most) if chosen[n] != rejected[n]), most)
    if not n_shared and prompt is not None:
        return [{"role": USER, "content": prompt}], chosen, rejected
    last = chosen[n_shared - 1] if n_shared else None
    said = cast("Record", last).get("content") if isinstance(last, dict) else None
    if said is None or (prompt is not None and said != prompt):
        raise RecordError("expected `chosen` and `rejected` to begin with the same prompt (TRL), found others")
    return chosen[:n_shared], chosen[n_shared:], rejected[n_shared:]


def _join_steps(value: Any) -> str:
    steps = cast("list[Any]", value) if isinstance(value, list) else [value]
    if not all(isinstance(step, str) for step in steps):
        raise RecordError("expected `completions` to be texts, the steps of one completion (TRL), found others")
    return "\n".join(steps)


def _name_prompt(prompt: Any) -> Record:
    return {"messages": prompt} if isinstance(prompt, list) else {"prompt": prompt}


def _read_answer(name: str, value: Any, prompt: Any) -> str | None:
    """A completion's text; in a chat, that of the model's one message."""
    if isinstance(value, list):
        messages = read_messages(cast("list[Any]", value)) if value else []
        if isinstance(prompt, list) and len(messages) == 1 and messages[0].role == MODEL:
            return messages[0].text
        raise RecordError(f"expected `{name}` to be one message of the model's after a chat (TRL), found others")
    if value is not None and not isinstance(value, str):
        raise RecordError(f"expected `{name}` to be text or a message (TRL), found {kind_of(value)}")
    return value


def _read_text(record: Record, name: str) -> str | None:
    value = record.get(name)
    if value is not None and not isinstance(value, str):
        raise RecordError(f"expected `{name}` to be text, found {kind_of(value)}; write it in quotes")
    return value if value and value.strip() else None


def _leave_out(record: Record, *names: str) -> Record:
    return {name: value for name, value in record.items() if name not in names}
