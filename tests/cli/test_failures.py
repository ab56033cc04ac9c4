"""What the terminal makes of an error: an exit code, and the options that help."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from promptlight.cli.app import app
from promptlight.cli.failures import find_exit_code, name_options
from promptlight.salience import errors
from promptlight.salience.errors import InputError, PromptlightError, PromptTooLongError, StoppedError
from tests.conftest import Command
from tests.support.source_code import modules_of


def list_parameters() -> Iterator[str]:
    """Every parameter that an error of the core names."""
    for module in modules_of("salience", "io"):
        constants = {
            target.id: node.value
            for node in module.tree.body
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for node in ast.walk(module.tree):
            if isinstance(node, ast.keyword) and node.arg == "parameters":
                value = constants.get(node.value.id, node.value) if isinstance(node.value, ast.Name) else node.value
                yield from (str(one.value) for one in ast.walk(value) if isinstance(one, ast.Constant))


def test_every_parameter_that_an_error_names_is_an_option() -> None:
    group: Any = typer.main.get_command(app)
    options = {name for command in group.commands.values() for one in command.params for name in one.opts}
    named = set(list_parameters())
    assert {"overwrite", "dtype", "prompt_field", "conditions"} <= named
    assert {name for name in named if name_options("", [name], options) == ""} == set()


def test_options_stand_in_brackets_if_the_command_has_them() -> None:
    assert name_options("out of memory", ["dtype", "batch_size"]) == "out of memory (--dtype, --batch-size)"
    assert name_options("out of memory", ["dtype", "batch_size"], {"--dtype", "-h"}) == "out of memory (--dtype)"
    assert name_options("out of memory", ["dtype"], ()) == "out of memory"
    assert name_options("none found", ["ids", "conditions"]) == "none found (--id, --where)"


def test_every_error_has_an_exit_code() -> None:
    kinds = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, PromptlightError)]
    made = [kind.__new__(kind) for kind in kinds if kind not in (PromptlightError, StoppedError)]
    assert {type(error).__name__ for error in made if find_exit_code(error) not in (2, 3, 4, 5)} == set()
    assert find_exit_code(PromptTooLongError("p", 1, "long")) == find_exit_code(InputError("p", 1, "bad")) == 3
    assert [find_exit_code(StoppedError(number, "")) for number in (2, 15)] == [130, 143]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("show", "--prompt", " "), "expected a prompt with some text, found none (--prompt)"),
        (("try", "--prompt", "one", "--replace", "one"), "as in 'try it=>leave it', found 'one' (--replace)"),
        (("run", "sample_prompts", "-o", "x", "--where", "source=none"), "source=none, found none (--where)"),
        (("show", "--prompt", "x", "--model", ""), "try `demo` or `gemma2_instruct_2b_en` (--model)"),
    ],
)
def test_a_message_ends_with_the_options_that_help(
    promptlight: Command, arguments: tuple[str, ...], message: str
) -> None:
    refused = promptlight(*arguments)
    assert refused.stderr.endswith(f"{message}\n")
    assert refused.stdout == ""
