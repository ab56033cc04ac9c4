"""Read what a reader of the page asks for, and make jobs of it; what is not understood is refused by name."""

# pyright: standard

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from promptlight.cli.server._edits import change_turns
from promptlight.cli.server._jobs import Job, Kind, hash_request
from promptlight.cli.server._limits import Limits
from promptlight.cli.server._questions import Questions
from promptlight.cli.server._shelf import Shelf
from promptlight.cli.server._values import LONGEST_NAME, check_note, read_line, read_text
from promptlight.io.prompts.formats.recognition import RecordFormat
from promptlight.io.prompts.reader import PromptReader
from promptlight.io.prompts.reading import Reading
from promptlight.io.prompts.records import OPTIONS, fingerprint
from promptlight.io.results.tried import LABEL
from promptlight.salience.errors import InputError, UsageError
from promptlight.salience.options.analysis import AnalysisOptions
from promptlight.salience.text.printable import one_line
from promptlight.salience.types import Prompt, SetAside

_KEYS = {
    "write": ({"parent", "turn", "turns", "text", "id", "chat", "note", "author"}),
    "file": ({"name", "text", "author"}),
    "each": ({"id", "by", "target", "target_by", "author", "note"}),
    "ask": ({"id", "method", "objective", "foil", "author", "note"}),
}
_UNSAFE = re.compile(r"[^a-zA-Z0-9_-]+")


@dataclass(frozen=True, kw_only=True)
class Requests:
    """Makes jobs of requests about a folder's prompts; ``options`` are those that new prompts are explained with."""

    shelf: Shelf
    options: AnalysisOptions
    limits: Limits

    def read(self, request: Mapping[str, Any], now: str, taken: Collection[str], *, repeats: bool = True) -> list[Job]:
        """The jobs of a request, with ids that are not ``taken``. Raises UsageError or InputError if it can't be.

        ``repeats``: the model writes the same again for the same prompt.
        """
        kind = _check_request(request)
        note, author = check_note(request, self.limits)
        common = {"created": now, "author": author, "note": note}
        questions = Questions(shelf=self.shelf, limits=self.limits)
        if kind == "each":
            return [Job(**common, **questions.read_each(request))]
        if kind == "ask":
            return [Job(**common, **questions.read_ask(request))]
        if kind == "file":
            prompts, parent = self._read_file(request), None
        elif request.get("parent") is not None:
            prompts, parent = [self._change(request, repeats=repeats)], self._find_id(request, "parent")
        else:
            prompts, parent = [self._read_new(request)], None
        jobs: list[Job] = []
        used = set(taken)
        for prompt in prompts:
            id = _choose_id(parent, prompt.id, used)
            used.add(id)
            made = {"key": hash_request(request), "parent": parent, "makes": id, "prompt": replace(prompt, id=id)}
            said = self._read_own_note(prompt) if kind == "file" else {}
            jobs.append(Job(kind=Kind.WRITE, **{**common, **said}, **made))
        return jobs

    def _read_own_note(self, prompt: Prompt) -> dict[str, str]:
        """The note and the author that a record of a file has itself; they are not replaced by those of its reader."""
        said = {name: prompt.fields[name] for name in ("note", "author") if isinstance(prompt.fields.get(name), str)}
        check_note(said, self.limits)
        return said

    def _find_id(self, request: Mapping[str, Any], key: str) -> str:
        return self.shelf.find(read_text(request, key))[1].id

    # ---- prompts -----------------------------------------------------------------------------------------------------

    def _change(self, request: Mapping[str, Any], *, repeats: bool) -> Prompt:
        """The parent with the new text of a turn, or of several."""
        _, slot = self.shelf.find(read_text(request, "parent"))
        parent = self.shelf.fetch(slot).completion.prompt
        refused = [name for name in ("id", "chat") if request.get(name) not in (None, False)]
        if refused:
            raise UsageError(f"expected no `{refused[0]}` beside `parent`: a changed prompt has its parent's")
        changed = change_turns(parent, self._read_turns(request))
        if changed.text == parent.text and repeats:
            raise UsageError("expected a change, found the prompt as it was: the model would write the same again")
        fields = {name: parent.fields[name] for name in OPTIONS if name in parent.fields}
        print_of = json.dumps({"prompt": changed.text, **fields}, sort_keys=True, default=str)
        return replace(
            changed, label=LABEL, fields=fields, path="<prompt>", line=None, fingerprint=fingerprint(print_of.encode())
        )

    def _read_turns(self, request: Mapping[str, Any]) -> dict[int, str]:
        turns = request.get("turns")
        if turns is None:
            turns = [{"turn": request.get("turn", 0), "text": request.get("text")}]
        elif "turn" in request or "text" in request:
            raise UsageError("expected either `turns`, or `turn` and `text`, found both")
        if not isinstance(turns, list) or not turns:
            raise UsageError("expected `turns` to be a list of changed turns")
        found: dict[int, str] = {}
        for one in turns:
            if not isinstance(one, Mapping) or set(one) != {"turn", "text"} or type(one["turn"]) is not int:
                raise UsageError("expected each of `turns` to have `turn`, a whole number, and `text`")
            if one["turn"] in found:
                raise UsageError(f"expected each turn once, found turn {one['turn']} twice")
            found[one["turn"]] = self._read_prompt_text(one)
        return found

    def _read_prompt_text(self, request: Mapping[str, Any]) -> str:
        text = read_text(request, "text")
        if not text.strip():
            raise UsageError("expected a prompt with some text, found none")
        n_bytes, most = len(text.encode()), self.limits.prompt_bytes
        if n_bytes > most:
            raise UsageError(f"expected a prompt of at most {most:,} bytes, found {n_bytes:,}: shorten it")
        return text

    def _read_new(self, request: Mapping[str, Any]) -> Prompt:
        """A prompt that somebody typed."""
        if "turn" in request or "turns" in request:
            raise UsageError("expected `parent` beside a turn, found none: a new prompt has a text alone")
        chat = request.get("chat", False)
        if type(chat) is not bool:
            raise UsageError(f"expected `chat` to be true or false, found {chat!r}")
        line = json.dumps({"prompt": self._read_prompt_text(request)})
        reading = Reading(format=RecordFormat.OWN, chat=chat, explain=self.options.explain)
        (prompt,) = self.read_lines("new", line, reading)
        id = read_line(request, "id")
        return replace(prompt, id=id or "", label=LABEL)

    def _read_file(self, request: Mapping[str, Any]) -> list[Prompt]:
        """The prompts of a file. Raises InputError for the first record that can't be used: then none is taken."""
        name = one_line(read_line(request, "name")) or "prompts.jsonl"
        if not name.lower().endswith((".jsonl", ".ndjson")):
            raise UsageError(f"expected a JSONL file, a JSON object on each line, found {name}")
        reading = Reading(chat=bool(self.shelf.sources[0].settings.get("chat")), explain=self.options.explain)
        prompts = self.read_lines(name, read_text(request, "text"), reading)
        return [
            replace(prompt, label=LABEL, fields={**({"label": prompt.label} if prompt.label else {}), **prompt.fields})
            for prompt in prompts
        ]

    def read_lines(self, name: str, text: str, reading: Reading) -> list[Prompt]:
        """Read records as ``run`` does. The reader's own files have names that no client chose."""
        stem = _UNSAFE.sub("-", Path(name).stem)[:40].strip("-")
        stem = stem if stem[:1].isalpha() else f"prompts-{stem}".strip("-")
        prompts: list[Prompt] = []
        with tempfile.TemporaryDirectory(prefix="promptlight-") as folder:
            path = Path(folder) / "prompts.jsonl"
            path.write_bytes(text.encode())
            try:
                for record in PromptReader(f"{stem}:{path}", reading=reading):
                    if isinstance(record, SetAside):
                        raise InputError(name, record.line, record.reason)
                    self._check_record(name, record)
                    prompts.append(replace(record, path=name))
                    if len(prompts) > self.limits.records:
                        raise UsageError(f"{name}: expected at most {self.limits.records:,} records, found more")
            except InputError as error:
                raise InputError(name, error.line, error.reason) from error
        return prompts

    def _check_record(self, name: str, record: Prompt) -> None:
        if len(record.text.encode()) > self.limits.prompt_bytes:
            reason = f"expected a prompt of at most {self.limits.prompt_bytes:,} bytes, found a longer one"
            raise InputError(name, record.line, reason)
        if len(record.id) > LONGEST_NAME:
            raise InputError(name, record.line, f"expected an id of at most {LONGEST_NAME} characters")


def _check_request(request: Mapping[str, Any]) -> str:
    """The kind of a request. Raises UsageError for an unknown one, or a key that it does not have."""
    if not isinstance(request, Mapping):
        raise UsageError("expected an object with `kind`")
    kind = request.get("kind")
    if not isinstance(kind, str) or kind not in _KEYS:
        raise UsageError(f"expected `kind` to be {', '.join(_KEYS)}, found {kind!r}")
    for name in request:
        if name != "kind" and name not in _KEYS[kind]:
            raise UsageError(f"expected `{'`, `'.join(sorted(_KEYS[kind]))}`, found `{name}`")
    return kind


def _choose_id(parent: str | None, own: str, taken: Collection[str]) -> str:
    """The id of a new row: its own if that is free, else the first free ``<parent>~1``, ``~2``, ..."""
    if parent is None and own and own not in taken:
        return own
    stem, number = (parent if parent is not None else own) or "new", 1
    while f"{stem}~{number}" in taken:
        number += 1
    return f"{stem}~{number}"
