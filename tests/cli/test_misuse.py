"""A mistake on the command line is one line like every other error, and names what may have been meant."""

# pyright: standard

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from promptlight.cli.app import app
from promptlight.cli.options.values import find_choices
from promptlight.salience.errors import UsageError
from tests.conftest import Command

GROUP: Any = typer.main.get_command(app)
FOREIGN = re.compile(r"Invalid value|Input should|Value error|is not one of|Error:|Usage:|[╭╰│]|pydantic|\bclick\b")


def list_options() -> Iterator[tuple[str, Any]]:
    """Every option that takes a value, with its command."""
    for name, command in GROUP.commands.items():
        yield from ((name, one) for one in command.params if one.param_type_name == "option" and not one.is_flag)


def spell(option: Any) -> str:
    return max(option.opts, key=len)


CLOSED = [(name, spell(one), find_choices(one)) for name, one in list_options() if find_choices(one)]
NUMBERS = [
    (name, spell(one)) for name, one in list_options() if re.search("int|float", str(one.type_descriptor.annotation))
]


def refuse(*arguments: str) -> str:
    """What is wrong with the command line."""
    with pytest.raises(UsageError) as refused:
        GROUP.main(list(arguments), prog_name="promptlight", standalone_mode=False)
    line = str(refused.value)
    assert "\n" not in line
    assert not FOREIGN.search(line)
    return line


def test_every_closed_value_that_is_mistyped_is_found_again() -> None:
    assert len(CLOSED) > 60
    assert {"--method", "--objective", "--way", "--marking", "--format", "--benchmark"} <= {one for _, one, _ in CLOSED}
    for name, option, choices in CLOSED:
        for choice in choices:
            line = refuse(name, option, f"{choice}x")
            wanted = f"{', '.join(choices[:-1])}{' or ' * (len(choices) > 1)}{choices[-1]}"
            hint = f"; did you mean {choice}? `promptlight {name} --help` shows how"
            assert line == f"{option}: expected {wanted}, found '{choice}x'{hint}"


def test_what_is_no_number_is_said_with_its_range() -> None:
    assert len(NUMBERS) > 30
    for name, option in NUMBERS:
        line = refuse(name, option, "many")
        assert re.match(rf"{option}: expected a (whole )?number( from \S+ (on|to \S+))?, found 'many'; ", line)


@pytest.mark.parametrize(
    ("name", "option", "value", "expected"),
    [
        ("show", "--top", "-1", "a whole number from 0 on"),
        ("show", "--width", "5", "a whole number from 20 on"),
        ("show", "--intensity", "2", "a number from 0.01 to 1"),
        ("run", "--gpus-per-actor", "1.5", "a number from 0 to 1"),
        ("run", "--seed", "1.5", "a whole number"),
    ],
)
def test_a_number_out_of_range(name: str, option: str, value: str, expected: str) -> None:
    assert f"{option}: expected {expected}, found '{value}'; " in refuse(name, option, value)


def test_every_option_that_is_mistyped_is_found_again() -> None:
    for name, option in list_options():
        wrong = f"{spell(option)}x"
        line = refuse(name, wrong, "value")
        meant = line.partition("no such option; did you mean ")[2].partition("?")[0]
        assert meant in {known for one in GROUP.commands[name].params for known in one.opts}
        assert meant.startswith(spell(option)[:4])


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("shwo", "shwo: no such command; did you mean show? `promptlight --help` shows how"),
        ("qqq", "qqq: no such command; `promptlight --help` shows how"),
        ("--confg x list", "--confg: no such option; did you mean --config? `promptlight --help` shows how"),
        ("run", "expected PROMPTS, found none; `promptlight run --help` shows how"),
        ("run sample_prompts", "expected --output FOLDER, found none; `promptlight run --help` shows how"),
        ("show --by", "--by: expected a value, found none; `promptlight show --help` shows how"),
        ("show --json=1", "--json: expected no value, found one; `promptlight show --help` shows how"),
        ("list gemma-tutorial more", "expected no more arguments, found more; `promptlight list --help` shows how"),
        ("show gemma-tutorial --by sections", "found 'sections'; did you mean section?"),
        ("segment -p x --by wrod", "found 'wrod'; did you mean word?"),
        ("run sample_prompts -o x --store line,wrod", "found 'wrod'; did you mean word?"),
        ("export gemma-tutorial -o x.parqet", "or a format; did you mean .parquet? (--format)"),
        ("show gemma-tutorial --target Recomendation", "found none; did you mean Recommendation?"),
    ],
)
def test_what_was_meant_is_guessed(promptlight: Command, line: str, said: str) -> None:
    refused = promptlight(*line.split())
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr.startswith("promptlight: ")
    assert refused.stderr.endswith(f"{said}\n")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("show gemma-tutoriel", "did you mean gemma-tutorial?"),
        ("show gemma-tutorial --id dish-mistaek", "did you mean dish-mistake?"),
        ("explore gemma-tutorial --id dish-mistaek", "did you mean dish-mistake?"),
        (
            "list gemma-tutorial --where sorce=x",
            "no result has a field 'sorce': it could be note, id, source; did you mean source?",
        ),
        ("list gemma-tutorial --where source=fewshot-fixd", "did you mean fewshot-fixed?"),
        ("export gemma-tutorial -o - -f csv --id dish-fixedd", "did you mean dish-fixed?"),
        ("run sample_promts -o x", "check its name; did you mean sample_prompts?"),
    ],
)
def test_names_of_what_is_stored_are_guessed(
    promptlight: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    refused = promptlight(*line.split())
    assert refused.exit_code != 0
    assert refused.stderr.endswith(f"{said}\n")


def test_folders_and_files_nearby_are_guessed(
    promptlight: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results-why").mkdir()
    (tmp_path / "prompts.jsonl").write_text('{"question": "a", "prompt": "b"}\n')
    assert "did you mean results-why?" in promptlight("show", "results-wy").stderr
    assert "did you mean prompts.jsonl?" in promptlight("run", "promts.jsonl", "-o", "x").stderr


def test_a_prompt_field_that_is_not_there_is_refused_though_there_is_a_prompt(
    promptlight: Command, tmp_path: Path
) -> None:
    path = tmp_path / "prompts.jsonl"
    path.write_text('{"question": "a", "prompt": "b"}\n')
    refused = promptlight("segment", path, "--prompt-field", "qestion")
    assert refused.exit_code == 3
    assert "expected a field `qestion`, found `question`, `prompt`; did you mean question?" in refused.stderr


def test_a_wrong_value_with_a_password_is_not_printed() -> None:
    line = refuse("run", "--limit", "https://me:secret@example.org/x")
    assert "secret" not in line


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("intensty = 0.5", "expected an option of a command, found 'intensty'; did you mean intensity?"),
        ("[show]\nintensty = 0.5", "expected an option of show, found 'intensty'; did you mean intensity?"),
        ("[shwo]\nby = 'word'", "found [shwo]; did you mean show?"),
        ("paper = 'drak'", "--paper: expected auto, light or dark, found 'drak'; did you mean dark?"),
        ("width = 'wide'", "--width: expected a whole number from 20 on, found 'wide';"),
    ],
)
def test_a_mistake_in_the_settings_file_names_the_file(
    promptlight: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "promptlight.toml").write_text(settings)
    refused = promptlight("show", "gemma-tutorial")
    assert refused.exit_code == 2
    assert refused.stderr.startswith("promptlight: promptlight.toml: ")
    assert said in refused.stderr
    assert "own.toml: " in promptlight("--config", (tmp_path / "promptlight.toml").rename("own.toml"), "show").stderr


def test_a_placeholder_that_is_mistyped_is_found_again(promptlight: Command, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Q: {qestion}")
    (tmp_path / "a.jsonl").write_text('{"question": "a"}')
    refused = promptlight("segment", tmp_path / "a.jsonl", "--template", tmp_path / "a.txt")
    assert (
        "expected a field `qestion` for the template, found `question`; add it; did you mean question?"
        in refused.stderr
    )
