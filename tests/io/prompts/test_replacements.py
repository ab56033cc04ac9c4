"""Files of replacements: what they may hold, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from promptlight.io.prompts.replacements import read_replacements
from promptlight.salience.errors import InputError
from promptlight.salience.text.editing import Replacement


def read(folder: Path, text: str) -> list[Replacement]:
    path = folder / "swaps.txt"
    path.write_bytes(text.encode())
    return read_replacements(path)


def test_lines_are_pairs_and_one_line_is_for_each_part(tmp_path: Path) -> None:
    assert read(tmp_path, "eggs=>ham\r\n\n can't => can\nonly=>\n") == [
        Replacement(old="eggs", new="ham"),
        Replacement(old="can't ", new=" can"),
        Replacement(old="only", new=""),
    ]
    assert read(tmp_path, "\ufeff(left out)\n\n") == [Replacement(old=None, new="(left out)")]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", r"swaps.txt.*expected lines OLD=>NEW, or one line NEW .* found none"),
        ("a=>b\nc\n", r"swaps.txt:2.* found 'c'"),
        ("=>b", r"swaps.txt:1.* found '=>b'"),
        ("a\nb\n", r"swaps.txt:1.* found 'a'"),
    ],
)
def test_other_lines_are_refused(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        read(tmp_path, text)


def test_a_file_that_can_not_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none.txt.*could not be read"):
        read_replacements(tmp_path / "none.txt")
