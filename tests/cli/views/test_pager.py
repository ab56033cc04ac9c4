"""``promptlight show`` on a terminal: a view that is longer is shown in a pager, in colours."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.terminal import ESCAPE, run_on_terminal, show_on_terminal

PAGER = "sh -c 'echo paged, LESS=$LESS; cat'"
SHOW = ("show", "gemma-tutorial", "--id", "dish-mistake", "--paper", "light")


def test_what_is_longer_than_the_terminal_is_paged_in_colours(tmp_path: Path) -> None:
    drawn = show_on_terminal(SHOW, folder=tmp_path, pager=PAGER)
    assert "paged, LESS=FRX" in drawn
    assert len(set(ESCAPE.findall(drawn))) >= 4
    assert "Look first at line" in drawn


@pytest.mark.parametrize(
    ("options", "rows", "pager"),
    [
        ((), 200, PAGER),
        (("--no-pager",), 24, PAGER),
        ((), 24, ""),
        ((), 24, "cat"),
        ((), 24, "no-such-pager-here"),
    ],
)
def test_what_fits_is_not_paged_nor_is_anything_against_the_users_will(
    options: tuple[str, ...], rows: int, pager: str, tmp_path: Path
) -> None:
    drawn = show_on_terminal([*SHOW, *options], folder=tmp_path, pager=pager, rows=rows)
    assert "paged" not in drawn
    assert "Look first at line" in drawn


def test_the_configuration_switches_the_pager_off(tmp_path: Path) -> None:
    (tmp_path / "promptlight.toml").write_text("pager = false\n", encoding="utf-8")
    assert "paged" not in show_on_terminal(SHOW, folder=tmp_path, pager=PAGER)


def test_nothing_is_paged_in_a_pipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAGER", PAGER)
    printed, _ = run_on_terminal(SHOW, folder=tmp_path)
    assert "paged" not in printed
    assert "Look first at line" in printed
