"""How far two texts are apart: Levenshtein's distance.

Hyyrö's bit-vector form of Myers' algorithm (Hyyrö 2003, "A Bit-Vector Algorithm for Computing Levenshtein and Damerau
Edit Distances"): one integer holds a whole column of the table, so a row costs a few operations on integers of as many
bits as the first text has characters.
"""

from __future__ import annotations


def find_distance(one: str, other: str) -> int:
    """The fewest characters to insert, delete or exchange that turn one text into the other."""
    if not one:
        return len(other)
    places: dict[str, int] = {}  # the positions of each character of ``one``, as bits
    for number, character in enumerate(one):
        places[character] = places.get(character, 0) | 1 << number
    width, last = (1 << len(one)) - 1, 1 << (len(one) - 1)
    rises, falls, distance = width, 0, len(one)  # where the column grows by one, and shrinks by one
    for character in other:
        equal = places.get(character, 0)
        kept = (((equal & rises) + rises) ^ rises) | equal | falls
        grown, shrunk = falls | ~(kept | rises) & width, rises & kept
        distance += bool(grown & last) - bool(shrunk & last)
        grown, shrunk = (grown << 1 | 1) & width, shrunk << 1 & width
        rises, falls = shrunk | ~(kept | grown) & width, grown & kept
    return distance
