"""The data that flows through promptlight, one frozen type per step.

    JSONL line -> Prompt -> Completion -> SalienceMap -> SpanTable -> Parquet row -> heatmap / report / tidy table

Legend, for every shape in this project: P prompt tokens (special ones included), G target tokens, T = P + G all tokens,
D embedding width, S spans. A row is a target, a column is a source. Ranges are half-open ``start, stop``; character
positions count code points of ``Completion.text``.

A *target* is what is explained, a *source* is what gets a score; salience is also called saliency, attribution or
feature importance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from promptlight.salience.errors import UsageError

FloatArray = NDArray[np.float32]

PAD_ID = 0  # the id of <pad> in every Gemma vocabulary


class Role(StrEnum):
    """What a token is: part of the prompt, part of the completion, or put there by the model's format."""

    SPECIAL = "special"
    PROMPT = "prompt"
    COMPLETION = "completion"


class StopReason(StrEnum):
    """Why a completion ends where it does."""

    END_OF_TEXT = "end of text"
    END_OF_TURN = "end of turn"
    TOKEN_LIMIT = "token limit"
    CONTEXT_FULL = "context full"
    GIVEN = "given"


class Granularity(StrEnum):
    """How finely a text is cut."""

    TOKEN = "token"
    WORD = "word"
    SENTENCE = "sentence"
    LINE = "line"
    PARAGRAPH = "paragraph"
    SECTION = "section"


@dataclass(frozen=True)
class Pattern:
    """A cut of the user's own: a span starts wherever this regular expression matches."""

    expression: str

    def __str__(self) -> str:
        return f"regex:{self.expression}"


Cut = Granularity | Pattern


class Compat(StrEnum):
    """Another tool whose rules are followed where they differ from ours: how it cuts, sums and signs."""

    LIT = "lit"


class Method(StrEnum):
    """How salience is computed: from gradients (``gradients.py``), or from what changes when parts are taken away."""

    GRAD_L2 = "grad_l2"
    GRAD_DOT_INPUT = "grad_dot_input"
    INTEGRATED_GRADIENTS = "integrated_gradients"
    SMOOTHGRAD = "smoothgrad"
    OCCLUSION = "occlusion"
    LIME = "lime"
    SHAP = "shap"
    SURROGATE = "surrogate"

    @property
    def is_signed(self) -> bool:
        """Whether a score can be negative: a source that lowers the objective."""
        return self not in (Method.GRAD_L2, Method.SMOOTHGRAD)

    @property
    def draws(self) -> bool:
        """Whether it draws at random, so that its scores have standard errors."""
        return self in (Method.SMOOTHGRAD, Method.LIME, Method.SHAP, Method.SURROGATE)

    @property
    def takes_spans(self) -> bool:
        """Whether its scores are of whole source spans (``SalienceMap.sources``)."""
        return self in (Method.OCCLUSION, Method.LIME, Method.SHAP, Method.SURROGATE)


@dataclass(frozen=True, kw_only=True)
class Turn:
    """One turn of a chat: who speaks, and the half-open range of ``Prompt.text`` that holds what is said."""

    role: str  # user or model
    start: int
    stop: int


@dataclass(frozen=True, kw_only=True)
class Section:
    """A named part of a prompt, as a half-open range of ``Prompt.text``."""

    name: str
    start: int
    stop: int


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """One record of a prompt file.

    ``text`` is what the model reads, marks such as <bos> left out; in a chat, ``turns`` says which parts of it were
    said, not put there by the format (``text/chat.py``). ``sections`` are in order and apart from each other.
    ``given_completion`` is one that the record brings along, ``label`` says what kind of record it is. ``fields`` are
    the record's other fields, untouched; one of them may be a ``foil``. ``path`` and ``line`` say where it came from;
    ``fingerprint`` changes when the record's content does.
    """

    id: str
    text: str
    turns: tuple[Turn, ...] = ()
    sections: tuple[Section, ...] = ()
    given_completion: str | None = None
    label: str | None = None
    fields: Mapping[str, Any] = field(default_factory=dict[str, Any])
    path: str = "<prompt>"
    line: int | None = None
    fingerprint: str = ""

    @property
    def foil(self) -> str | None:
        """What the record would have the completion contrasted with."""
        return self.fields.get("foil") or None


@dataclass(frozen=True, kw_only=True)
class SetAside:
    """A record that could not be used, and why."""

    id: str
    path: str
    line: int | None
    reason: str
    label: str | None = None
    prompt: str | None = None
    fingerprint: str = ""


@dataclass(frozen=True, kw_only=True)
class Token:
    """One token of a sequence: its id, its piece in the vocabulary, and the half-open range of text it covers.

    ``start == stop`` for tokens that are no text, such as <bos>, and for all but the first of several byte tokens that
    make one character.
    """

    id: int
    piece: str
    start: int
    stop: int
    role: Role
    log_prob: float | None = None  # natural log of p(token | everything before it); targets only


@dataclass(frozen=True, kw_only=True)
class Completion:
    """A prompt with what follows it, as the exact tokens that the model read and wrote.

    ``tokens`` has T entries, of which the last G = T - ``n_prompt_tokens`` are targets. ``text`` is prompt and
    completion as one string, special tokens left out; ``prompt_stop`` is where the prompt ends in it.
    """

    prompt: Prompt
    tokens: tuple[Token, ...]
    n_prompt_tokens: int
    text: str
    prompt_stop: int
    stop_reason: StopReason

    @property
    def n_targets(self) -> int:
        """G."""
        return len(self.tokens) - self.n_prompt_tokens

    @property
    def completion_text(self) -> str:
        """What follows the prompt."""
        return self.text[self.prompt_stop :]

    @property
    def ids(self) -> tuple[int, ...]:
        """The T token ids."""
        return tuple(token.id for token in self.tokens)


@dataclass(frozen=True, kw_only=True)
class Segmentation:
    """Spans that tile 0..T exactly once: ``bounds`` has S + 1 increasing token positions, from 0 to T."""

    granularity: Cut
    bounds: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.bounds) - 1

    def ranges(self) -> list[tuple[int, int]]:
        """The S half-open token ranges."""
        return list(zip(self.bounds, self.bounds[1:], strict=False))

    def spans_from(self, position: int) -> range:
        """Numbers of the spans that hold tokens at or after a position."""
        first = next((number for number, stop in enumerate(self.bounds[1:]) if stop > position), len(self))
        return range(first, len(self))


class Pooling(StrEnum):
    """How the scores of a source span's tokens become one."""

    SUM = "sum"
    MEAN = "mean"
    MAX = "max"


class Explain(StrEnum):
    """Which text is explained where a record brings its own target."""

    RESPONSE = "response"
    TARGET = "target"


class Objective(StrEnum):
    """What is explained of each target (positive salience raises it); formulas in ``objectives.py``."""

    LOGPROB = "logprob"
    LOGIT = "logit"
    MARGIN = "margin"
    PROB = "prob"
    ENTROPY = "entropy"
    KL = "kl"
    LOSS = "loss"


class Benchmark(StrEnum):
    """Prompts of which it is known what their answers depend on; ``causes.py`` says how."""

    RECOMMENDATIONS = "recommendations"
    TWINS = "twins"
    PRINCIPLES = "principles"
    HOPS = "hops"


@dataclass(frozen=True, kw_only=True)
class SalienceMap:
    """Salience of every earlier token for every target, by one method.

    ``scores`` is float32 [G, T]: row g explains token P + g, and is zero from column P + g on (None if only spans were
    asked for). ``span_scores`` holds, for
    each granularity in it, float32 [target spans, T]: the score of the whole span's summed objective, computed from
    summed gradients (for ``grad_l2`` the norm of a sum, which is not the sum of norms). A row is zero from its
    span's last token on, and inside its own span it says how the span's first tokens raised its later ones.

    ``sources``: None where each token has a score of its own. A method that takes whole source spans away has scores
    of those; they are spread evenly over the span's tokens, so that sums over this granularity are the method's.
    ``standard_errors`` are of methods that draw at random, for each granularity of targets (TOKEN: those of
    ``scores``) the shape of its scores. ``completeness_error`` is integrated gradients' own: for each granularity
    [rows], a row's sum over all sources minus what it should be, the objective's change from baseline to input.
    """

    method: Method
    objective: Objective = Objective.LOGPROB
    scores: FloatArray | None
    span_scores: Mapping[Granularity, FloatArray]
    sources: Granularity | None = None
    standard_errors: Mapping[Granularity, FloatArray] = field(default_factory=dict[Granularity, FloatArray])
    completeness_error: Mapping[Granularity, FloatArray] = field(default_factory=dict[Granularity, FloatArray])


@dataclass(frozen=True, kw_only=True)
class Foil:
    """What might have been written instead, which makes the objective a difference of log-probabilities.

    ``request`` is as the user put it: TARGET=>FOIL, another completion, or auto. ``tokens`` has an entry for each of
    the G targets: the text that stands against it, empty where the foil has ended already, None where target and
    foil are the same or nothing is contrasted (its row is zero).
    """

    request: str
    tokens: tuple[str | None, ...]


@dataclass(frozen=True, kw_only=True)
class Analysis:
    """Everything known about one prompt: what was written, how it is cut, and why it was written.

    ``maps`` has a map for each method that was run, at least one, in the order in which they were asked for.
    """

    completion: Completion
    segmentations: Mapping[Granularity, Segmentation]
    maps: Mapping[Method, SalienceMap]
    compat: Compat | None = None
    foil: Foil | None = None

    def map_by(self, method: Method | None = None) -> SalienceMap:
        """The map of a method; of the first one where none is named. Raises UsageError if it was not computed."""
        found = next(iter(self.maps.values())) if method is None else self.maps.get(method)
        if found is None:
            raise UsageError(f"expected scores by {method}, found {', '.join(self.maps)}: run that method too")
        return found


@dataclass(frozen=True, kw_only=True)
class Span:
    """A piece of text with the tokens that make it up, and where its first visible character stands."""

    number: int
    start: int  # first token
    stop: int
    text: str
    role: Role
    line: int  # from 1
    section: str | None


@dataclass(frozen=True, kw_only=True)
class SpanTable:
    """Salience of source spans for target spans by one method: ``scores`` is float32 [targets, sources].

    ``exact`` says that each row comes from the whole target span's gradient, not from adding up its tokens' rows.
    """

    method: Method
    targets: Sequence[Span]
    sources: Sequence[Span]
    scores: FloatArray
    exact: bool
