"""``promptlight segment``: show how texts are cut, before anything is computed."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from promptlight.cli.failures import SOME_SET_ASIDE
from promptlight.cli.options.completion import complete_prompts
from promptlight.cli.options.given import refuse_given
from promptlight.cli.options.prompt_text import PromptFileOption, read_prompt_text
from promptlight.cli.options.shared import (
    PROMPT_FIELD_HELP,
    ByOption,
    ChatForTextOption,
    CompatOption,
    EncodingOption,
    ModelOption,
    RecordFormatOption,
    SectionsOption,
    SplitOption,
    TemplateOption,
    ThinkingOption,
)
from promptlight.io.prompts.formats.recognition import RecordFormat
from promptlight.salience.errors import UsageError


def segment(
    context: typer.Context,
    prompts: Annotated[
        list[str] | None,
        typer.Argument(help="Prompt files and addresses, as for `promptlight run`.", autocompletion=complete_prompts),
    ] = None,
    prompt: Annotated[
        str | None, typer.Option("--prompt", "-p", help="Text to cut, instead of a file; - reads standard input.")
    ] = None,
    prompt_file: PromptFileOption = None,
    by: ByOption = "line",
    sections: SectionsOption = None,
    compat: CompatOption = None,
    model: ModelOption = "demo",
    format: RecordFormatOption = RecordFormat.AUTO,
    encoding: EncodingOption = None,
    split: SplitOption = None,
    prompt_field: Annotated[str | None, typer.Option(help=PROMPT_FIELD_HELP)] = None,
    template: TemplateOption = None,
    chat: ChatForTextOption = False,
    thinking: ThinkingOption = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per span, with its tokens.")] = False,
) -> None:
    """Show the spans into which prompts, and their own targets, are cut.

    It only needs a model's tokenizer.
    """
    from promptlight.cli.work.cutting import print_spans
    from promptlight.cli.work.formats import say_formats
    from promptlight.io.prompts.reader import PromptReader, prompt_from_text
    from promptlight.io.prompts.reading import Reading
    from promptlight.io.prompts.sections import read_section_patterns
    from promptlight.io.prompts.template import read_template
    from promptlight.salience.loading.vocabulary import load_tokenizer
    from promptlight.salience.text.spans import parse_cut
    from promptlight.salience.types import Explain

    prompt = read_prompt_text(prompt, prompt_file)
    if bool(prompts) == (prompt is not None):
        raise UsageError("expected either a file of prompts or --prompt TEXT: try `promptlight segment prompts.jsonl`")
    if prompt is not None:
        refuse_given(
            context, ["format", "encoding", "split", "prompt_field", "template"], "on a --prompt: it is for records"
        )
    cut, patterns = parse_cut(by), read_section_patterns(sections) if sections else None
    filled = read_template(template) if template else None
    reading = Reading(format=format, prompt_field=prompt_field, chat=chat, template=filled, explain=Explain.TARGET)
    typed = [prompt_from_text(prompt, chat=chat, thinking=thinking)] if prompt is not None else None
    records = typed or PromptReader(prompts or [], reading=reading, encoding=encoding, split=split)
    if isinstance(records, PromptReader) and records.holds_log():
        records.reading = replace(reading, explain=Explain.OUTPUT)
    tokenizer, shown = load_tokenizer(model), {"thinking": thinking, "as_json": as_json}
    are_whole = print_spans(records, tokenizer, cut, patterns=patterns, compat=compat, **shown)
    if isinstance(records, PromptReader):
        say_formats(records.seen, records.reading)
    if not are_whole:
        raise typer.Exit(SOME_SET_ASIDE)
