"""How texts are cut: a table to read, then the rules that hold for every text."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from promptlight.salience.errors import UsageError
from promptlight.salience.text.patterns import estimate_size
from promptlight.salience.text.spans import (
    find_lines,
    find_paragraphs,
    find_sentences,
    find_words,
    group_tokens,
    parse_cut,
    pattern_finder,
)
from promptlight.salience.types import Completion, Granularity, Pattern, Role, Segmentation
from tests.support.span_cases import CASES, SPECIAL, Case, build_completion, cut, in_bytes, spans_of

TOKEN, WORD, SENTENCE, LINE = Granularity.TOKEN, Granularity.WORD, Granularity.SENTENCE, Granularity.LINE
PARAGRAPH = Granularity.PARAGRAPH


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.granularity}: {case.name}")
def test_how_texts_are_cut(case: Case) -> None:
    prompt, _, written = case.pieces.partition("¦")
    completion = build_completion(prompt.split("|"), written.split("|") if written else [], case.prompt_text)
    assert [span.text for span in spans_of(completion, case.granularity)] == case.expected.split("|")


def test_the_example_in_the_docs() -> None:
    text = "Buy eggs, (sweet) milk.\n\nIt’s 好吃的！"
    words = ["Buy", " eggs,", " (sweet)", " milk.\n\n", "It’s", " 好", "吃", "的！"]
    assert [text[start:stop] for start, stop in pairwise([0, *find_words(text), len(text)])] == words


def test_nothing_to_cut() -> None:
    assert cut(build_completion([], []), WORD) == Segmentation(granularity=WORD, bounds=(0,))
    assert find_words("") == find_sentences("") == find_lines("") == []


def test_an_empty_prompt_and_an_empty_completion() -> None:
    assert cut(build_completion([], ["a", "▁b"]), WORD).bounds == (0, 1, 2)
    assert cut(build_completion(["a", "▁b"], []), WORD).bounds == (0, 1, 2)


def test_cuts_of_any_kind_group_tokens() -> None:
    completion = build_completion(["<bos>", "a", "b", "c▁d", "e"], ["f", "g"])  # "abc defg"
    assert group_tokens(completion.tokens, 5, completion.text, [2]) == (0, 1, 3, 5, 7)
    assert group_tokens(completion.tokens, 5, completion.text, [2, 4]) == (0, 1, 3, 4, 5, 7)  # inside "c d"


def test_spans_load_no_sentence_splitter() -> None:
    code = "import sys, promptlight.salience.text.spans; sys.exit('sentencex' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# ---- rules for every text -------------------------------------------------------------------------------------------

SNIPPETS = [
    *"ab A1.,!?\"'()“”「」。，—…²*\t\n\r\u00a0\u3000\u200d\u0301\u2028\x1c🍕好カのعก",
    "Mr. ",
    "e.g. ",
    "1. ",
    "\n\n",
]
TEXTS = st.lists(st.sampled_from(SNIPPETS), max_size=25).map("".join)
PIECES = st.one_of(
    st.sampled_from(
        [*SPECIAL, "▁", "▁▁", "▁a", "b", ".", "\n", "\r", ".\n", "a▁b", "好", "好。今", "。", "\n▁", "1", "—"]
    ),
    st.integers(0, 255).map(lambda byte: f"<0x{byte:02X}>"),
    st.sampled_from([*in_bytes("🍕好é").split("|")]),
)
COMPLETIONS = st.builds(build_completion, st.lists(PIECES, max_size=12), st.lists(PIECES, max_size=12))


@given(TEXTS)
def test_cuts_are_inside_the_text_and_increase(text: str) -> None:
    for find in (find_words, find_sentences, find_lines):
        places = [0, *find(text), max(len(text), 1)]
        assert all(before < after for before, after in pairwise(places))


@given(TEXTS)
@example("a\n\x1c")  # \x1c is a blank to Python, not to Unicode
def test_no_word_or_sentence_crosses_a_line(text: str) -> None:
    lines = set(find_lines(text))
    assert lines <= set(find_sentences(text))
    assert lines <= set(find_words(text))


@given(TEXTS)
def test_every_word_is_seen(text: str) -> None:
    words = [text[start:stop] for start, stop in pairwise([0, *find_words(text), len(text)])]
    assert all(word.strip() for word in words[1:])


@given(COMPLETIONS, st.sampled_from(Granularity))
def test_spans_tile_the_tokens(completion: Completion, granularity: Granularity) -> None:
    bounds = cut(completion, granularity).bounds
    assert bounds[0] == 0
    assert bounds[-1] == len(completion.tokens)
    assert all(start < stop for start, stop in pairwise(bounds))
    assert completion.n_prompt_tokens in bounds


@given(COMPLETIONS, st.sampled_from(Granularity))
def test_special_tokens_are_alone(completion: Completion, granularity: Granularity) -> None:
    spans = spans_of(completion, granularity)
    for span in spans:
        roles = {token.role for token in completion.tokens[span.start : span.stop]}
        assert roles == {span.role}
        assert span.role is not Role.SPECIAL or span.stop - span.start == 1
    assert "".join(span.text for span in spans if span.role is not Role.SPECIAL) == completion.text
    assert [span.number for span in spans] == list(range(len(spans)))


@given(COMPLETIONS)
def test_every_granularity_coarsens_tokens(completion: Completion) -> None:
    units = set(cut(completion, TOKEN).bounds)
    for granularity in (WORD, SENTENCE, LINE, PARAGRAPH, Pattern(r"\w")):
        assert set(cut(completion, granularity).bounds) <= units


@given(COMPLETIONS)
def test_token_spans_show_what_their_first_token_shows(completion: Completion) -> None:
    for span in spans_of(completion, TOKEN):
        first, *others = completion.tokens[span.start : span.stop]
        assert all(token.start == token.stop == first.stop for token in others)


@given(st.lists(PIECES, max_size=12), st.lists(PIECES, max_size=12), st.sampled_from(Granularity))
def test_prompt_and_completion_are_cut_each_by_itself(
    prompt: list[str], written: list[str], granularity: Granularity
) -> None:
    both = cut(build_completion(prompt, written), granularity).bounds
    first = cut(build_completion(prompt, []), granularity).bounds
    second = cut(build_completion([], written), granularity).bounds
    assert both == (*first, *(len(prompt) + bound for bound in second[1:]))


# ---- paragraphs, and cuts of the user's own ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "paragraphs"),
    [
        ("a\nb", ["a\nb"]),
        ("a\n\nb\nc", ["a\n\n", "b\nc"]),
        ("a\n \t\n\n\nb", ["a\n \t\n\n\n", "b"]),
        ("a\r\n\r\nb", ["a\r\n\r\n", "b"]),
        ("\n\na", ["\n\n", "a"]),
        ("a\n\n", ["a\n\n"]),
        ("", [""]),
    ],
)
def test_paragraphs_end_with_their_blank_lines(text: str, paragraphs: list[str]) -> None:
    cuts = [0, *find_paragraphs(text), len(text)]
    assert [text[start:stop] for start, stop in pairwise(cuts)] == paragraphs


@given(st.text(alphabet="ab \n\r\t", max_size=30))
def test_every_paragraph_is_whole_lines(text: str) -> None:
    assert set(find_paragraphs(text)) <= set(find_lines(text))


@pytest.mark.parametrize(
    ("expression", "parts"),
    [
        (r"\bSuggestion", ["Eat: x\n", "Suggestion: y\n", "Suggestion: z"]),
        ("^", ["Eat: x\n", "Suggestion: y\n", "Suggestion: z"]),  # the start of a line, as in most tools
        ("nothing", ["Eat: x\nSuggestion: y\nSuggestion: z"]),
        (r"\n+", ["Eat: x", "\nSuggestion: y", "\nSuggestion: z"]),  # LIT's own default
    ],
)
def test_a_pattern_says_where_spans_start(expression: str, parts: list[str]) -> None:
    text = "Eat: x\nSuggestion: y\nSuggestion: z"
    cuts = [0, *pattern_finder(Pattern(expression))(text), len(text)]
    assert [text[start:stop] for start, stop in pairwise(cuts)] == parts


def test_a_pattern_cuts_tokens_where_they_begin() -> None:
    completion = build_completion(["<bos>", "Eat", "▁pie", ".", "▁Buy"], ["▁pie"])
    assert [span.text for span in spans_of(completion, Pattern("pie"))] == ["<bos>", "Eat", " pie. Buy", " pie"]


@pytest.mark.parametrize("text", ["letter", "regex", "", "Word", "regex:("])
def test_what_is_no_cut_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="expected"):
        parse_cut(text)


def test_cuts_are_parsed() -> None:
    assert [parse_cut(str(name)) for name in (*Granularity, Pattern("a:b"))] == [*Granularity, Pattern("a:b")]


CATASTROPHES = ["(a+)+$", "(a|aa)+$", "(a?){40}a{40}b", "(a{1,3}){1,300}b", "(?=(a+)+$)"]


@pytest.mark.parametrize("expression", CATASTROPHES)
def test_a_pattern_that_never_ends_is_stopped(monkeypatch: pytest.MonkeyPatch, expression: str) -> None:
    monkeypatch.setattr("promptlight.salience.text.patterns.PATTERN_SECONDS", 0.05)
    with pytest.raises(UsageError, match=r"expected a regular expression \(regex timed out\)$"):
        pattern_finder(Pattern(expression))("a" * 5000 + "!")


@pytest.mark.parametrize("expression", ["(?:(?:a{1000}){1000}){1000}", "((x{99999}y){99})", "(ab{2,}){99999999999999}"])
def test_a_pattern_that_would_fill_the_memory_is_refused(expression: str) -> None:
    with pytest.raises(UsageError, match=r"expected a regular expression \(its repeats come to more than 100,000 char"):
        parse_cut(f"regex:{expression}")


@pytest.mark.parametrize(
    ("expression", "size"),
    [
        ("", 0),
        ("(ab){3}", 6),
        (r"\d{4}-\d{2}", 7),
        ("(?:a|b{3}){20,200}", 140),
        ("a{,9}b*", 7),
        (")(x", 2),
        (r"\({3}", 3),
    ],
)
def test_the_size_of_a_pattern(expression: str, size: int) -> None:
    assert estimate_size(expression) == size


@pytest.mark.parametrize(
    "expression", ["(?V0)(?V1)a", "(", "*", "a{2,1}", "(?P<1>a)", r"\L<x>", "(" * 2000 + ")" * 2000]
)
def test_what_is_no_pattern_is_refused(expression: str) -> None:
    with pytest.raises(UsageError, match=r"expected a regular expression \(."):
        parse_cut(f"regex:{expression}")
