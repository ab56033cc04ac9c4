"""One prompt's result without its scores: the record, the completion and the foil, as columns."""

# pyright: standard

from __future__ import annotations

import json
from typing import Any

from promptlight.salience.types import Analysis, StopReason, Turn


def to_record_row(analysis: Analysis) -> dict[str, Any]:
    """Column name -> value, for the columns of ``RECORD_FIELDS`` and, with a foil, ``FOIL_FIELDS``."""
    completion = analysis.completion
    prompt = completion.prompt
    row = {
        "id": prompt.id,
        "source": prompt.label,
        "prompt": prompt.text,
        "turns": [_turn_to_row(turn) for turn in prompt.turns] or None,
        "sections": [vars(section) for section in prompt.sections] or None,
        "completion": completion.completion_text,
        "completion_is": "given" if completion.stop_reason is StopReason.GIVEN else "generated",
        "stop_reason": completion.ending,
        "target": prompt.given_completion,
        "fields": json.dumps(dict(prompt.fields), ensure_ascii=False),
        "path": prompt.path,
        "line": prompt.line,
        "fingerprint": prompt.fingerprint,
        "n_prompt_tokens": completion.n_prompt_tokens,
        "tokens": [vars(token) | {"role": token.role.value} for token in completion.tokens],
    }
    if analysis.foil is not None:
        row |= {"foil": analysis.foil.request, "foil_tokens": list(analysis.foil.tokens)}
    return row


def _turn_to_row(turn: Turn) -> dict[str, Any]:
    return {"role": turn.role, "start": turn.start, "stop": turn.stop}
