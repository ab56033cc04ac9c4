"""The commands of ``promptlight``. Each has its own module, which imports heavy libraries only when it runs."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from promptlight.cli.commands.attempt import attempt
from promptlight.cli.commands.compare import compare
from promptlight.cli.commands.doctor import doctor
from promptlight.cli.commands.evaluate import evaluate
from promptlight.cli.commands.explore import explore
from promptlight.cli.commands.export import export
from promptlight.cli.commands.listing import list_prompts
from promptlight.cli.commands.login import login
from promptlight.cli.commands.report import report
from promptlight.cli.commands.run import run
from promptlight.cli.commands.segment import segment
from promptlight.cli.commands.serve import serve
from promptlight.cli.commands.show import show
from promptlight.cli.commands.summarize import summarize
from promptlight.cli.commands.why import why
from promptlight.cli.config import read_config
from promptlight.cli.failures import name_options
from promptlight.cli.options.misuse import reword
from promptlight.cli.options.panels import ASK, LOOK, MAKE, MEASURE, SET_UP
from promptlight.cli.options.values import name_values
from promptlight.cli.renamed import rename_arguments
from promptlight.salience.errors import PromptlightError


class DiscreetGroup(TyperGroup):
    """Makes one line of Typer's own errors, too, without the passwords that they quote; names options in ours."""

    def get_params(self, ctx: Any) -> Any:
        """All parameters, those of Typer too."""
        return name_values(super().get_params(ctx))

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the options before the command."""
        try:
            return super().parse_args(ctx, list(args))
        except typer.TyperException as error:
            if not args:  # no error: the help is printed
                raise
            raise reword(error, ctx) from error

    def invoke(self, ctx: Any) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except typer.TyperException as error:
            raise reword(error, ctx) from error
        except PromptlightError as error:
            command = self.commands.get(ctx.invoked_subcommand)
            known = {name for one in command.params for name in one.opts} if command else ()
            if options := name_options("", error.parameters, known):
                error.add_note(options.strip())
            raise


class Command(TyperCommand):
    """Accepts old names of options, and has its help wrapped by the width of the terminal alone."""

    def __init__(self, name: str | None, *, help: str | None = None, **options: Any) -> None:
        paragraphs = (help or "").split("\n\n")
        super().__init__(name, help="\n\n".join(" ".join(one.split()) for one in paragraphs), **options)
        name_values(self.params)

    def get_params(self, ctx: Any) -> Any:
        """All parameters, ``--help`` too."""
        return name_values(super().get_params(ctx))

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the arguments."""
        return super().parse_args(ctx, list(rename_arguments(self.name or "", args)))


app = typer.Typer(
    cls=DiscreetGroup,
    name="promptlight",
    help="Why did the model write that? Which parts of a prompt mattered for it (salience), for Gemma models.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
COMMANDS: dict[str, tuple[Callable[..., None], ...]] = {
    MAKE: (run, segment),
    LOOK: (list_prompts, show, explore, compare, report, export),
    ASK: (why, attempt, serve),
    MEASURE: (summarize, evaluate),
    SET_UP: (doctor, login),
}
NAMES = {list_prompts: "list", attempt: "try"}  # words of Python's own
for panel, commands in COMMANDS.items():
    for command in commands:
        app.command(NAMES.get(command), cls=Command, rich_help_panel=panel)(command)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"promptlight {version('promptlight')}")
        raise typer.Exit


@app.callback()
def _root(
    context: typer.Context,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Options in TOML (default: promptlight.toml here, if any).")
    ] = None,
    show_version: bool = typer.Option(False, "--version", callback=_print_version, is_eager=True, help="Version."),
) -> None:
    commands: Any = context.command
    context.default_map = read_config(config, commands.commands)
