"""Cut texts into spans, with only a model's tokenizer."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace

from promptlight.cli.views.segments import as_lines, as_table
from promptlight.salience.errors import at_place
from promptlight.salience.text.completion import build_completion, encode_given, encode_prompt
from promptlight.salience.text.printable import one_line
from promptlight.salience.text.sections import find_sections
from promptlight.salience.text.spans import describe_spans, segment
from promptlight.salience.text.tokenizer import Tokenizer
from promptlight.salience.types import Compat, Completion, Cut, Prompt, SetAside, StopReason


def print_spans(
    records: Iterable[Prompt | SetAside],
    tokenizer: Tokenizer,
    cut: Cut,
    *,
    thinking: bool = False,
    patterns: Mapping[str, str] | None,
    compat: Compat | None,
    as_json: bool,
) -> bool:
    """Print how each prompt is cut, and on stderr why one was skipped; returns whether none was."""
    complete = True
    for record in records:
        if isinstance(record, SetAside):
            print(one_line(at_place(record.path, record.line, record.reason)), file=sys.stderr)
            complete = False
            continue
        prompt = replace(record, sections=find_sections(record.text, patterns)) if patterns else record
        completion = _complete_as_given(tokenizer, prompt, thinking=thinking)
        spans = describe_spans(completion, segment(completion, cut, compat))
        print("\n".join(as_lines(completion, spans) if as_json else as_table(completion, spans, cut)))
    return complete


def _complete_as_given(tokenizer: Tokenizer, prompt: Prompt, *, thinking: bool) -> Completion:
    """Complete a prompt with its own given completion, or with an empty one."""
    given = prompt.given_completion or ""
    encoded = encode_prompt(tokenizer, prompt, thinking=thinking if prompt.thinking is None else prompt.thinking)
    target = encode_given(tokenizer, prompt, given)
    return build_completion(tokenizer, encoded, target, StopReason.GIVEN, given=given)
