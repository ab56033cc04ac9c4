"""How texts are cut: a table to read, then the rules that hold for every text."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from promptlight.salience.errors import UsageError
from promptlight.salience.pieces import align, lay_out
from promptlight.salience.spans import (
    describe_spans,
    find_lines,
    find_paragraphs,
    find_sentences,
    find_words,
    group_tokens,
    parse_cut,
    pattern_finder,
    segment,
)
from promptlight.salience.types import (
    Completion,
    Cut,
    Granularity,
    Pattern,
    Prompt,
    Role,
    Segmentation,
    Span,
    StopReason,
    Token,
)

TOKEN, WORD, SENTENCE, LINE = Granularity.TOKEN, Granularity.WORD, Granularity.SENTENCE, Granularity.LINE
PARAGRAPH = Granularity.PARAGRAPH
SPECIAL = {"<bos>", "<eos>", "<end_of_turn>"}


def build_tokens(pieces: list[str], role: Role, offset: int, text: str | None) -> tuple[list[Token], str]:
    special = [piece in SPECIAL for piece in pieces]
    layout = lay_out(pieces, special)
    layout = layout if text is None else align(layout, text)
    tokens = [
        Token(id=0, piece=piece, start=offset + start, stop=offset + stop, role=Role.SPECIAL if hidden else role)
        for piece, hidden, (start, stop) in zip(pieces, special, layout.ranges, strict=True)
    ]
    return tokens, layout.text


def build_completion(prompt: list[str], written: list[str], prompt_text: str | None = None) -> Completion:
    prompt_tokens, prompt_text = build_tokens(prompt, Role.PROMPT, 0, prompt_text)
    tokens, text = build_tokens(written, Role.COMPLETION, len(prompt_text), None)
    return Completion(
        prompt=Prompt(id="1", text=prompt_text),
        tokens=(*prompt_tokens, *tokens),
        n_prompt_tokens=len(prompt),
        text=prompt_text + text,
        prompt_stop=len(prompt_text),
        stop_reason=StopReason.GIVEN,
    )


def cut(completion: Completion, granularity: Cut) -> Segmentation:
    return segment(completion.tokens, completion.n_prompt_tokens, completion.text, granularity)


def spans_of(completion: Completion, granularity: Cut) -> list[Span]:
    return describe_spans(completion, cut(completion, granularity))


def in_bytes(text: str) -> str:
    return "|".join(f"<0x{byte:02X}>" for byte in text.encode())


def by_character(text: str) -> str:
    return "|".join(text.replace(" ", "▁"))


@dataclass(frozen=True)
class Case:
    """Pieces with | between them and ¦ where the completion begins; the expected spans with | between them."""

    name: str
    pieces: str
    granularity: Granularity
    expected: str
    prompt_text: str | None = None


CASES = [
    # tokens
    Case("a token is a span", "<bos>|Hi|▁you|.¦OK|<eos>", TOKEN, "<bos>|Hi| you|.|OK|<eos>"),
    Case("emoji over four byte tokens", f"eat|{in_bytes('🍕')}|!", TOKEN, "eat|🍕|!"),
    Case("two characters in bytes", in_bytes("好é"), TOKEN, "好|é"),
    Case("invalid bytes are seen", "a|<0xFF>|<0xF0>|<0x9F>|b", TOKEN, "a|\ufffd|\ufffd|b"),
    # words: blanks and punctuation
    Case("a leading-space mark goes with its word", "Buy|▁eggs|▁now", WORD, "Buy| eggs| now"),
    Case("a separate space goes with the next word", "Buy|▁|eggs", WORD, "Buy| eggs"),
    Case("a word of several tokens", "un|believ|able|▁stor|ies", WORD, "unbelievable| stories"),
    Case("commas and brackets touch a word", "eggs|,|▁(|sweet|)|▁ok", WORD, "eggs,| (sweet)| ok"),
    Case("apostrophes stay inside", "I|▁don|'|t|▁it|’|s", WORD, "I| don't| it’s"),
    Case("quotes go with their word", "▁“|Yes|,”|▁she", WORD, " “Yes,”| she"),
    Case("hyphens, numbers, addresses", "state|-|of|▁3|.|14|▁a|.|b|/|c", WORD, "state-of| 3.14| a.b/c"),
    Case("a lone dash is a word", "a|▁-|▁b", WORD, "a| -| b"),
    Case("a long dash parts words", "good|—|“|bad|”", WORD, "good—|“bad”"),
    Case("superscripts stay", "x|²|▁H|₂|O", WORD, "x²| H₂O"),
    Case("markdown stays", "**|Bold|**|▁text", WORD, "**Bold**| text"),
    Case("trailing spaces end a word", "Answer|:|▁▁", WORD, "Answer:  "),
    Case("only spaces", "▁|▁▁", WORD, "   "),
    # words: line feeds
    Case("line feeds end a word", "a|\n|\n|b", WORD, "a\n\n|b"),
    Case("line feeds at the start are their own", "\n\n|▁a", WORD, "\n\n| a"),
    Case("line feeds at the completion's start", "a¦\n|b", WORD, "a|\n|b"),
    Case("indents go with the next word", "if|:|\n|▁▁▁▁|go", WORD, "if:\n|    go"),
    Case("CRLF", "a|\r|\n|b|\r\n|c", WORD, "a\r\n|b\r\n|c"),
    Case("blank lines that are not empty", "a|\n|▁▁|\n|b", WORD, "a\n  \n|b"),
    # words: scripts
    Case("Chinese words are the tokenizer's", "今天|天气|很好|，|我们|去|。", WORD, "今天|天气|很好，|我们|去。"),
    Case("Chinese in bytes", f"{in_bytes('你好')}|。", WORD, "你|好。"),
    Case("Chinese quotes", "他|说|：“|你好|”。|(|再见|)", WORD, "他|说：“|你好”。|(再见)"),
    Case("an opening quote as a token", "他|说|：|“|你好|”", WORD, "他|说：|“你好”"),
    Case("Japanese", "今日|は|「|カタ|カナ|」|です|ね|。", WORD, "今日|は|「カタカナ」|です|ね。"),
    Case("Japanese names", "ジョン|・|スミス", WORD, "ジョン・|スミス"),
    Case("Latin in Chinese", "GPT|-|4|是|50|%|的", WORD, "GPT-4|是|50%|的"),
    Case("Korean", "한국|어|▁단|어", WORD, "한국어| 단어"),
    Case("Thai words are the tokenizer's", "สวัสดี|ชาว|โลก", WORD, "สวัสดี|ชาว|โลก"),
    Case("Arabic", "مر|حبا|▁با|لعالم|!", WORD, "مرحبا| بالعالم!"),
    Case("Hindi", "नम|स्|ते|▁दु|निया", WORD, "नमस्ते| दुनिया"),
    Case("combining marks", "e|\u0301|tude|▁a\u0308|b", WORD, "e\u0301tude| a\u0308b"),
    Case("zero-width joiners", by_character("a 👩‍👩‍👧 b"), WORD, "a| 👩‍👩‍👧| b"),
    Case("a family in bytes", f"a|▁|{in_bytes('👩‍👧')}|▁b", WORD, "a| 👩‍👧| b"),
    Case("emoji touch their word", "great|🍕|🍔|▁🍕", WORD, "great🍕🍔| 🍕"),
    # words: tokens that straddle, the border, special tokens
    Case("two words that share a token are one", "a|b▁c|d|▁e", WORD, "ab cd| e"),
    Case("a token that only ends a word shares none", "a|b▁|c|▁d", WORD, "ab |c| d"),
    Case("a token over a line's end", "a|.\n|b", WORD, "a.\n|b"),
    Case("line feeds with an indent", "a|\n▁▁|b", WORD, "a\n  |b"),
    Case("the border cuts a word", "<bos>|straw¦berr|y|▁pie", WORD, "<bos>|straw|berry| pie"),
    Case("the border parts byte tokens' characters", f"{in_bytes('é')}¦{in_bytes('é')}", WORD, "é|é"),
    Case("special tokens cut a word", "<bos>|<bos>|a|<eos>|b¦c|<eos>", WORD, "<bos>|<bos>|a|<eos>|b|c|<eos>"),
    Case("a literal space mark", "a|▁|b|▁c", WORD, "a▁b| c", prompt_text="a▁b c"),
    # sentences
    Case("sentences keep their space", "One|.|▁Two|!|▁Three|?", SENTENCE, "One.| Two!| Three?"),
    Case("abbreviations", "Mr|.|▁X|,|▁e|.|g|.|▁Dr|.|▁Y|.|▁Go", SENTENCE, "Mr. X, e.g. Dr. Y.| Go"),
    Case("numbers with a point", "It|▁is|▁3|.|5|.|▁Yes", SENTENCE, "It is 3.5.| Yes"),
    Case("a numbered list", "1|.|▁Eggs|.|\n|2|.|▁Milk", SENTENCE, "1. Eggs.\n|2. Milk"),
    Case("a list on one line", "1|.|▁Eat|.|▁2|.|▁Go|.", SENTENCE, "1. Eat.| 2. Go."),
    Case("a markdown list", "**|1|.|▁Eat|:**|▁now|.|▁Go", SENTENCE, "**1. Eat:** now.| Go"),
    Case("closing quotes", '"|Go|."|▁He|▁left|.', SENTENCE, '"Go."| He left.'),
    Case("a closing quote as a token", "“|Go|.|”|▁He|▁left|.", SENTENCE, "“Go.”| He left."),
    Case("a closing bracket", "It|▁ended|.|)|▁Then|▁it", SENTENCE, "It ended.)| Then it"),
    Case("a question inside", by_character('He asked "Why?" and left. Ok'), SENTENCE, 'He asked "Why?" and left. |Ok'),
    Case("Chinese sentences", "你好|。|今天|好|！|是|吗|？|好", SENTENCE, "你好。|今天好！|是吗？|好"),
    Case("Japanese quotes", "「|行く|。|」|はい|。", SENTENCE, "「行く。」|はい。"),
    Case("Arabic sentences", "كيف|▁حالك|؟|▁جيد|.", SENTENCE, "كيف حالك؟| جيد."),
    Case("a sentence ends with its line", "no|▁stop|\n|▁here", SENTENCE, "no stop\n| here"),
    Case("blank lines end a sentence", "One|.|\n\n|▁|\n|Two|.", SENTENCE, "One.\n\n \n|Two."),
    Case("the border cuts a sentence", "It|▁is¦▁good|.|▁Ok", SENTENCE, "It is| good.| Ok"),
    Case("a no-break space", "Plan|▁B|\u00a0|.|▁Then", SENTENCE, "Plan B\u00a0.| Then"),
    Case("a token over two sentences", "One|.▁Two|▁is", SENTENCE, "One. Two| is"),
    # lines
    Case("lines keep their line feeds", "a|▁b|\n\n|c|\n", LINE, "a b\n\n|c\n"),
    Case("line feeds at the start of lines", "\n|\n|a|\n|b", LINE, "\n\n|a\n|b"),
    Case("CRLF lines", "a|\r|\n|\r\n|b", LINE, "a\r\n\r\n|b"),
    Case("blank lines belong to the one before", "a|\n|▁▁|\n|▁b", LINE, "a\n  \n| b"),
    Case("blanks at the end", "a|\n|▁▁", LINE, "a\n  "),
    Case("the border cuts a line", "<bos>|a|▁b¦▁c|\n|d|<eos>", LINE, "<bos>|a b| c\n|d|<eos>"),
    Case("a token over two lines", "a|b\nc|d|\n|e", LINE, "ab\nc|d\n|e"),
]


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
    assert segment([], 0, "", WORD) == Segmentation(granularity=WORD, bounds=(0,))
    assert find_words("") == find_sentences("") == find_lines("") == []


def test_an_empty_prompt_and_an_empty_completion() -> None:
    assert cut(build_completion([], ["a", "▁b"]), WORD).bounds == (0, 1, 2)
    assert cut(build_completion(["a", "▁b"], []), WORD).bounds == (0, 1, 2)


def test_cuts_of_any_kind_group_tokens() -> None:
    completion = build_completion(["<bos>", "a", "b", "c▁d", "e"], ["f", "g"])  # "abc defg"
    assert group_tokens(completion.tokens, 5, completion.text, [2]) == (0, 1, 3, 5, 7)
    assert group_tokens(completion.tokens, 5, completion.text, [2, 4]) == (0, 1, 3, 4, 5, 7)  # inside "c d"


def test_spans_load_no_sentence_splitter() -> None:
    code = "import sys, promptlight.salience.spans; sys.exit('sentencex' in sys.modules)"
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


def test_a_pattern_that_never_ends_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("promptlight.salience.spans.PATTERN_SECONDS", 0.05)
    with pytest.raises(UsageError, match="regular expression"):
        pattern_finder(Pattern("(a|aa)+$"))("a" * 60 + "b")
