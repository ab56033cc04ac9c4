"""CSV for Excel: its encoding is found, its texts are no formulas, and nothing is cut off without a word."""

# pyright: standard

from __future__ import annotations

import csv
from pathlib import Path

import pyarrow as pa
import pytest

from promptlight.io.tables import _excel
from promptlight.io.tables.formats import TableFormat, write_rows
from promptlight.io.tables.kinds import TableKind
from promptlight.salience.errors import OutputError

KIND = TableKind(
    name="scores", schema=pa.schema([("text", pa.string()), ("share", pa.float32()), ("exact", pa.bool_())])
)


def write(path: Path, *texts: str | None, share: float | None = 0.25) -> list[list[str]]:
    rows = [{"text": text, "share": share, "exact": True} for text in texts]
    assert write_rows(path, KIND, rows, format=TableFormat.EXCEL_CSV) == len(texts)
    raw = path.read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf")
    names, *cells = csv.reader(raw.decode("utf-8-sig").splitlines(keepends=True))
    assert names == KIND.schema.names
    return cells


@pytest.mark.parametrize(
    "text", ["=1+1", "=HYPERLINK(0)", "+1", "-1", "- a list", "@SUM(A1)", " =1", "\t=1", "\r=1", "\n-a", "＝1", "＠a"]
)
def test_a_text_that_begins_like_a_formula_gets_an_apostrophe(tmp_path: Path, text: str) -> None:
    assert write(tmp_path / "t.csv", text) == [["'" + text, "0.25", "true"]]


@pytest.mark.parametrize("text", ["", "a=1", "1+1", "好", 'say "=1"', "two\nlines", "a,b;c", "'tis", "<bos>", "\n"])
def test_other_texts_stay_as_they_are(tmp_path: Path, text: str) -> None:
    assert write(tmp_path / "t.csv", text) == [[text, "0.25", "true"]]


def test_numbers_stay_numbers_and_null_is_an_empty_cell(tmp_path: Path) -> None:
    assert write(tmp_path / "t.csv", None, share=-0.1) == [["", "-0.1", "true"]]
    assert write(tmp_path / "u.csv", "a", share=None) == [["a", "", "true"]]


@pytest.mark.parametrize(("character", "n_most"), [("a", 32_767), ("好", 32_767), ("😀", 16_383)])
def test_a_text_that_no_cell_can_hold_is_refused(tmp_path: Path, character: str, n_most: int) -> None:
    assert write(tmp_path / "t.csv", character * n_most)[0][0] == character * n_most
    with pytest.raises(OutputError, match=r"text: expected texts of at most 32,767 characters, .* found 32,76"):
        write_rows(tmp_path / "u.csv", KIND, [{"text": character * (n_most + 1)}], format=TableFormat.EXCEL_CSV)
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]


def test_more_rows_than_a_sheet_has_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _excel.MAX_ROWS == 1_048_576 - 1
    monkeypatch.setattr(_excel, "MAX_ROWS", 2)
    assert len(write(tmp_path / "t.csv", "a", "b")) == 2
    with pytest.raises(OutputError, match="expected at most 2 rows, as Excel shows no more, found more"):
        write_rows(tmp_path / "u.csv", KIND, [{"text": "a"}] * 3, format=TableFormat.EXCEL_CSV)
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]
