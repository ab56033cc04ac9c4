"""The faces of the text in a PNG: they come with the package, so that a picture looks the same on every machine.

1. DejaVu Sans Mono, regular, bold and oblique, is in ``fonts/``.
2. Noto Sans CJK, for Chinese, Japanese and Korean, comes from the extra ``png-cjk``, if that is installed. Of its faces
   Taiwan's is taken; it has the characters of all regions.
3. For a character that no face has, the caller draws a box and says so. Fonts of the system are never used.
"""

# pyright: standard

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import as_file, files
from importlib.util import find_spec
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

SIZE, BASELINE = 28, 25  # pixels: an em, and from a row's top to where letters stand
CJK_PACKAGE, CJK_FILE, CJK_TAIWAN = "manimgx_fonts_cjk", "NotoSansCJK-VF.otf.ttc", 3
CJK_SIZE, CJK_BASELINE = 30, 28  # pixels; an em nearly fills two cells
CJK_REGULAR, CJK_BOLD = 400, 700  # weights
NO_CHARACTER = "\U0010ffff"  # which no font has
INVISIBLE = "\u200c\u200d\ufe0e\ufe0f"  # joiners and variation selectors


@dataclass(frozen=True)
class Face:
    """A font at its size; ``baseline`` is where its letters stand, in pixels below the top of a row."""

    font: ImageFont.FreeTypeFont
    baseline: int


def find_face(cluster: str, *, bold: bool, italic: bool) -> Face | None:
    """The face that has every character of a cluster; None if there is none."""
    visible = "".join(one for one in cluster if one not in INVISIBLE)
    faces = _list_faces(bold=bold, italic=italic)
    return next((face for face in faces if all(_has(face.font, one) for one in visible)), None)


def compose(cluster: str) -> str:
    """The cluster with as few combining characters as can be: these faces place them roughly."""
    return unicodedata.normalize("NFC", cluster)


def has_cjk() -> bool:
    """Whether Noto Sans CJK is installed."""
    return _find_cjk() is not None


@lru_cache(maxsize=4)
def _list_faces(*, bold: bool, italic: bool) -> Sequence[Face]:
    """The faces to try, in order; a bold italic is bold."""
    own = _open_own("-Bold" if bold else "-Oblique" if italic else "")
    regular, path = _open_own(""), _find_cjk()
    faces = [Face(own, BASELINE), Face(regular, BASELINE)]  # Bold and Oblique lack some characters
    if path is not None:
        cjk = ImageFont.truetype(path, CJK_SIZE, index=CJK_TAIWAN, layout_engine=ImageFont.Layout.BASIC)
        cjk.set_variation_by_axes([CJK_BOLD if bold else CJK_REGULAR])
        faces.append(Face(cjk, CJK_BASELINE))
    return faces


@lru_cache(maxsize=4)
def _open_own(style: str) -> ImageFont.FreeTypeFont:
    with as_file(files("promptlight.cli.views") / "fonts" / f"DejaVuSansMono{style}.ttf") as path:
        return ImageFont.truetype(path, SIZE, layout_engine=ImageFont.Layout.BASIC)


@lru_cache(maxsize=1)
def _find_cjk() -> Path | None:
    spec = find_spec(CJK_PACKAGE)
    folders = (spec.submodule_search_locations or ()) if spec else ()
    return next((path for folder in folders if (path := Path(folder) / CJK_FILE).is_file()), None)


def _has(font: ImageFont.FreeTypeFont, character: str) -> bool:
    """Whether a font has a character: it doesn't look like one that no font has."""
    return _show(font, character) != _show(font, NO_CHARACTER)


@lru_cache(maxsize=8192)
def _show(font: ImageFont.FreeTypeFont, character: str) -> bytes:
    """What a font shows for a character."""
    image = Image.new("L", (2 * SIZE, 2 * SIZE))
    ImageDraw.Draw(image).text((0, 0), character, 255, font)
    return image.tobytes()
