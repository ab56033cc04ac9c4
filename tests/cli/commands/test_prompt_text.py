"""A prompt's text may stand in a file or come from standard input; what explains it may be asked otherwise."""

# pyright: standard

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.conftest import Command

SHORT = ("--max-new-tokens", 3, "--device", "cpu")
TEXT = "Say one.\nSay two."


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "prompt.txt").write_text(f"{TEXT}\n", encoding="utf-8-sig")
    return tmp_path / "prompt.txt"


def pipe(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(text.encode()), isatty=lambda: False))


def test_show_reads_a_file_or_standard_input(promptlight: Command, monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    typed = promptlight("show", "-p", TEXT, *SHORT)
    assert typed.exit_code == 0
    assert promptlight("show", "--prompt-file", file, *SHORT).stdout == typed.stdout
    for dash in (("-p", "-"), ("--prompt-file", "-")):
        pipe(monkeypatch, "{}\r\n".format(TEXT.replace("\n", "\r\n")))
        assert promptlight("show", *dash, *SHORT).stdout == typed.stdout


@pytest.mark.parametrize("command", [("try", "--replace", "one=>three"), ("segment",), ("why",)])
def test_other_commands_do_so_too(
    promptlight: Command, monkeypatch: pytest.MonkeyPatch, file: Path, command: tuple[str, ...]
) -> None:
    monkeypatch.setattr("promptlight.io.results.facts.read_clock", lambda: "2026-11-27T18:30:05Z")
    arguments = (*command, "--json", *(SHORT if command != ("segment",) else ()))
    typed = promptlight(*arguments, *([] if command == ("why",) else ["--prompt"]), TEXT)
    assert typed.exit_code == 0
    assert promptlight(*arguments, "--prompt-file", file).stdout == typed.stdout
    pipe(monkeypatch, TEXT)
    assert promptlight(*arguments, *([] if command == ("why",) else ["--prompt"]), "-").stdout == typed.stdout


@pytest.mark.parametrize(
    ("arguments", "exit_code", "says"),
    [
        (
            ("show", "-p", "Hi", "--prompt-file", "x"),
            2,
            "either the text of a prompt or --prompt-file FILE, found both",
        ),
        (("show", "--prompt-file", "nowhere.txt"), 3, "nowhere.txt: could not be read"),
        (("try", "--prompt-file", ".", "--edit"), 3, "could not be read"),
        (("why", "Hi", "--prompt-file", "x"), 2, "found both"),
        (("why", "--prompt-file", "x", "--id", "one"), 2, "expected a text or the id of a stored prompt, found both"),
        (("show", "results", "--foil", "a=>b", "--objective", "loss"), 2, "--objective, --foil: no effect on stored"),
    ],
)
def test_what_is_no_text_is_said(promptlight: Command, arguments: tuple[str, ...], exit_code: int, says: str) -> None:
    refused = promptlight(*arguments)
    assert (refused.exit_code, refused.stdout) == (exit_code, "")
    assert says in refused.stderr


def test_an_empty_file_is_no_prompt(promptlight: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    pipe(monkeypatch, " \n")
    refused = promptlight("show", "-p", "-")
    assert refused.exit_code == 3
    assert "expected a prompt with some text, found none" in refused.stderr


def test_show_and_try_take_an_objective_and_a_foil(promptlight: Command) -> None:
    def scores(*arguments: object) -> list[float]:
        found: Any = json.loads(promptlight(*arguments, *SHORT, "--json", "--method", "grad_dot_input").stdout)
        return [source["score"] for source in (found if "sources" in found else found["before"])["sources"]]

    plain, loss = (scores("show", "-p", TEXT, "--objective", name) for name in ("logprob", "loss"))
    assert loss == pytest.approx([-score for score in plain])
    assert scores("show", "-p", TEXT, "--foil", "auto") != plain
    tried = ("try", "-p", TEXT, "--replace", "one=>six", *SHORT)
    drawn = {promptlight(*tried, *more).stdout for more in ((), ("--objective", "prob"), ("--foil", "auto"))}
    assert len(drawn) == 3
    assert "" not in drawn
