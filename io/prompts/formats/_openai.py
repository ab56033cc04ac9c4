"""Convert a request of an OpenAI batch file, as vLLM and Together read it, too: for a chat, a completion or a response
(``/v1/responses``).
"""

from __future__ import annotations

from typing import Any, cast

from promptlight.io.prompts.jsonline import RecordError, kind_of, parse_object

LIMITS = ("max_completion_tokens", "max_tokens", "max_output_tokens")  # the newer name goes first
_ASKED = ("messages", "prompt", "input")  # in each of the three
_CONVERTED = (*_ASKED, "stop", *LIMITS)
_NOT_FOR_TEXT = ("/embeddings", "/moderations")  # have an input, too
_EARLIER = ("previous_response_id", "conversation")  # what was said before, which is not in the file
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
    "background",
    "include",
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
    "text": ({"format": {"type": "text"}},),
    "truncation": ("disabled",),
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
    asked = [name for name in _ASKED if name in body]
    if len(asked) != 1:
        names = asked or list(body)[:5]
        found = ", ".join(f"`{name[:30]}`" for name in names) or "no fields"
        raise RecordError(f"expected one of `body.messages`, `body.prompt`, `body.input` (OpenAI batch), found {found}")
    ours: dict[str, Any] = {"id": record["custom_id"]}
    match asked[0]:
        case "messages":
            ours["messages"] = body["messages"]
        case "prompt":
            ours["prompt"] = _read_prompt(body["prompt"])
        case _:
            ours["messages"] = _read_input(body, record.get("url"))
            body.pop("instructions", None)
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


def _read_input(body: dict[str, Any], url: Any) -> list[Any]:
    """The messages of a request for a response: its instructions, then its input, a text or messages."""
    if isinstance(url, str) and url.endswith(_NOT_FOR_TEXT):
        raise RecordError(f"expected a request for text (OpenAI batch), found one for {url}")
    for name in _EARLIER:
        if name in body:
            raise RecordError(
                f"expected the whole chat in `body.input` (OpenAI batch), found `{name}`; add what it has"
            )
    asked, instructions = body["input"], body.get("instructions")
    if not isinstance(asked, str | list):
        raise RecordError(f"expected `body.input` to be text or messages (OpenAI batch), found {kind_of(asked)}")
    messages: list[Any] = [{"role": "user", "content": asked}] if isinstance(asked, str) else cast("list[Any]", asked)
    return [{"role": "system", "content": instructions}, *messages] if instructions else messages


def _counts(name: str, value: Any) -> bool:
    """Whether a parameter changes what a model writes."""
    return name not in _WITHOUT_EFFECT and value not in ([], {}) and value not in _NEUTRAL.get(name, ())
