"""Files of patterns that name parts of prompts."""

from __future__ import annotations

from pathlib import Path

import pytest

from promptlight.io.prompts.sections import read_section_patterns
from promptlight.salience.errors import InputError


def test_patterns_come_in_the_files_order(tmp_path: Path) -> None:
    path = tmp_path / "sections.toml"
    for encoding in ("utf-8", "utf-8-sig"):  # with a byte order mark, as some editors write
        path.write_text("question = '^Q: .*'\nanswer = '^A: .*'\n", encoding=encoding)
        assert list(read_section_patterns(path).items()) == [("question", "^Q: .*"), ("answer", "^A: .*")]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "found none"),
        (b"a = 1", "'a' without a text"),
        (b"a = '('", "pattern that fails"),
        (b"a b", "found no TOML"),
        (b"\xff", "found no TOML"),
        (None, "no readable file"),
    ],
)
def test_a_file_that_names_no_patterns_is_refused(tmp_path: Path, content: bytes | None, reason: str) -> None:
    path = tmp_path / "sections.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=reason):
        read_section_patterns(path)
