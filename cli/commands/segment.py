"""``promptlight segment``: how texts are cut, before anything is paid for."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterable
from typing import Annotated, Any

import typer

from promptlight.cli.failures import SOME_SET_ASIDE
from promptlight.cli.options.shared import (
    ByOption,
    ChatOption,
    CompatOption,
    ModelOption,
    SectionsOption,
    TemplateOption,
)
from promptlight.salience.errors import UsageError, at_place
from promptlight.salience.text.printable import one_line, printable_json
from promptlight.salience.types import Completion, Cut, Granularity, Prompt, SetAside, Span, StopReason


def segment(
    prompts: Annotated[list[str] | None, typer.Argument(help="Files and addresses, as for `promptlight run`.")] = None,
    prompt: Annotated[str | None, typer.Option("--prompt", "-p", help="Cut this text instead.")] = None,
    by: ByOption = "word",
    sections: SectionsOption = None,
    compat: CompatOption = None,
    model: ModelOption = "demo",
    template: TemplateOption = None,
    chat: ChatOption = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a span, with its tokens.")] = False,
) -> None:
    """Show the spans into which prompts, and targets that they bring along, are cut.

    Needs no more of a model than its tokenizer.
    """
    from promptlight.io.prompts.reader import PromptReader, prompt_from_text
    from promptlight.io.prompts.records import Reading
    from promptlight.io.prompts.sections import read_section_patterns
    from promptlight.io.prompts.template import read_template
    from promptlight.salience.loading.vocabulary import load_tokenizer
    from promptlight.salience.text.completion import build_completion, encode_prompt
    from promptlight.salience.text.sections import find_sections
    from promptlight.salience.text.spans import describe_spans, parse_cut
    from promptlight.salience.text.spans import segment as cut_into_spans

    if bool(prompts) == (prompt is not None):
        raise UsageError("expected either a file of prompts or --prompt TEXT: try `promptlight segment prompts.jsonl`")
    cut, patterns = parse_cut(by), read_section_patterns(sections) if sections else None
    reading = Reading(chat=chat, template=read_template(template) if template else None)
    records: Iterable[Prompt | SetAside] = PromptReader(prompts or [], reading=reading)
    records = records if prompt is None else [prompt_from_text(prompt, chat=chat)]
    tokenizer, exit_code = load_tokenizer(model), 0
    for record in records:
        if isinstance(record, SetAside):
            print(one_line(at_place(record.path, record.line, record.reason)), file=sys.stderr)
            exit_code = SOME_SET_ASIDE
            continue
        if patterns:
            record = dataclasses.replace(record, sections=find_sections(record.text, patterns))
        target = tokenizer.encode(record.given_completion) if record.given_completion else []
        completion = build_completion(tokenizer, record, encode_prompt(tokenizer, record), target, StopReason.GIVEN)
        spans = describe_spans(completion, cut_into_spans(completion, cut, compat))
        print("\n".join(as_lines(completion, spans) if as_json else as_table(completion, spans, cut)))
    raise typer.Exit(exit_code)


def as_table(completion: Completion, spans: Iterable[Span], cut: Cut) -> Iterable[str]:
    """A heading, and a line per span: its number, its tokens' positions, its role, its name and its text in quotes."""
    yield f"{one_line(completion.prompt.id)}: {len(completion.tokens)} tokens"
    for span in spans:
        positions = f"{span.start}" if span.stop == span.start + 1 else f"{span.start}-{span.stop - 1}"
        name = f"{one_line(span.section)}: " if span.section and cut is Granularity.SECTION else ""
        yield f"{span.number + 1:>5}  {positions:>9}  {span.role:<10}  {name}\u201c{one_line(span.text)}\u201d"


def as_lines(completion: Completion, spans: Iterable[Span]) -> Iterable[str]:
    """Each span as JSON: ``start`` and ``stop`` count characters, ``tokens`` have their own."""
    for span in spans:
        tokens = completion.tokens[span.start : span.stop]
        record: dict[str, Any] = {
            "id": completion.prompt.id,
            "number": span.number + 1,
            "role": span.role.value,
            "text": span.text,
            "line": span.line,
            "section": span.section,
            "start": tokens[0].start,
            "stop": tokens[-1].stop,
            "tokens": [{"id": one.id, "piece": one.piece, "start": one.start, "stop": one.stop} for one in tokens],
        }
        yield printable_json(record, indent=None)
