"""Read the output file of an OpenAI batch: what was written for each request, found by its ``custom_id``.

The texts wait in a file, so that memory holds their places alone.
"""

from __future__ import annotations

import tempfile
import weakref
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, cast

from promptlight.io.prompts.files._encodings import parse_encoding
from promptlight.io.prompts.files._fetching import open_source
from promptlight.io.prompts.files.rows import read_rows, to_record
from promptlight.io.prompts.files.sources import parse_source
from promptlight.io.prompts.formats._answers import as_object
from promptlight.io.prompts.jsonline import RecordError, check_characters
from promptlight.salience.errors import InputError


class Responses:
    """What was written for each request; ``path`` is the file's name in messages."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._texts: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the object
        weakref.finalize(self, self._texts.close)
        self._places: dict[str, tuple[int, int] | str] = {}  # where a text is, or why there is none

    def add(self, record: dict[str, Any]) -> None:
        """Keep one line of the file. Raises RecordError if it is no response, or a second one to a request."""
        id = record.get("custom_id")
        if not isinstance(id, str) or not {"response", "error"} & set(record):
            raise RecordError("expected `custom_id` and `response`, as an OpenAI batch's output has, found others")
        if id in self._places:
            raise RecordError(f"expected one response to each request, found a second one to {id!r}; keep one")
        try:
            text = _read_text(record)
        except RecordError as error:
            self._places[id] = str(error)
            return
        start = self._texts.seek(0, 2)
        self._places[id] = (start, self._texts.write(text.encode()))

    def find(self, id: str) -> str:
        """What was written for a request. Raises RecordError if there is nothing."""
        place = self._places.get(id)
        if place is None:
            raise RecordError(f"expected a response to {id!r} in {self.path}, found none", parameters=("responses",))
        if isinstance(place, str):
            raise RecordError(f"the response to {id!r} in {self.path}: {place}", parameters=("responses",))
        self._texts.seek(place[0])
        return self._texts.read(place[1]).decode()


def read_responses(path: str, encoding: str | None = None) -> Responses:
    """Read a file, or one at an address. Raises InputError with the line that is no response."""
    source = replace(parse_source(path), encoding=parse_encoding(encoding))
    responses = Responses(source.path)
    with tempfile.TemporaryDirectory(prefix="promptlight-") as folder:
        source, file = open_source(source, Path(folder))
        for number, row in read_rows(source, file):
            try:
                if row:
                    responses.add(to_record(source, row))
            except RecordError as error:
                raise InputError(source.path, number, str(error), parameters=("responses",)) from error
    return responses


def _read_text(record: dict[str, Any]) -> str:
    """The text of a response's one choice, of a chat or a completion. Raises RecordError if it has none."""
    response = as_object(record.get("response"))
    body = as_object(response.get("body"))
    if record.get("error") or response.get("status_code", 200) != 200:
        error = as_object(record.get("error") or body.get("error")).get("message")
        said = f"an error: {error[:200]}" if isinstance(error, str) and error else "an error"
        raise RecordError(f"expected one that succeeded, found {said}; leave the request out or ask again")
    text = _join_output(body["output"]) if isinstance(body.get("output"), list) else _take_choice(body.get("choices"))
    if not isinstance(text, str) or not text:
        raise RecordError("expected some text, found none; leave the request out")
    check_characters("a response", text)
    return text


def _take_choice(choices: Any) -> Any:
    """The text of the one choice, of a chat or a completion."""
    if not isinstance(choices, list) or len(cast("list[Any]", choices)) != 1:
        raise RecordError("expected one choice in `response.body.choices`, found none or several; keep one")
    choice = as_object(choices[0])
    message = as_object(choice.get("message"))
    for field in ("tool_calls", "function_call", "reasoning", "reasoning_content"):
        if message.get(field):
            raise RecordError(f"expected text alone, found `{field}`, which is not read")
    return message.get("content") if message else choice.get("text")


def _join_output(items: list[Any]) -> str:
    """The text of what ``/v1/responses`` gives: messages with parts, and reasoning, which may be empty."""
    texts: list[str] = []
    for item in map(as_object, items):
        if item.get("type") == "reasoning" and not item.get("summary") and not item.get("content"):
            continue
        parts = cast("Any", item.get("content")) if item.get("type") == "message" else None
        for part in map(as_object, cast("list[Any]", parts) if isinstance(parts, list) else [item]):
            if part.get("type") != "output_text" or not isinstance(part.get("text"), str):
                raise RecordError(f"expected text alone, found `{part.get('type')}`, which is not read")
            texts.append(part["text"])
    return "".join(texts)
