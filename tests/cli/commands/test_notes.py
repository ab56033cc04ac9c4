"""What ``run`` says once of its prompts: marks read as letters, tools left out, chats that the model continues."""

# pyright: standard

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Command

CHAT = [{"role": "user", "content": "Is soup sweet?"}, {"role": "assistant", "content": "No, it"}]


def read_notes(
    promptlight: Command, folder: Path, *records: dict[str, Any], options: tuple[str, ...] = ()
) -> list[str]:
    path = folder / "prompts.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    short = ("--max-new-tokens", 2, "--device", "cpu", "--stop", "zzz")
    done = promptlight("run", path, "-o", folder / "out", *short, *options)
    assert done.exit_code == 0
    return [line for line in done.stderr.splitlines() if line.startswith("note: ")]


def test_marks_that_the_model_reads_as_letters_are_noted_once(promptlight: Command, tmp_path: Path) -> None:
    read = "<start_of_turn>user\nHi<end_of_turn>\n<start_of_turn>model\n"  # as marks: nothing to say
    prompts = ({"prompt": text} for text in (read, f"<bos>{read}", "Hi <bos>", "Hi <eos><eos>", "Hi"))
    (note,) = read_notes(promptlight, tmp_path, *prompts)
    assert note.startswith("note: 2 prompts with <bos>, <eos> in the text, which the model reads as letters. ")


@pytest.mark.parametrize(("explain", "n_notes"), [("response", 1), ("target", 0)])
def test_chats_that_the_model_continues_are_noted_once(
    promptlight: Command, tmp_path: Path, explain: str, n_notes: int
) -> None:
    notes = read_notes(promptlight, tmp_path, {"messages": CHAT}, {"messages": CHAT}, options=("--explain", explain))
    assert len(notes) == n_notes
    assert all(note.startswith("note: 2 chats ended with the model's message") for note in notes)


def test_chats_with_tools_that_are_not_written_are_noted_once(promptlight: Command, tmp_path: Path) -> None:
    chat, tools = {"messages": CHAT[:1]}, [{"type": "function", "function": {"name": "look"}}]
    records = ({**chat, "tools": tools}, {**chat, "tools": []}, {"prompt": "Hi", "tools": tools}, chat)
    (note,) = read_notes(promptlight, tmp_path, *records)
    assert note.startswith("note: 1 chat with `tools`, which the model was not told of")
