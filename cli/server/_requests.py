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

from promptlight.cli.options.analysis import choose_objective
from promptlight.cli.server._edits import change_turns
from promptlight.cli.server._jobs import Job, Kind, hash_request
from promptlight.cli.server._limits import Limits
from promptlight.cli.server._shelf import Shelf
from promptlight.io.prompts.formats.recognition import RecordFormat
from promptlight.io.prompts.jsonline import HALF_CHARACTER
from promptlight.io.prompts.reader import PromptReader
from promptlight.io.prompts.reading import Reading
from promptlight.io.prompts.records import OPTIONS, fingerprint
from promptlight.io.results.tried import LABEL
from promptlight.salience.errors import InputError, UsageError
from promptlight.salience.explain.explanation import Question
from promptlight.salience.options.analysis import AnalysisOptions
from promptlight.salience.options.methods import ABLATION_METHODS, EmbeddingPart
from promptlight.salience.regeneration.finding_causes import LAST, plan_parts
from promptlight.salience.text.printable import one_line
from promptlight.salience.text.spelling import suggest
from promptlight.salience.types import Granularity, Method, Objective, Prompt, SetAside

_KEYS = {
    "write": ({"parent", "turn", "turns", "text", "id", "chat", "note", "author"}),
    "file": ({"name", "text", "author"}),
    "each": ({"id", "by", "target", "target_by", "author", "note"}),
    "ask": ({"id", "method", "objective", "foil", "author", "note"}),
}
_LONGEST_NAME = 200  # characters of an id, an author, a file's name
_UNSAFE = re.compile(r"[^a-zA-Z0-9_-]+")


@dataclass(frozen=True, kw_only=True)
class Requests:
    """Makes jobs of requests about a folder's prompts; ``options`` are those that new prompts are explained with."""

    shelf: Shelf
    options: AnalysisOptions
    limits: Limits

    def read(self, request: Mapping[str, Any], now: str, taken: Collection[str]) -> list[Job]:
        """The jobs of a request, with ids that are not ``taken``. Raises UsageError or InputError if it can't be."""
        kind = _check_request(request)
        note, author = check_note(request, self.limits)
        common = {"created": now, "author": author, "note": note}
        if kind == "each":
            return [Job(**common, **self._read_each(request))]
        if kind == "ask":
            return [Job(**common, **self._read_ask(request))]
        if kind == "file":
            prompts, parent = self._read_file(request), None
        elif request.get("parent") is not None:
            prompts, parent = [self._change(request)], self._find_id(request, "parent")
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
        return self.shelf.find(_read_text(request, key))[1].id

    # ---- prompts -----------------------------------------------------------------------------------------------------

    def _change(self, request: Mapping[str, Any]) -> Prompt:
        """The parent with the new text of a turn, or of several."""
        _, slot = self.shelf.find(_read_text(request, "parent"))
        parent = self.shelf.fetch(slot).completion.prompt
        refused = [name for name in ("id", "chat") if request.get(name) not in (None, False)]
        if refused:
            raise UsageError(f"expected no `{refused[0]}` beside `parent`: a changed prompt has its parent's")
        changed = change_turns(parent, self._read_turns(request))
        if changed.text == parent.text and not self.options.sampling.temperature:
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
        text = _read_text(request, "text")
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
        (prompt,) = self._read_lines("new", line, reading)
        id = _read_line(request, "id")
        return replace(prompt, id=id or "", label=LABEL)

    def _read_file(self, request: Mapping[str, Any]) -> list[Prompt]:
        """The prompts of a file. Raises InputError for the first record that can't be used: then none is taken."""
        name = one_line(_read_line(request, "name")) or "prompts.jsonl"
        if not name.lower().endswith((".jsonl", ".ndjson")):
            raise UsageError(f"expected a JSONL file, a JSON object on each line, found {name}")
        reading = Reading(chat=bool(self.shelf.sources[0].settings.get("chat")), explain=self.options.explain)
        prompts = self._read_lines(name, _read_text(request, "text"), reading)
        return [
            replace(prompt, label=LABEL, fields={**({"label": prompt.label} if prompt.label else {}), **prompt.fields})
            for prompt in prompts
        ]

    def _read_lines(self, name: str, text: str, reading: Reading) -> list[Prompt]:
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
        if len(record.id) > _LONGEST_NAME:
            raise InputError(name, record.line, f"expected an id of at most {_LONGEST_NAME} characters")

    # ---- questions about what is stored ------------------------------------------------------------------------------

    def _read_each(self, request: Mapping[str, Any]) -> dict[str, Any]:
        _, slot = self.shelf.find(_read_text(request, "id"))
        target = request.get("target")
        if type(target) is int:
            target = str(target)
        if target is not None and not isinstance(target, str):
            raise UsageError("expected `target` to be text or a number")
        by = _read_choice(request, "by", Granularity) or Granularity.LINE
        target_by = _read_choice(request, "target_by", Granularity) or Granularity.LINE
        asked = {"source": slot.source, "by": str(by), "target": target or LAST, "target_by": str(target_by)}
        plan_parts(self.shelf.fetch(slot), read_each(asked))  # raises UsageError if there is nothing to take away
        key = hash_request({"kind": "each", "id": slot.id, **asked})
        return {"kind": Kind.EACH, "key": key, "parent": slot.id, "asked": asked | {"folder": self._name(slot.source)}}

    def _read_ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        _, slot = self.shelf.find(_read_text(request, "id"))
        method = _read_choice(request, "method", Method)
        objective = _read_choice(request, "objective", Objective)
        foil = request.get("foil")
        if foil is not None and (not isinstance(foil, str) or not foil or len(foil.encode()) > self.limits.note_bytes):
            raise UsageError(f"expected `foil` to be a text of at most {self.limits.note_bytes:,} bytes")
        if method is None and objective is None and foil is None:
            raise UsageError("expected `method`, `objective` or `foil`, found none")
        asked = {"method": method and str(method), "objective": objective and str(objective), "foil": foil}
        stored = AnalysisOptions.from_settings(self.shelf.sources[slot.source].settings)
        wanted = change_question(stored, asked)
        if wanted.objective is stored.objective and not foil and set(wanted.methods) <= set(stored.methods):
            raise UsageError(f"{slot.id}: its results have that already")
        key = hash_request({"kind": "ask", "id": slot.id, "source": slot.source, **asked})
        asked["folder"] = self._name(slot.source)
        return {"kind": Kind.ASK, "key": key, "parent": slot.id, "makes": slot.id, "asked": asked}

    def _name(self, source: int) -> str:
        return self.shelf.sources[source].name


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


def _read_note(request: Mapping[str, Any], limits: Limits) -> str:
    """The note in a request; empty if there is none. Raises UsageError if it is too long."""
    note = _read_text(request, "note") if request.get("note") is not None else ""
    if len(note.encode()) > limits.note_bytes:
        raise UsageError(f"expected a note of at most {limits.note_bytes:,} bytes: shorten it")
    return note


def check_note(request: Mapping[str, Any], limits: Limits) -> tuple[str, str]:
    """The note and the author in a request, each empty if there is none. Raises UsageError if one is too long."""
    return _read_note(request, limits), _read_line(request, "author")


def read_each(asked: Mapping[str, Any]) -> Question:
    """What parts are taken away, and which target is looked at."""
    by, target_by = Granularity(asked["by"]), Granularity(asked["target_by"])
    return Question(by=by, target=asked["target"], target_by=target_by)


def change_question(options: AnalysisOptions, asked: Mapping[str, Any]) -> AnalysisOptions:
    """The options with another method, objective or foil. Raises UsageError if they contradict each other."""
    methods = (Method(asked["method"]),) if asked["method"] else options.methods
    how = options.method_options
    if Method.OCCLUSION not in methods:
        how = replace(how, own_sources=None)
    if set(methods) <= set(ABLATION_METHODS):
        how = replace(how, embedding=EmbeddingPart.JOINT)
    objective = options.objective
    if asked["objective"]:
        objective = choose_objective(Objective(asked["objective"]), options.compat)
    foil = asked["foil"] or (options.foil if objective is Objective.LOGPROB else None)
    return replace(options, methods=methods, method_options=how, objective=objective, foil=foil)


def _choose_id(parent: str | None, own: str, taken: Collection[str]) -> str:
    """The id of a new row: its own if that is free, else the first free ``<parent>~1``, ``~2``, ..."""
    if parent is None and own and own not in taken:
        return own
    stem, number = (parent if parent is not None else own) or "new", 1
    while f"{stem}~{number}" in taken:
        number += 1
    return f"{stem}~{number}"


def _read_text(request: Mapping[str, Any], name: str) -> str:
    text = request.get(name)
    if not isinstance(text, str):
        raise UsageError(f"expected `{name}` to be text, found {'none' if text is None else text!r:.60}")
    if HALF_CHARACTER.search(text):
        raise UsageError(f"expected whole characters in `{name}`, found half of one")
    return text


def _read_line(request: Mapping[str, Any], name: str) -> str:
    """A short text on one line; empty if there is none."""
    if request.get(name) is None:
        return ""
    text = _read_text(request, name).strip()
    if len(text) > _LONGEST_NAME or not all(map(str.isprintable, text)):
        raise UsageError(f"expected `{name}` to be one line of at most {_LONGEST_NAME} characters")
    return text


def _read_choice(request: Mapping[str, Any], name: str, choices: Any) -> Any:
    """One of an enum's values; None if there is none."""
    value = request.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or value not in list(choices):
        hint = suggest(value, choices) if isinstance(value, str) else ""
        raise UsageError(f"expected `{name}` to be {', '.join(choices)}, found {value!r:.60}{hint}")
    return choices(value)
