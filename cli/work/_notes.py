"""What a run found in its prompts and completions that users may not expect: each said once, after the run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from promptlight.salience.types import Completion, StopReason


@dataclass
class Notes:
    """Counts what is worth a note; ``stops`` says whether the run has stop texts."""

    stops: bool
    n_cut_off: int = 0

    def see(self, completion: Completion) -> None:
        """Count what there is to say about a completion."""
        prompt = completion.prompt
        runs_on = not (self.stops or prompt.stop or prompt.turns)
        self.n_cut_off += runs_on and completion.stop_reason is StopReason.TOKEN_LIMIT

    def spell(self) -> Iterator[str]:
        """The notes, a line each."""
        if self.n_cut_off:
            yield (
                f"{_count(self.n_cut_off, 'completion')} reached --max-new-tokens. A base model goes on until then: end"
                " its completions before a text with --stop TEXT, such as --stop '\\n\\n'"
            )


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' * (number > 1)}"
