"""The keys of the app: the main ones for the line at its foot, and all of them by purpose for the help and the docs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import Enum, auto

from rich.cells import cell_len
from textual.binding import Binding, BindingType


class Place(Enum):
    """Where the keys go."""

    TEXT = auto()
    NOTHING = auto()  # a prompt that has nothing to explain
    LIST = auto()
    SEARCH = auto()


MAIN_KEYS = {  # in the order of the line; in a narrow terminal those with the lowest ranks stay
    Place.TEXT: {
        "←→ target": 1,
        "g cut": 3,
        "w way": 6,
        "c compare": 4,
        "e edit": 2,
        "n next prompt": 7,
        "/ search": 5,
        "i details": 8,
        "? all keys": 0,
        "q quit": 9,
    },
    Place.NOTHING: {"n next prompt": 2, "l list": 4, "/ search": 1, "? all keys": 0, "q quit": 3},
    Place.LIST: {"↑↓ move": 2, "enter open": 1, "/ search": 3, "escape back": 0, "? all keys": 4},
    Place.SEARCH: {"↑↓ move": 2, "enter open": 1, "escape all prompts": 0},
}
PURPOSES = {  # of the actions of keys, in the order of the help
    "Move around": (
        *("neighbour", "search", "list", "text"),
        *("scroll_up", "scroll_down", "page_up", "page_down", "scroll_home", "scroll_end"),
    ),
    "What is explained": (
        *("move", "extend", "choose", "choose_all"),
        *("cut_sources", "cut_targets", "pool", "method", "way"),
        *("look", "details", "matrix"),
    ),
    "How it is drawn": ("fold", "intensify", "marking", "spacing"),
    "Two prompts": ("compare",),
    "A change": ("edit", "run", "editor", "leave"),
    "Help, and leaving": ("help", "quit"),
}
PRINTED = {
    "plus": "+",
    "equals_sign": "=",
    "minus": "-",
    "slash": "/",
    "question_mark": "?",
    "full_stop": ".",
    "comma": ",",
}


def name_main_keys(place: Place, width: int) -> str:
    """The main keys of a place that fit in so many cells."""
    names, kept = MAIN_KEYS[place], set[str]()
    for name in sorted(names, key=names.__getitem__):
        if cell_len(_join(names, kept | {name})) > width:
            break
        kept.add(name)
    return _join(names, kept)


def _join(names: Iterable[str], kept: set[str]) -> str:
    return " " + "  ".join(name for name in names if name in kept)


def group_keys(owners: Iterable[Sequence[BindingType]]) -> dict[str, list[tuple[list[str], str]]]:
    """All keys of these lists by purpose, and what each does; keys with the same description stand together."""
    found = [one for owner in owners for one in owner if isinstance(one, Binding)]
    groups: dict[str, list[tuple[list[str], str]]] = {}
    for purpose, actions in PURPOSES.items():
        rows: dict[str, list[str]] = {}
        for action in actions:
            for one in found:
                if one.action.partition("(")[0] == action:
                    rows.setdefault(one.description, []).extend(PRINTED.get(key, key) for key in one.key.split(","))
        groups[purpose] = [(keys, description) for description, keys in rows.items()]
    return groups
