"""``promptlight explore`` as a command, its keys in the docs, and its picture."""

# pyright: standard

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from textual.binding import Binding
from textual.pilot import Pilot

from promptlight.cli.explorer._keys import MAIN_KEYS, Place, name_main_keys
from promptlight.cli.explorer.app import KEY_OWNERS, Explorer, list_keys
from promptlight.cli.explorer.library import Library
from promptlight.cli.views.look import Marking, Paper, Taste
from tests.conftest import Command
from tests.support.exploring import explore, look_at
from tests.support.generated import DOCS
from tests.support.pictures import PICTURES, draw_explorer, read_picture


def test_it_opens_with_the_look_and_the_prompts_that_were_asked_for(demo_results: Path) -> None:
    async def steps(app: Explorer, pilot: Pilot[None]) -> None:
        assert "intensity 0.8 · underline" in look_at(app)
        await pilot.press("plus", "u")
        assert (app.taste.intensity, app.taste.paper) == (0.9, Paper.DARK)

    explore(demo_results, steps, taste=Taste(intensity=0.8, marking=Marking.UNDERLINE))
    library = Library(demo_results, [("source", "hostile")])
    assert {one.label for one in library.listed} == {"hostile"}
    assert library.find_first(None).id == "chinese"
    assert [one.id for one in library.search("menu")] == [
        one.id for one in Library(demo_results).search("menu") if one.label == "hostile"
    ]


@pytest.mark.parametrize(
    ("arguments", "exit_code", "says"),
    [
        (("--by", "letter"), 2, "letter"),
        (("--target", "no such text"), 2, "dish-mistake: target 'no such text': expected text"),
        (("--target", "9", "--target-by", "line"), 2, "dish-mistake: target 9: expected a span from 1 to 2"),
        (("--target", "no such text", "--id", "dish-fixed"), 2, "dish-fixed: target 'no such text'"),
        (("--method", "lime"), 2, "dish-mistake: expected scores by lime, found grad_l2"),
        (("--where", "source=nobody"), 2, "source could be fewshot-mistake, fewshot-fixed"),
        (("--where", "source=hostile", "--id", "dish-fixed"), 2, "no result with id 'dish-fixed'"),
        (("--target", "Recommendation"), 2, "expected a terminal to draw on"),
        (("--row", "18"), 2, "expected a row from 0 to 17, found 18"),
        (("--row", "1", "--id", "dish-fixed"), 2, "expected either --id or --row"),
        (("--row", "1", "--target", "no such text"), 2, "dish-fixed: target 'no such text'"),
        (("--foil", "auto", "--objective", "kl"), 2, "expected the objective logprob with a foil, found kl"),
        ((), 2, "expected a terminal to draw on"),
    ],
)
def test_what_cannot_be_explored_is_said_on_stderr(
    promptlight: Command, demo_results: Path, arguments: tuple[str, ...], exit_code: int, says: str
) -> None:
    done = promptlight("explore", demo_results, *arguments)
    assert (done.exit_code, done.stdout) == (exit_code, "")
    assert says in done.stderr


def test_every_key_stands_in_the_docs() -> None:
    text = (DOCS / "views.md").read_text(encoding="utf-8")
    table = text[text.index("`promptlight explore`") :]
    named = [key for rows in list_keys().values() for keys, _ in rows for key in keys]
    bound = [one for owner in KEY_OWNERS for one in owner.BINDINGS if isinstance(one, Binding)]
    assert len(named) == sum(len(one.key.split(",")) for one in bound)
    for purpose, keys in list_keys().items():
        rows = [f"| {', '.join(f'`{name}`' for name in names)} | {meaning} |" for names, meaning in keys]
        assert "\n".join([f"| **{purpose}** | |", *rows]) in table


def test_the_translated_docs_have_the_same_keys_in_the_same_order() -> None:
    def find_keys(page: str) -> list[str]:
        text = (DOCS / page).read_text(encoding="utf-8")
        lines = text[text.index("`promptlight explore`") :].splitlines()
        first = next(row for row, line in enumerate(lines) if line.startswith("|---"))
        return [line.split(" | ")[0] for line in itertools.takewhile(bool, lines[first + 1 :]) if "`" in line]

    assert find_keys("views.zh-TW.md") == find_keys("views.md")


@pytest.mark.parametrize(
    ("place", "width", "named"),
    [
        (Place.TEXT, 40, " ←→ target  g cut  e edit  ? all keys"),
        (Place.TEXT, 60, " ←→ target  g cut  c compare  e edit  / search  ? all keys"),
        (Place.TEXT, 80, " ←→ target  g cut  w way  c compare  e edit  n next prompt  / search  ? all keys"),
        (Place.LIST, 30, " enter open  escape back"),
        (Place.SEARCH, 60, " ↑↓ move  enter open  escape all prompts"),
    ],
)
def test_the_main_keys_that_fit_are_named(place: Place, width: int, named: str) -> None:
    assert name_main_keys(place, width) == named


def test_every_main_key_is_bound() -> None:
    printed = {key for rows in list_keys().values() for names, _ in rows for key in names} | {"←→", "↑↓", "enter"}
    assert {name.split()[0] for names in MAIN_KEYS.values() for name in names} <= printed


def test_the_picture_in_the_docs_is_what_the_app_draws_and_asks_no_server_for_a_font(tmp_path: Path) -> None:
    draw_explorer(tmp_path / "new.svg")
    assert "@font-face" not in (tmp_path / "new.svg").read_text(encoding="utf-8")
    assert read_picture(tmp_path / "new.svg") == read_picture(PICTURES / "explore.svg"), "run make pictures"
