"""``--stop`` on the command line: how texts are written, what is stored, resumed and shown, and the note without it."""

# pyright: standard

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from promptlight.cli.options.stopping import read_stops
from tests.conftest import Command

SOUP = (  # answered in two lines, " it has cooked onions and butter ..." and "Recommendation: ..."
    "Analyze a menu item in a restaurant.\n\nTaste-likes: Cheese\nTaste-dislikes: Can't eat eggs\n"
    "Suggestion: Onion soup\nAnalysis:"
)
CPU = ("--device", "cpu")


def write_prompts(folder: Path, *records: dict[str, object]) -> Path:
    path = folder / "prompts.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (r"\n\n", "\n\n"),
        ("\n", "\n"),  # as $'\n' gives it
        (r"a\tb\r", "a\tb\r"),
        (r"\\nabla", r"\nabla"),
        (r"\d+", r"\d+"),  # all other backslashes are themselves
        ("Recommendation:", "Recommendation:"),
    ],
)
def test_a_stop_text_may_have_escapes(written: str, read: str) -> None:
    assert read_stops([written, written]) == (read,)


def test_completions_end_before_the_stop_text_and_results_say_so(promptlight: Command, tmp_path: Path) -> None:
    path = write_prompts(tmp_path, {"id": "a", "prompt": SOUP}, {"id": "b", "prompt": SOUP, "stop": " and"})
    whole, out, stop = tmp_path / "whole", tmp_path / "out", ("--stop", r"\nRec", "--stop", "zzz")
    promptlight("run", path, "-o", whole, *CPU)
    done = promptlight("run", path, "-o", out, *stop, *CPU)
    assert (done.exit_code, "note: " in done.stderr) == (0, False)
    (text, _), (one, other) = pd.read_parquet(whole)["completion"], pd.read_parquet(out)["completion"]
    assert (one, other) == (text.split("\nRec")[0], text.split(" and")[0])
    frame = pd.read_parquet(out).set_index("id")
    assert frame["stop_reason"].tolist() == ['stop text "\\nRec"', 'stop text " and"']
    assert len(frame["grad_l2"]["b"]) == len(frame["tokens"]["b"]) - frame["n_prompt_tokens"]["b"]
    assert 'stopped: stop text "\\nRec"' in promptlight("show", out).stdout
    assert "2 done before" in promptlight("run", path, "-o", out, *stop, *CPU).stdout
    refused = promptlight("run", path, "-o", out, *CPU)
    assert (refused.exit_code, "stop: there" in refused.stderr) == (5, True)


def test_a_typed_prompt_and_a_changed_one_stop_as_asked(promptlight: Command, tmp_path: Path) -> None:
    shown = promptlight("show", "-p", SOUP, "--stop", r"\n", *CPU)
    assert 'stopped: stop text "\\n"' in shown.stdout
    path, out = write_prompts(tmp_path, {"id": "a", "prompt": SOUP}), tmp_path / "out"
    promptlight("run", path, "-o", out, "--stop", r"\n", *CPU)
    tried = promptlight("try", out, "--replace", "Onion=>Leek", *CPU)
    assert tried.stdout.count('stop text "\\n"') == 2
    tried = promptlight("try", out, "--replace", "Onion=>Leek", "--stop", ".", *CPU)
    assert tried.stdout.count('stop text "."') == 2


def test_an_empty_stop_text_is_refused_before_a_model_is_loaded(promptlight: Command, tmp_path: Path) -> None:
    refused = promptlight("run", "sample_prompts", "-o", tmp_path / "out", "--stop", "", "-m", "nowhere")
    assert (refused.exit_code, "found an empty one" in refused.stderr, "--stop" in refused.stderr) == (2, True, True)


@pytest.mark.parametrize(
    ("record", "options", "n_noted"),
    [
        ({}, (), 1),
        ({}, ("--stop", "zzz"), 0),
        ({"stop": "zzz"}, (), 0),
        ({}, ("--chat",), 0),
        ({"target": " it has"}, ("--explain", "target"), 0),
    ],
)
def test_a_completion_that_reached_the_limit_is_noted_if_a_stop_text_could_end_it(
    promptlight: Command, tmp_path: Path, record: dict[str, object], options: tuple[str, ...], n_noted: int
) -> None:
    path = write_prompts(tmp_path, {"prompt": SOUP} | record, {"prompt": SOUP + " it"} | record)
    done = promptlight("run", path, "-o", tmp_path / "out", *options, "--max-new-tokens", 3, *CPU)
    notes = [line for line in done.stderr.splitlines() if line.startswith("note: ")]
    assert len(notes) == n_noted
    assert all(note.startswith("note: 2 completions reached --max-new-tokens. ") for note in notes)
