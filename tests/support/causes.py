"""A prompt by hand whose parts were taken away: which of them change the answer is said."""

from __future__ import annotations

from collections.abc import Sequence

from promptlight.salience.regeneration.prompt_causes import PromptCauses, TriedPart


def make_causes(changed: Sequence[bool], *, id: str = "by-hand", by: str = "line", first: int = 1) -> PromptCauses:
    """A part for each of these; numbers of spans begin with ``first``, as <bos> is a span of its own."""
    parts = [
        TriedPart(
            number=first + place,
            line=1 + place,
            section=None,
            text=f"part {place}\n",
            changed=is_changed,
            answer="No." if is_changed else "Yes.",
            distance=3 if is_changed else 0,
            completion=" No." if is_changed else " Yes.",
        )
        for place, is_changed in enumerate(changed)
    ]
    return PromptCauses(
        id=id,
        label=None,
        fingerprint="",
        by=by,
        target="-1",
        target_by="line",
        target_text=" Yes.",
        answer="Yes.",
        parts=parts,
    )
