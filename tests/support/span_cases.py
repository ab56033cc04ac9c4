"""How texts are cut, case by case: the table in docs/checks.md and the test of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from promptlight.salience.text.pieces import align, lay_out
from promptlight.salience.text.spans import (
    describe_spans,
    segment,
)
from promptlight.salience.types import (
    Completion,
    Cut,
    Granularity,
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


def render_cases() -> Iterator[str]:
    """The table as Markdown: ╎ between pieces and spans, ¦ before the completion, ↵ for a line feed."""
    for granularity in Granularity:
        rows = [case for case in CASES if case.granularity is granularity]
        if not rows:
            continue
        yield f"| {granularity}s | pieces | spans |"
        yield "|---|---|---|"
        yield from (f"| {case.name} | {show(case.pieces)} | {show(case.expected)} |" for case in rows)
        yield ""


def show(parts: str) -> str:
    """Parts with | between them as one piece of code in a table."""
    visible = {"|": "╎", "\n": "↵", "\r": "␍", "\u00a0": "⍽"}
    return f"`{''.join(visible.get(character, character) for character in parts)}`"


def cut(completion: Completion, granularity: Cut) -> Segmentation:
    return segment(completion, granularity)


def spans_of(completion: Completion, granularity: Cut) -> list[Span]:
    return describe_spans(completion, cut(completion, granularity))
