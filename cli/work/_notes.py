"""What a run says once: of its model before it starts, and after it what users may not expect of the completions."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from promptlight.cli.views.estimate import count
from promptlight.cli.views.facts import describe_model
from promptlight.salience.text.chat import MARKS, is_continued
from promptlight.salience.types import Completion, Method, StopReason

if TYPE_CHECKING:
    from promptlight.salience.model import ModelFacts

DEMO_NOTE = (
    "demo is a small demo model, trained from scratch on made-up restaurant prompts: it shows how the tool works, and"
    " knows nothing else. For real work use --model gemma2_instruct_2b_en or another Gemma."
)
SLOW_NOTE = (
    "note: bfloat16 is many times slower than float32 on this CPU, which has no units for it: use --dtype float32"
)

EXPERTS_NOTE = (
    "note: each layer of this model chooses a few of {} experts for a token. Where the choice changes on the path of"
    " integrated_gradients, its scores miss the change; the gap of each target is stored, and shown with it"
)


def describe_start(facts: ModelFacts, methods: Collection[Method]) -> Iterator[str]:
    """The model in a line, and what to know about it."""
    yield f"model: {describe_model(facts)}"
    if _is_slow_here(facts):
        yield SLOW_NOTE
    if facts.n_experts and Method.INTEGRATED_GRADIENTS in methods:
        yield EXPERTS_NOTE.format(facts.n_experts)
    if facts.preset == "demo":
        yield DEMO_NOTE


def _is_slow_here(facts: ModelFacts) -> bool:
    """Whether the model's dtype is many times slower than float32 on this CPU."""
    if facts.dtype != "bfloat16" or facts.device != "cpu":
        return False
    from promptlight.salience.decoder.processor import has_fast_bfloat16

    return not has_fast_bfloat16()


@dataclass
class Notes:
    """Counts what is worth a note; ``stops`` says whether the run has stop texts."""

    stops: bool
    n_cut_off: int = 0
    n_continued: int = 0
    n_spelt: int = 0
    n_tools: int = 0
    spelt: set[str] = field(default_factory=set[str])  # marks that were read as letters

    def see(self, completion: Completion) -> None:
        """Count what there is to say about a completion."""
        prompt = completion.prompt
        runs_on = not (self.stops or prompt.stop or prompt.turns)
        read = {token.piece for token in completion.tokens if token.stop > token.start}
        spelt = [mark for mark in MARKS if mark in prompt.text and mark not in read]
        self.n_spelt += bool(spelt)
        self.n_tools += bool(prompt.turns and prompt.fields.get("tools"))
        self.spelt.update(spelt)
        self.n_continued += is_continued(prompt) and completion.stop_reason is not StopReason.GIVEN
        self.n_cut_off += runs_on and completion.stop_reason is StopReason.TOKEN_LIMIT

    def spell(self) -> Iterator[str]:
        """The notes, a line each."""
        if self.n_spelt:
            marks = ", ".join(mark for mark in MARKS if mark in self.spelt)
            yield (
                f"{count(self.n_spelt, 'prompt')} with {marks} in the text, which the model reads as letters. If marks"
                " are meant, give the chat as `messages` or with --chat"
            )
        if self.n_tools:
            yield (
                f"{count(self.n_tools, 'chat')} with `tools`, which the model was not told of: declarations of"
                " tools are not written into a chat"
            )
        if self.n_continued:
            yield (
                f"{count(self.n_continued, 'chat')} ended with the model's message, which it continued:"
                " --explain target explains that message instead"
            )
        if self.n_cut_off:
            yield (
                f"{count(self.n_cut_off, 'completion')} reached --max-new-tokens. A base model goes on until then: end"
                " its completions before a text with --stop TEXT, such as --stop '\\n\\n'"
            )
