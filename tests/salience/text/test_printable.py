"""What can't be seen, or would act on a terminal, is drawn as symbols; what scripts and emoji need stays."""

from __future__ import annotations

import json
import unicodedata

import pytest

from promptlight.salience.text.printable import one_line, printable, printable_json, printable_within, quote

TAGS = "\U000e0061\U000e0020"
FAMILY = "\U0001f469\u200d\U0001f469\u200d\U0001f467"  # three people and two joiners


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\u200bb", "a⟨U+200B⟩b"),
        ("\u2028", "⟨U+2028⟩"),
        (f"Cheese{TAGS}", "Cheese⟨U+E0061⟩⟨U+E0020⟩"),
        ("\ufeffa", "⟨U+FEFF⟩a"),
        ("\u2060\u00ad\u200e", "⟨U+2060⟩⟨U+00AD⟩⟨U+200E⟩"),
        ("a\x1b[1m\u202eb", "a␛[1m⟨U+202E⟩b"),
        (FAMILY, FAMILY),
        ("\u2764\ufe0f\u200d\U0001f525", "\u2764\ufe0f\u200d\U0001f525"),  # a heart on fire
        ("\U0001f600\U000e0158\U000e0159", "\U0001f600⟨U+E0158⟩⟨U+E0159⟩"),  # bytes hidden behind an emoji
        ("a\u200d\u200c\u200db", "a⟨U+200D⟩⟨U+200C⟩⟨U+200D⟩b"),  # bits hidden between letters
        ("\u2764\ufe0f\u200d\u200d", "\u2764⟨U+FE0F⟩⟨U+200D⟩⟨U+200D⟩"),
        ("می\u200cخواهم ❤\ufe0f", "می\u200cخواهم ❤\ufe0f"),
        ("a\n b\u3000c\xa0d", "a\n b\u3000c\xa0d"),
        (" \n", " \n"),
    ],
)
def test_what_is_invisible_is_drawn(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert json.loads(printable_json(text)) == text


def test_no_character_that_unicode_calls_a_format_or_a_separator_of_lines_is_printed_raw() -> None:
    joiners = "\u200c\u200d"
    for code in range(0x110000):
        one = chr(code)
        if unicodedata.category(one) in ("Cf", "Zl", "Zp") and one not in joiners:
            is_drawn = unicodedata.name(one, "").startswith(("ARABIC", "SYRIAC", "KAITHI", "EGYPTIAN"))
            assert printable(f"a{one}") != f"a{one}" or is_drawn, hex(code)
            assert one not in printable_json(one) or is_drawn, hex(code)


@pytest.mark.parametrize(
    "text",
    [
        *("a\ufe01\ufe02\ufe03b", "\U0001f600\U000e0158\U000e0159", "\u2764\ufe0f\u200d\U0001f525", FAMILY),
        *("a\u200d\u200cb", "\u2764\ufe0f\u200d\u200d\u200b", "می\u200cخواهم", f"x{TAGS}", "\ufe0f\ufe0f"),
    ],
)
def test_parts_of_a_text_show_what_the_whole_shows(text: str) -> None:
    for n in range(1, len(text) + 1):
        parts = [(text[at : at + n], at) for at in range(0, len(text), n)]
        assert "".join(printable_within(part, text, at) for part, at in parts) == printable(text)
    assert printable_within("<bos>\u200b", text, 0) == "<bos>⟨U+200B⟩"


def test_one_line_and_a_quote_show_it_too() -> None:
    assert (one_line("a\n\u200b"), quote("\u2028", 20)) == ("a↵⟨U+200B⟩", "⟨U+2028⟩")


def test_a_joiner_that_joins_nothing_is_drawn_where_a_span_is_listed() -> None:
    assert (one_line("\u200d"), one_line(" \ufe0f\n"), one_line(FAMILY)) == ("⟨U+200D⟩", " ⟨U+FE0F⟩↵", FAMILY)
