"""Pictures of a terminal: each text where it belongs, in every program."""

from __future__ import annotations

import io
import re
from xml.etree import ElementTree

import pytest
from rich.console import Console
from rich.terminal_theme import DEFAULT_TERMINAL_THEME
from rich.text import Text

from promptlight.cli.views.svg import CELL, export_svg


def place_texts(*lines: Text) -> dict[str, tuple[float, float]]:
    """Each text with the cell where it begins and its width in cells."""
    console = Console(file=io.StringIO(), record=True, force_terminal=True, color_system="truecolor", width=60)
    for line in lines:
        console.print(line)
    picture = export_svg(console, "a title", DEFAULT_TERMINAL_THEME)
    assert not re.search(r"@font-face|url\(.?http", picture)
    root = ElementTree.fromstring(picture)
    texts = [one for one in root.iter() if one.tag.endswith("}text") and "textLength" in one.attrib]
    return {(one.text or ""): (float(one.attrib["x"]) / CELL, float(one.attrib["textLength"]) / CELL) for one in texts}


def test_a_text_begins_where_its_first_visible_character_is() -> None:
    """A digit is in the code of a blank, too: ``&#160;``."""
    found = place_texts(Text("   1  one 6 &  "), Text.assemble("ab ", ("  c  ", "bold"), "d"))
    assert found == {
        "1\xa0\xa0one\xa06\xa0&": (pytest.approx(3), pytest.approx(10)),
        "ab": (pytest.approx(0), pytest.approx(2)),
        "c": (pytest.approx(5), pytest.approx(1)),
        "d": (pytest.approx(8), pytest.approx(1)),
    }


def test_a_wide_character_has_two_cells() -> None:
    found = place_texts(Text.assemble(" 分析", ("：b", "bold")))
    assert found == {"分析": (pytest.approx(1), pytest.approx(4)), "：b": (pytest.approx(5), pytest.approx(3))}
