"""Generate the parts of the docs that come from code: ``python -m tests.support.generated``."""

# pyright: standard

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import typer

from promptlight.cli.app import app
from promptlight.cli.failures import EXIT_CODES
from promptlight.cli.options.values import find_choices
from promptlight.io.results.evaluations import evaluation_schema
from promptlight.io.results.regenerations import judgement_schema, regeneration_schema
from promptlight.io.results.schema import build_schema
from promptlight.io.tables.facts import facts_schema
from promptlight.io.tables.parts import parts_schema
from promptlight.io.tables.prompts import prompts_schema, tokens_schema
from promptlight.io.tables.tidy import summary_schema, tidy_schema
from promptlight.salience.loading.families import FAMILIES, find_family
from promptlight.salience.loading.model_size import GIB, MODELS, Size, measure_model
from promptlight.salience.types import Method
from tests.support.paths import DOCS
from tests.support.published_sizes import PUBLISHED, UNIFIED
from tests.support.span_cases import render_cases
from tests.support.tutorial import write_tutorial


def render_columns(fields: Iterable[pa.Field]) -> Iterator[str]:
    """A table of columns; the fields of a struct follow it, with its name and a dot in front."""
    yield "| column | type | what it is |"
    yield "|---|---|---|"
    yield from render_fields(fields)


def render_fields(fields: Iterable[pa.Field], parent: str = "") -> Iterator[str]:
    for field in fields:
        name, inner = parent + field.name, field.type
        while pa.types.is_list(inner):
            inner = inner.value_type
        yield f"| `{name}` | {name_type(field.type)} | {field.metadata[b'description'].decode()} |"
        if pa.types.is_struct(inner):
            yield from render_fields([inner.field(place) for place in range(inner.num_fields)], f"{name}.")


def name_type(type: pa.DataType) -> str:
    """``float64``, ``list of list of float32``, ``list of struct``."""
    if pa.types.is_list(type):
        return f"list of {name_type(type.value_type)}"
    return {"float": "float32", "double": "float64"}.get(str(type), "struct" if pa.types.is_struct(type) else str(type))


def render_commands() -> Iterator[str]:
    """Every command: what it does, how to call it, its arguments and its options."""
    group: Any = typer.main.get_command(app)
    for name, command in group.commands.items():
        yield f"## `promptlight {name}`"
        yield ""
        yield from (" ".join(paragraph.split()) + "\n" for paragraph in command.help.split("\n\n"))
        arguments = [one for one in command.params if one.param_type_name == "argument"]
        options = [one for one in command.params if one.param_type_name != "argument"]
        yield f"    promptlight {name} {' '.join(map(name_argument, arguments))}".rstrip() + " [OPTIONS]"
        yield ""
        if command.params:
            yield "| | default | what it is |"
            yield "|---|---|---|"
            yield from (describe_parameter(f"`{name_argument(one)}`", one) for one in arguments)
            yield from (describe_parameter(f"`{name_option(one)}`", one) for one in options)
            yield ""


def name_argument(parameter: Any) -> str:
    """``RESULTS``, in brackets if optional, with dots if there can be several."""
    name = parameter.name.upper() + ("..." if parameter.nargs == -1 else "")
    return name if parameter.required else f"[{name}]"


def name_option(parameter: Any) -> str:
    """All spellings, and the placeholder for the value."""
    spellings = ", ".join(sorted(parameter.opts, key=len))
    if parameter.is_flag:
        return spellings
    return f"{spellings} {parameter.metavar or ' / '.join(find_choices(parameter))}"


def describe_parameter(name: str, parameter: Any) -> str:
    """A row of the table."""
    default = getattr(parameter.default, "value", parameter.default)
    shown = "" if parameter.required or default in (None, False, ()) or callable(default) else f"`{default}`"
    return f"| {name.replace('|', '/')} | {shown} | {parameter.help.replace('|', '/')} |"


def render_exit_codes() -> Iterator[str]:
    """What a command returns to the shell."""
    yield "| code | when |"
    yield "|---|---|"
    yield "| 0 | all went well |"
    yield "| 1 | a bug (its traceback says where), or `doctor` found something wrong |"
    codes: dict[int, list[str]] = {}
    for error, code in EXIT_CODES.items():
        codes.setdefault(code, []).append((error.__doc__ or "").split("\n")[0].split(":")[0].rstrip("."))
    for code, reasons in sorted(codes.items()):
        yield f"| {code} | {'; '.join(reasons)} |"
    yield "| 129, 130, 143 | SIGHUP, Ctrl-C or SIGTERM stopped a run; what was computed is kept |"


def render_presets() -> Iterator[str]:
    """The presets of Keras that are covered, by family."""
    yield "| family | names that `--model` takes |"
    yield "|---|---|"
    for family in FAMILIES:
        yield f"| {family.name} | {', '.join(f'`{name}`' for name in family.presets)} |"


def render_sizes() -> Iterator[str]:
    """What models need: computed, not measured."""
    yield "| model | parameters | table in its file | float32 | bfloat16 | with 24 GiB free on a CPU | on a GPU |"
    yield "|---|---|---|---|---|---|---|"
    for name, size in _find_sizes():
        table = f"{size.n_table / 1e9:.2f} billion" if size.n_table else ""
        memory = [f"{size.n_parameters * n_bytes / GIB:.1f} GiB" for n_bytes in (4, 2)]
        fits = [_list_fitting(size, on_cpu=on_cpu) for on_cpu in (True, False)]
        yield f"| {' | '.join((name, f'{size.n_parameters / 1e9:.2f} billion', table, *memory, *fits))} |"


def _find_sizes() -> list[tuple[str, Size]]:
    """The usual models, and Gemma 4 12B, which keras-nlp does not have; the smallest first."""
    config = PUBLISHED[UNIFIED]
    unified = measure_model(config, find_family(config, UNIFIED))
    assert unified is not None
    sizes = {**{f"`{name}`": size for name, size in MODELS.items()}, UNIFIED: unified}
    return sorted(sizes.items(), key=lambda item: item[1].n_parameters)


def _list_fitting(size: Size, *, on_cpu: bool) -> str:
    """In which precisions a model fits into 24 GiB, with room to load and to work."""
    names = {"float32": 4, "bfloat16": 2}
    fitting = [name for name, n_bytes in names.items() if size.bytes_to_work(n_bytes, on_cpu=on_cpu) <= 24 * GIB]
    return ", ".join(fitting) or "no"


BLOCKS: dict[str, tuple[Callable[[], Iterator[str]], ...]] = {  # in the order of the page
    "checks.md": (render_cases,),
    "models.md": (render_presets, render_sizes),
    "reference.md": (render_commands, render_exit_codes),
    "tables.md": (
        lambda: render_columns(tidy_schema()),
        lambda: render_columns(summary_schema()),
        lambda: render_columns(evaluation_schema()),
        lambda: render_columns(parts_schema()),
        lambda: render_columns(judgement_schema()),
        lambda: render_columns(regeneration_schema()),
        lambda: render_columns(prompts_schema()),
        lambda: render_columns(tokens_schema()),
        lambda: render_columns(facts_schema()),
        lambda: render_columns(build_schema([Method.GRAD_L2])),
    ),
}
BLOCK = re.compile(r"(<!-- made by `make docs` -->\n\n).*?(\n<!-- end -->\n)", re.DOTALL)


def generate(page: str) -> str:
    """A page of the docs with its blocks generated again."""
    text = (DOCS / page).read_text(encoding="utf-8")
    blocks = ["\n".join(render()).rstrip("\n") + "\n" for render in BLOCKS[page]]
    waiting = iter(blocks)
    made, n_blocks = BLOCK.subn(lambda found: found[1] + next(waiting, "") + found[2], text)
    assert n_blocks == len(blocks), page
    return made


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        write_tutorial(Path(folder))
    for page in BLOCKS:
        (DOCS / page).write_text(generate(page), encoding="utf-8")
