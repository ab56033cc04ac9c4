"""Segmentation: for any tokens, spans tile them, special tokens are alone, and no span crosses the border."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import pairwise

from hypothesis import strategies as st

from promptlight.salience.errors import UsageError
from promptlight.salience.loading.handles import DEMO_FOLDER
from promptlight.salience.text.completion import build_completion, encode_prompt
from promptlight.salience.text.sections import find_sections
from promptlight.salience.text.spans import describe_spans, segment
from promptlight.salience.text.tokenizer import Tokenizer
from promptlight.salience.types import Compat, Completion, Granularity, Pattern, Prompt, Role, StopReason
from tests.fuzz.surface import WHOLE_TEXTS, Surface, assert_says, split_whole_texts

PATTERNS = (r"", r"x*", r"\b", r"^", r"$", r"(?=[ab])", r"(?<=\n)", r"(?!.)", r"\X", r"\r?\n", r"(?r)a", r"(?m)^\s*\S")
SECTIONS = {"line": r"^.+$", "rest": r"\S+"}


@dataclass(frozen=True)
class Texts:
    """The texts that a model reads and writes: the tokens of a text, then any other tokens."""

    prompt: str
    completion: str
    more_ids: bytes = b""
    pattern: str = ""


@cache
def load_tokenizer() -> Tokenizer:
    return Tokenizer.from_file(DEMO_FOLDER / "assets" / "tokenizer" / "vocabulary.spm")


def build(texts: Texts) -> Completion:
    """Use the demo's real tokenizer; the further ids include special tokens and bytes that make no character."""
    tokenizer = load_tokenizer()
    prompt = Prompt(id="1", text=texts.prompt, sections=find_sections(texts.prompt, SECTIONS))
    written = tokenizer.encode(texts.completion) if texts.completion else []
    ids = [*written, *texts.more_ids]  # the first 256 ids: marks, bytes, and some pieces
    return build_completion(tokenizer, encode_prompt(tokenizer, prompt), ids, StopReason.TOKEN_LIMIT)


def check(texts: Texts) -> None:
    completion = build(texts)
    written = texts.completion.replace("\u2581", " ")  # pieces write a blank like this
    assert completion.text.startswith(texts.prompt + written)
    for cut in Granularity:
        check_spans(completion, cut, None)
        check_spans(completion, cut, Compat.LIT)
    try:
        for compat in (None, Compat.LIT):
            check_spans(completion, Pattern(texts.pattern), compat)
    except UsageError as error:
        assert_says(error, "expected a regular expression")


def check_spans(completion: Completion, cut: Granularity | Pattern, compat: Compat | None) -> None:
    bounds = segment(completion, cut, compat).bounds
    assert (bounds[0], bounds[-1]) == (0, len(completion.tokens))
    assert all(start < stop for start, stop in pairwise(bounds))
    if compat is Compat.LIT:  # its rules know neither borders nor special tokens
        return
    assert completion.n_prompt_tokens in bounds
    spans = describe_spans(completion, segment(completion, cut))
    for span in spans:
        roles = {token.role for token in completion.tokens[span.start : span.stop]}
        assert roles == {span.role}
        assert span.role is not Role.SPECIAL or span.stop - span.start == 1
    assert "".join(span.text for span in spans if span.role is not Role.SPECIAL) == completion.text
    if isinstance(cut, Granularity):
        units = segment(completion, Granularity.TOKEN).bounds
        assert set(bounds) <= set(units)  # no cut within a character


def from_bytes(data: bytes) -> Texts:
    head, _, rest = data.partition(b"\xff\xff")
    prompt, completion, pattern = split_whole_texts(head, 3)
    return Texts(prompt or "a", completion, rest[:40], pattern)


PROMPTS = WHOLE_TEXTS.filter(str.strip)
SEEDS = (
    "Mr. A. likes e.g. “好吃的！” (really).\n\n1. Eggs\r\n2. Milk — no\n".encode() + b"\xff Buy eggs.\n\xff\\b",
    "cafe\u0301 👩🏽‍🍳🇹🇼\u200d\u2028x\u3000y".encode() + b"\xffok\xff(?=a)\xff\xff\x01\x02\x09\x80\xf0",
)
SURFACE = Surface(
    cases=st.builds(
        Texts, PROMPTS, WHOLE_TEXTS, st.binary(max_size=12), st.sampled_from(["", *PATTERNS]) | WHOLE_TEXTS
    ),
    from_bytes=from_bytes,
    check=check,
    seeds=SEEDS,
)
