"""The options of ``run`` that say which records are read and what is in their fields."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from promptlight.cli.options.panels import INPUT
from promptlight.cli.options.shared import (
    ID_HELP,
    PROMPT_FIELD_HELP,
    TEMPLATE_HELP,
    WHERE_HELP,
    EncodingOption,
    RecordFormatOption,
    SplitOption,
)
from promptlight.io.prompts.formats.recognition import RecordFormat
from promptlight.salience.errors import UsageError
from promptlight.salience.types import Explain

if TYPE_CHECKING:
    from promptlight.io.prompts.reader import PromptReader


@dataclass(frozen=True, kw_only=True)
class Input:
    """What the fields hold, and which records are taken."""

    format: RecordFormatOption = RecordFormat.AUTO
    encoding: EncodingOption = None
    split: SplitOption = None
    prompt_field: Annotated[
        str | None,
        typer.Option(help=PROMPT_FIELD_HELP, rich_help_panel=INPUT),
    ] = None
    target_field: Annotated[
        str, typer.Option(help="Field or column that holds a given completion, the target.", rich_help_panel=INPUT)
    ] = "target"
    id_field: Annotated[str, typer.Option(help="Field or column that holds the id.", rich_help_panel=INPUT)] = "id"
    responses: Annotated[
        str | None,
        typer.Option(
            "--responses",
            metavar="FILE",
            help="Output file of an OpenAI batch: explain what it has for each id (custom_id), with --explain target.",
            rich_help_panel=INPUT,
        ),
    ] = None
    template: Annotated[
        Path | None,
        typer.Option("--template", metavar="FILE", help=TEMPLATE_HELP, rich_help_panel=INPUT),
    ] = None
    limit: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Read only the first N records.", rich_help_panel=INPUT)
    ] = None
    where: Annotated[
        list[str] | None, typer.Option("--where", metavar="NAME=VALUE", help=WHERE_HELP, rich_help_panel=INPUT)
    ] = None
    id: Annotated[list[str] | None, typer.Option("--id", help=ID_HELP, rich_help_panel=INPUT)] = None
    sample: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Take only N of the records, drawn by --seed.", rich_help_panel=INPUT),
    ] = None
    strict: Annotated[
        bool, typer.Option("--strict", help="Stop at the first record that can't be used.", rich_help_panel=INPUT)
    ] = False

    def open(
        self, sources: Sequence[str], *, chat: bool, explain: Explain | None, foil: str | None, seed: int
    ) -> PromptReader:
        """A reader of these records; ``seed`` draws the sample.

        Unless it is said what to explain, that is the output of an evaluation's log, and else the model's response.
        """
        from promptlight.io.prompts.reader import PromptReader, Selection
        from promptlight.io.prompts.reading import Reading
        from promptlight.io.prompts.responses import read_responses
        from promptlight.io.prompts.selection import parse_condition
        from promptlight.io.prompts.template import read_template
        from promptlight.salience.text.contrast import GOLD

        if self.responses and explain is not Explain.TARGET:
            raise UsageError("--responses: expected --explain target with it, which explains given completions")
        if foil == GOLD and explain is Explain.TARGET:
            raise UsageError(f"--foil {GOLD}: expected --explain output with it, found target, the right answer itself")
        reading = Reading(
            format=self.format,
            prompt_field=self.prompt_field,
            target_field=self.target_field,
            id_field=self.id_field,
            template=read_template(self.template) if self.template else None,
            responses=read_responses(self.responses, self.encoding) if self.responses else None,
            chat=chat,
            explain=explain or Explain.RESPONSE,
            gold_as_foil=foil == GOLD,
        )
        selection = Selection(
            ids=self.id or (),
            conditions=tuple(map(parse_condition, self.where or ())),
            sample=self.sample,
            seed=seed,
            limit=self.limit,
        )
        reader = PromptReader(
            list(sources),
            strict=self.strict,
            reading=reading,
            selection=selection,
            encoding=self.encoding,
            split=self.split,
        )
        if explain is None and reader.holds_log():
            reader.reading = replace(reading, explain=Explain.OUTPUT)
        return reader
