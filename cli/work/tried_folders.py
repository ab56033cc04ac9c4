"""Find where completions were asked about otherwise in the served page, and say so beside what a command prints."""

from __future__ import annotations

import sys

from promptlight.cli.views.tried import spell_tried_folders
from promptlight.io.places import Place
from promptlight.io.results.reader import read_settings
from promptlight.io.results.tried import describe_question, find_tried_folders
from promptlight.salience.errors import OutputError


def name_tried_folders(folder: Place) -> list[tuple[Place, str]]:
    """Each folder with what it asks, such as ``grad_dot_input, margin``, and its hash where two ask the same.

    One that can't be read has its own name.
    """
    found = [(place, _describe(place, folder)) for place in find_tried_folders(folder)]
    asked = [name for _, name in found]
    return [
        (place, name if asked.count(name) == 1 else f"{name}, {place.name.rpartition('-')[2]}") for place, name in found
    ]


def say_tried_folders(folder: Place) -> None:
    """Say it in one line on stderr, if there are any."""
    if said := spell_tried_folders(folder, name_tried_folders(folder)):
        print(f"note: {said}", file=sys.stderr)


def _describe(place: Place, folder: Place) -> str:
    try:
        return describe_question(read_settings(place), read_settings(folder))
    except OutputError:
        return place.name
