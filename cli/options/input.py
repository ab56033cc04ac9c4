"""The options of ``run`` that say which records are read and what is in their fields."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from promptlight.cli.options.shared import IdsOption, TemplateOption, WhereOption

if TYPE_CHECKING:
    from promptlight.io.prompts.reader import PromptReader


@dataclass(frozen=True, kw_only=True)
class Input:
    """What the fields hold, and which records are taken."""

    prompt_field: Annotated[str, typer.Option(help="The field or column that holds the prompt.")] = "prompt"
    target_field: Annotated[str, typer.Option(help="The one that holds the target.")] = "target"
    id_field: Annotated[str, typer.Option(help="The one that holds the id.")] = "id"
    template: TemplateOption = None
    limit: Annotated[int | None, typer.Option(min=1, help="Look at the first N records only.")] = None
    where: WhereOption = None
    id: IdsOption = None
    sample: Annotated[int | None, typer.Option(min=1, help="Only N of the records, drawn by --seed.")] = None
    strict: Annotated[bool, typer.Option("--strict", help="Stop at the first record that can't be used.")] = False

    def open(self, sources: Sequence[str], *, chat: bool, seed: int) -> PromptReader:
        """A reader of these records; ``seed`` draws the sample."""
        from promptlight.io.prompts.reader import PromptReader, Selection
        from promptlight.io.prompts.records import Reading
        from promptlight.io.prompts.selection import parse_condition
        from promptlight.io.prompts.template import read_template

        reading = Reading(
            prompt_field=self.prompt_field,
            target_field=self.target_field,
            id_field=self.id_field,
            template=read_template(self.template) if self.template else None,
            chat=chat,
        )
        selection = Selection(
            ids=self.id or (),
            conditions=tuple(map(parse_condition, self.where or ())),
            sample=self.sample,
            seed=seed,
            limit=self.limit,
        )
        return PromptReader(list(sources), strict=self.strict, reading=reading, selection=selection)
