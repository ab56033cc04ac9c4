"""Take a span of a prompt away, or put another text in its place, so that the rest reads as if a person had done it.

    text       'Milk.\nBuy eggs. Then go.\n\nAsk:'
    line 2     'Milk.\n\nAsk:'                      its line feed goes; the blank line parts what is around it
    sentence   'Milk.\nThen go.\n\nAsk:'            'Buy eggs.' goes with the blank after it
    word       'Milk.\neggs. Then go.\n\nAsk:'

Of a chat, only what the turns say is changed, never the format around them.
"""

from __future__ import annotations

from promptlight.salience.text.editing import Edit, apply_edits, said_in
from promptlight.salience.types import Completion, Prompt, Role, Span


def is_removable(completion: Completion, span: Span) -> bool:
    """Whether a span is a part of the prompt with text in it, and some text is left without it."""
    if span.role is not Role.PROMPT or not span.text.strip():
        return False
    start, stop = _find_range(completion, span)
    first, last = _find_said(completion.prompt, start)
    text = completion.prompt.text
    return start < stop and bool((text[first:start] + text[stop:last]).strip())


def remove_span(completion: Completion, span: Span) -> Prompt:
    """The prompt without a span."""
    start, stop = _find_range(completion, span)
    kept = _leave(completion.prompt, start, stop)
    return _apply(completion.prompt, start, stop + _count_freed_blanks(completion.prompt, start, stop), kept)


def replace_in_span(completion: Completion, span: Span, old: str, new: str, *, n: int = -1) -> Prompt:
    """The prompt with ``new`` in the place of the first ``n`` places of ``old`` in a span (-1: of all)."""
    start, stop = _find_range(completion, span)
    return _apply(completion.prompt, start, stop, completion.prompt.text[start:stop].replace(old, new, n))


def read_range(completion: Completion, span: Span) -> str:
    """The text of a prompt's span, without a chat's format."""
    start, stop = _find_range(completion, span)
    return completion.prompt.text[start:stop]


def _find_range(completion: Completion, span: Span) -> tuple[int, int]:
    """The characters of a prompt's span, without those of a chat's format."""
    start, stop = completion.tokens[span.start].start, completion.tokens[span.stop - 1].stop
    for first, last in said_in(completion.prompt):
        if max(start, first) < min(stop, last):
            return max(start, first), min(stop, last)
    return start, start


def _apply(prompt: Prompt, start: int, stop: int, text: str) -> Prompt:
    return apply_edits(prompt, [Edit(start=start, stop=stop, text=text)], id=prompt.id)


def _find_said(prompt: Prompt, place: int) -> tuple[int, int]:
    """The editable range of a prompt that holds a character; an empty one if that is the format's."""
    return next((said for said in said_in(prompt) if said[0] <= place < said[1]), (place, place))


def _leave(prompt: Prompt, start: int, stop: int) -> str:
    """What stays in the place of start..stop: the line feeds at its end that belong to the text around it.

    Of a part of a line, all stay. A line takes its own line feed with it, and if a blank line is before it or it is the
    first, those after it, too.
    """
    text = prompt.text
    before = text[_find_said(prompt, start)[0] : start]
    end = text[start + len(text[start:stop].rstrip()) : stop]
    if before and not before.endswith("\n"):
        return end[end.find("\n") :] if "\n" in end else ""
    is_first = not before.removesuffix("\n").rpartition("\n")[2].strip()
    return "" if is_first else end.partition("\n")[2]


def _count_freed_blanks(prompt: Prompt, start: int, stop: int) -> int:
    """The blanks after start..stop that parted it from the rest of its line, if that begins with it."""
    (first, last), text = _find_said(prompt, start), prompt.text
    begins_line = start == first or text[start - 1] == "\n"
    if not begins_line or text[start] in " \t" or text[stop - 1] == "\n":
        return 0  # of "  - eggs", "  -" leaves a blank as its indentation
    rest = text[stop:last]
    return len(rest) - len(rest.lstrip(" \t"))
