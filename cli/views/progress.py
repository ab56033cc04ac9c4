"""Say how far work has come: what is being done, how fast, and how much time is left."""

from __future__ import annotations

from dataclasses import dataclass

from promptlight.cli.views.estimate import spell_seconds
from promptlight.salience.progress import Phase, Step


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How far work has come: in words, and as numbers. None is unknown; ``share`` is from 0 to 1."""

    text: str
    rate: str = ""
    share: float | None = None
    seconds_left: float | None = None

    def spell(self) -> str:
        """In a line: ``explaining: 20/40 targets, 3.2 tokens/s, about 12 s left``."""
        left = "" if self.seconds_left is None else f"about {spell_left(self.seconds_left)} left"
        return ", ".join(filter(None, (self.text, self.rate, left)))


def spell_step(step: Step, n_finished: int, n_prompts: int) -> str:
    """``writing the first 16 of 40 prompts: 36/640 tokens``, ``explaining prompt 2 of 40: 20/40 targets``."""
    if n_prompts == 1:
        which = ""
    elif step.phase is not Phase.WRITING or len(step.ids) == 1:
        which = f" prompt {min(n_finished + 1, n_prompts):,} of {n_prompts:,}"
    elif len(step.ids) == n_prompts:
        which = f" {n_prompts:,} prompts"
    else:
        which = f" the {'next' if n_finished else 'first'} {len(step.ids):,} of {n_prompts:,} prompts"
    return f"{step.phase}{which}: {step.done:,}/{step.total:,} {step.unit}"


def spell_rate(per_second: float, unit: str = "tokens") -> str:
    """``36 tokens/s``, ``2.3 tokens/s``, ``0.04 tokens/s``: two digits at most below ten."""
    return f"{per_second:,.0f} {unit}/s" if per_second >= 10 else f"{per_second:.2g} {unit}/s"


def spell_left(seconds: float) -> str:
    """``45 s``, ``5 min``, ``3.2 h``: whole seconds, as nobody knows it better."""
    return spell_seconds(seconds) if seconds >= 10 else f"{max(seconds, 0):.0f} s"
