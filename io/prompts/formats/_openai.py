"""Convert a request of an OpenAI batch file, as vLLM and Together read it, too."""

from __future__ import annotations

from typing import Any, cast

from promptlight.io.prompts.jsonline import RecordError, kind_of, parse_object

LIMITS = ("max_completion_tokens", "max_tokens")  # the newer name goes first
_CONVERTED = ("messages", "prompt", "stop", *LIMITS)
_WITHOUT_EFFECT = {  # on what is written: whose request it is, how it is answered, and what comes besides
    "model",
    "user",
    "metadata",
    "store",
    "stream",
    "stream_options",
    "service_tier",
    "safety_identifier",
    "prompt_cache_key",
    "prompt_cache_retention",
    "priority",
    "request_id",
    "logprobs",
    "top_logprobs",
    "prompt_logprobs",
    "seed",  # of a draw, which a temperature asks for
    "parallel_tool_calls",  # of tools
}
_NEUTRAL: dict[
    str, tuple[Any, ...]
] = {  # values that change nothing; 0 is the temperature of a run without --temperature
    "temperature": (0,),
    "n": (1,),
    "best_of": (1,),
    "top_p": (1,),
    "top_k": (0, -1),
    "min_p": (0,),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "repetition_penalty": (1,),
    "length_penalty": (1,),
    "min_tokens": (0,),
    "tool_choice": ("none",),
    "response_format": ({"type": "text"},),
    "echo": (False,),
    "ignore_eos": (False,),
    "use_beam_search": (False,),
    "add_generation_prompt": (True,),
    "skip_special_tokens": (True,),
    "spaces_between_special_tokens": (True,),
}


def convert_openai_batch(record: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The request's prompt, limit, stop texts and id, and the names of parameters that a run doesn't follow.

    ``body`` keeps what isn't converted.
    """
    body = {name: value for name, value in _read_body(record["body"]).items() if value is not None}
    if ("messages" in body) == ("prompt" in body):
        found = "both" if "prompt" in body else ", ".join(f"`{name[:30]}`" for name in list(body)[:5]) or "no fields"
        raise RecordError(f"expected `body.messages` or `body.prompt` (OpenAI batch), found {found}")
    ours: dict[str, Any] = {"id": record["custom_id"]}
    ours |= {"messages": body["messages"]} if "messages" in body else {"prompt": _read_prompt(body["prompt"])}
    if "stop" in body and body["stop"] != []:
        ours["stop"] = body["stop"]
    if limits := [body[name] for name in LIMITS if name in body]:
        ours["max_new_tokens"] = limits[0]
    rest = {name: value for name, value in record.items() if name not in ("custom_id", "body", "prompt", "messages")}
    kept = {name: value for name, value in body.items() if name not in _CONVERTED}
    return rest | ({"body": kept} if kept else {}) | ours, [
        name for name, value in kept.items() if _counts(name, value)
    ]


def _read_body(value: Any) -> dict[str, Any]:
    """The request's parameters; in a table's column they may be JSON text."""
    if isinstance(value, str) and value.lstrip().startswith("{"):
        return parse_object(value.encode("utf-8", "surrogatepass"))
    if not isinstance(value, dict):
        raise RecordError(f"expected `body` to be an object (OpenAI batch), found {kind_of(value)}")
    return cast("dict[str, Any]", value)


def _read_prompt(value: Any) -> str:
    """A text, which may stand in a list of one."""
    if isinstance(value, list) and len(texts := cast("list[Any]", value)) == 1:
        value = texts[0]
    if not isinstance(value, str):
        found = f"{len(cast('list[Any]', value))} items" if isinstance(value, list) else kind_of(value)
        raise RecordError(f"expected `body.prompt` to be one text (OpenAI batch), found {found}")
    return value


def _counts(name: str, value: Any) -> bool:
    """Whether a parameter changes what a model writes."""
    return name not in _WITHOUT_EFFECT and value not in ([], {}) and value not in _NEUTRAL.get(name, ())
