"""The output of ``doctor``: a line per finding with what to do below it, the models that would fit, all presets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from promptlight.salience.loading.families import FAMILIES
from promptlight.salience.loading.model_size import GIB
from promptlight.salience.text.printable import one_line


@dataclass(frozen=True, kw_only=True)
class Check:
    """One finding; ``fix`` is what to do, None if nothing is wrong."""

    topic: str
    found: str
    fix: str | None = None

    @property
    def is_optional(self) -> bool:
        """Whether promptlight works without it."""
        return self.topic.endswith("login") or self.topic in ("device", "GGUF files")


@dataclass(frozen=True, kw_only=True)
class Fit:
    """Whether a model would fit: bytes of its weights with room to load and to work, and free bytes."""

    model: str
    needed: int
    fits: bool


def describe_checks(checks: Sequence[Check], fits: Sequence[Fit]) -> dict[str, Any]:
    """All findings, for programs."""
    return {
        "checks": [asdict(one) for one in checks],
        "models": [asdict(one) for one in fits],
        "presets": {family.name: list(family.presets) for family in FAMILIES},
    }


def render_checks(checks: Sequence[Check], fits: Sequence[Fit], dtype: str) -> RenderableType:
    """A line per check, the fix below those that need one, the models that would fit in this precision, all presets."""
    found, models = Table.grid(padding=(0, 2)), Table.grid(padding=(0, 2))
    for check in checks:
        sign = ("ok", "green") if not check.fix else ("--", "dim") if check.is_optional else ("!!", "bold red")
        found.add_row(Text(*sign), Text(check.topic), Text(one_line(check.found)))
        if check.fix:
            found.add_row("", "", Text(one_line(check.fix), "dim"))
    heading = f"What would fit in the free memory, in {dtype} with room to load and to work"
    for fit in fits:
        sign = ("ok", "green") if fit.fits else ("no", "dim")
        models.add_row(Text(*sign), Text(fit.model), Text(f"{fit.needed / GIB:>6.1f} GiB"))
    return Group(found, Text(), Text(heading, "bold"), models, Text(), *_list_presets())


def _list_presets() -> Iterator[RenderableType]:
    """The names of presets that ``--model`` takes, by family."""
    yield Text("Presets of Keras that --model takes by name", "bold")
    for family in FAMILIES:
        yield Text(family.name)
        yield Padding(Text(", ".join(family.presets), "dim"), (0, 0, 0, 4))
