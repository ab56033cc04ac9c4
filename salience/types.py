"""The data that flows through promptlight, one frozen type per step.

    JSONL line -> Prompt -> Completion -> SalienceMap -> SpanTable -> Parquet row -> heatmap / report / tidy table

Legend, for every shape in this project: P prompt tokens (special ones included), G target tokens, T = P + G all tokens,
D embedding width, S spans. A row is a target, a column is a source. Ranges are half-open ``start, stop``; character
positions count code points of ``Completion.text``.

A *target* is what is explained, a *source* is what gets a score; salience is also called saliency, attribution or
feature importance.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from promptlight.salience.errors import UsageError

FloatArray = NDArray[np.float32]

SHOWN = 60  # characters of a prompt in its repr
PAD_ID = 0  # the id of <pad> in every Gemma vocabulary


class Role(StrEnum):
    """What a token is: part of the prompt, part of the completion, or added by the model's format."""

    SPECIAL = "special"
    PROMPT = "prompt"
    COMPLETION = "completion"


class StopReason(StrEnum):
    """Why a completion ends."""

    END_OF_TEXT = "end of text"
    END_OF_TURN = "end of turn"
    TOOL_CALL = "tool call"
    STOP_TEXT = "stop text"
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
    """Another tool whose rules to follow where they differ from ours: how it cuts, sums and signs."""

    LIT = "lit"


class Method(StrEnum):
    """How to compute salience: from gradients (``gradients/compute.py``) or by ablation (``ablation/scores.py``)."""

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
        """Whether scores can be negative, for sources that lower the objective."""
        return self not in (Method.GRAD_L2, Method.SMOOTHGRAD)

    @property
    def draws(self) -> bool:
        """Whether it samples at random, so that its scores have standard errors."""
        return self in (Method.SMOOTHGRAD, Method.LIME, Method.SHAP, Method.SURROGATE)

    @property
    def takes_spans(self) -> bool:
        """Whether it scores whole source spans (``SalienceMap.sources``)."""
        return self in (Method.OCCLUSION, Method.LIME, Method.SHAP, Method.SURROGATE)


@dataclass(frozen=True, kw_only=True)
class Turn:
    """One turn of a chat: who speaks, and the half-open range of its message in ``Prompt.text``.

    Its first ``n_system`` characters are the system's message, if that is in front of the user's. They are not stored.
    """

    role: str  # user, model, or another role of the record
    start: int
    stop: int
    n_system: int = 0


@dataclass(frozen=True, kw_only=True)
class Section:
    """A named part of a prompt, as a half-open range of ``Prompt.text``."""

    name: str
    start: int
    stop: int


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """One record of a prompt file.

    ``text`` is what the model reads, without marks such as <bos>. In a chat, ``turns`` are the ranges of the messages;
    the rest was added by the format (``text/chat.py``). ``sections`` are in order and do not overlap.
    ``given_completion`` is the record's own completion, if it has one, and ``label`` its kind. ``fields`` are the
    record's other fields, unchanged; some of them are options of this record: ``foil``, or ``foil_text`` and perhaps
    ``foil_target``; ``stop``, ``max_new_tokens``, ``thinking``. ``path`` and ``line`` say where the record is;
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
        """The record's own foil: TARGET=>FOIL, another completion, or auto."""
        return self.fields.get("foil") or None

    @property
    def foil_text(self) -> str | None:
        """The record's own foil as another completion, whatever the text holds; no record has ``foil`` too."""
        return self.fields.get("foil_text") or None

    @property
    def foil_target(self) -> str | None:
        """The part of the completion that ``foil_text`` takes the place of, where it is last; None: all of it."""
        return self.fields.get("foil_target") or None

    @property
    def thinking(self) -> bool | None:
        """Whether the model should think before it answers; None: as the options say. A table's cell has it as text."""
        return {"true": True, "false": False}.get(str(self.fields.get("thinking")).lower())

    @property
    def stop(self) -> tuple[str, ...]:
        """The record's own stop texts, which add to those of the options."""
        stop = self.fields.get("stop") or ()
        return (stop,) if isinstance(stop, str) else tuple(stop)

    @property
    def max_new_tokens(self) -> int | None:
        """The record's own limit of new tokens, instead of the options'; a table's cell has it as text."""
        limit = self.fields.get("max_new_tokens")
        return int(float(limit)) if limit else None

    def __repr__(self) -> str:
        shown = self.text if len(self.text) <= SHOWN else f"{self.text[: SHOWN - 1]}…"
        return f"<Prompt {self.id}: {shown!r}>"


class SetAsideCode(StrEnum):
    """Why a record was skipped."""

    UNUSABLE = "unusable"  # the record itself is wrong
    TOO_LONG = "too_long"  # for the model's context
    FOIL = "foil"  # it fits neither the completion nor the method
    TOO_FEW_ABLATIONS = "too_few_ablations"  # for the prompt's source spans
    OUT_OF_MEMORY = "out_of_memory"

    @property
    def is_retried(self) -> bool:
        """Whether the next run tries the same record again: it may have more memory."""
        return self is SetAsideCode.OUT_OF_MEMORY


@dataclass(frozen=True, kw_only=True)
class SetAside:
    """A record that was skipped, and why: ``code`` is for programs, ``reason`` for people.

    ``parameters`` name what would help; they are not stored.
    """

    id: str
    path: str
    line: int | None
    code: SetAsideCode
    reason: str
    label: str | None = None
    prompt: str | None = None
    fingerprint: str = ""
    parameters: tuple[str, ...] = field(default=(), compare=False)


@dataclass(frozen=True, kw_only=True)
class Token:
    """One token of a sequence: its id, its piece in the vocabulary, and the half-open range of text it covers.

    ``start == stop`` for tokens without text, such as <bos>, and for all but the first of several byte tokens that make
    one character.
    """

    id: int
    piece: str
    start: int
    stop: int
    role: Role
    log_prob: float | None = None  # natural log of p(token | everything before it); targets only


@dataclass(frozen=True, kw_only=True)
class Completion:
    """A prompt and its continuation, as the exact tokens that the model read and wrote.

    ``tokens`` has T entries; the last G = T - ``n_prompt_tokens`` are targets. ``text`` is prompt and completion as one
    string, without special tokens; ``prompt_stop`` is where the prompt ends in it. ``stop_text`` is the stop text that
    ended it, if ``stop_reason`` is STOP_TEXT.
    """

    prompt: Prompt
    tokens: tuple[Token, ...]
    n_prompt_tokens: int
    text: str
    prompt_stop: int
    stop_reason: StopReason
    stop_text: str | None = None

    @property
    def ending(self) -> str:
        """Why it ends, in words: the stop reason and, as JSON, the stop text."""
        quoted = "" if self.stop_text is None else f" {json.dumps(self.stop_text, ensure_ascii=False)}"
        return f"{self.stop_reason}{quoted}"

    @property
    def n_targets(self) -> int:
        """The number of targets, G."""
        return len(self.tokens) - self.n_prompt_tokens

    @property
    def completion_text(self) -> str:
        """The text after the prompt."""
        return self.text[self.prompt_stop :]

    @property
    def ids(self) -> tuple[int, ...]:
        """The T token ids."""
        return tuple(token.id for token in self.tokens)

    def __repr__(self) -> str:
        return f"<Completion of {self.prompt.id}: {self.n_prompt_tokens:,} + {self.n_targets:,} tokens>"


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

    def __repr__(self) -> str:
        return f"<Segmentation: {len(self):,} spans by {self.granularity}>"


class Pooling(StrEnum):
    """How to combine the scores of a source span's tokens."""

    SUM = "sum"
    MEAN = "mean"
    MAX = "max"


class Explain(StrEnum):
    """Which text to explain if a record has its own completion: the model's response, or the record's.

    An evaluation's log has two: TARGET is the right answer there, OUTPUT what was written when it was evaluated.
    """

    RESPONSE = "response"
    TARGET = "target"
    OUTPUT = "output"


class Objective(StrEnum):
    """The quantity to explain for each target (positive salience raises it); formulas in ``decoder/objectives.py``."""

    LOGPROB = "logprob"
    LOGIT = "logit"
    MARGIN = "margin"
    PROB = "prob"
    ENTROPY = "entropy"
    KL = "kl"
    LOSS = "loss"

    @property
    def direction(self) -> int | None:
        """1 if a positive score raises the target's log-probability, -1 if it lowers it; None if it says neither."""
        if self in (Objective.ENTROPY, Objective.KL):
            return None
        return -1 if self is Objective.LOSS else 1


class Way(StrEnum):
    """How a source reaches a target: directly, through words that the model wrote before the target, or in all."""

    DIRECT = "direct"
    THROUGH = "through"
    ALL = "all"


class Benchmark(StrEnum):
    """A set of prompts with known causes of their answers; see ``benchmark/causes.py``, ``benchmark/tracking.py``."""

    RECOMMENDATIONS = "recommendations"
    TWINS = "twins"
    PRINCIPLES = "principles"
    HOPS = "hops"
    TRACKING = "tracking"


@dataclass(frozen=True, kw_only=True)
class SalienceMap:
    """Salience of every earlier token for every target, by one method.

    ``scores`` is float32 [G, T]: row g explains token P + g, and is zero from column P + g on (None if only spans were
    requested). ``span_scores`` has float32 [target spans, T] for each of its granularities: scores of the whole span's
    summed objective, computed from summed gradients (for ``grad_l2`` the norm of a sum, which is not the sum of norms).
    A row is zero from its span's last token on; within the span it says how the first tokens raised the later ones.

    ``sources`` is None if each token has its own score. A method that removes whole source spans scores spans; each
    score is spread evenly over the span's tokens, so that sums over this granularity are the method's scores.
    ``standard_errors`` are those of methods that sample at random: for each granularity of targets (TOKEN: those of
    ``scores``), of the shape of its scores. ``completeness_error`` is for integrated gradients: for each granularity
    [rows], a row's sum over all sources minus what it should be, the objective's change from baseline to input.
    """

    method: Method
    objective: Objective = Objective.LOGPROB
    scores: FloatArray | None
    span_scores: Mapping[Granularity, FloatArray]
    sources: Granularity | None = None
    standard_errors: Mapping[Granularity, FloatArray] = field(default_factory=dict[Granularity, FloatArray])
    completeness_error: Mapping[Granularity, FloatArray] = field(default_factory=dict[Granularity, FloatArray])

    def __repr__(self) -> str:
        n_targets = "" if self.scores is None else f": {len(self.scores):,} targets, {self.scores.shape[1]:,} tokens"
        return f"<SalienceMap by {self.method}{n_targets}>"


@dataclass(frozen=True, kw_only=True)
class Foil:
    """A text that the model might have written instead; the objective is then a difference of log-probabilities.

    ``request`` is the user's: TARGET=>FOIL, another completion, or auto. ``tokens`` has an entry for each of the G
    targets: the text that it is contrasted with, empty after the foil's end, None where target and foil are the same or
    nothing is contrasted (the row is zero).
    """

    request: str
    tokens: tuple[str | None, ...]


@dataclass(frozen=True, kw_only=True)
class Analysis:
    """Everything known about one prompt: the completion, how it is cut, and its salience.

    ``maps`` has a map for each method that was run, at least one, in the order in which they were requested.
    """

    completion: Completion
    segmentations: Mapping[Granularity, Segmentation]
    maps: Mapping[Method, SalienceMap]
    compat: Compat | None = None
    foil: Foil | None = None

    def map_by(self, method: Method | None = None) -> SalienceMap:
        """The map of a method; None is the first one. Raises UsageError if it was not computed."""
        found = next(iter(self.maps.values())) if method is None else self.maps.get(method)
        if found is None:
            raise UsageError(f"expected scores by {method}, found {', '.join(self.maps)}: run that method too")
        return found

    def __repr__(self) -> str:
        n_tokens = f"{self.completion.n_prompt_tokens:,} + {self.completion.n_targets:,} tokens"
        return f"<{type(self).__name__} of {self.completion.prompt.id}: {n_tokens}; {', '.join(self.maps)}>"


@dataclass(frozen=True, kw_only=True)
class Span:
    """A piece of text with its tokens, and the line and section of its first visible character."""

    number: int
    start: int  # first token
    stop: int
    text: str
    role: Role
    line: int  # from 1
    section: str | None


@dataclass(frozen=True, kw_only=True)
class WayShares:
    """What each target owes to each source, as shares of 0 to 1: ``direct`` + ``through`` own words = ``total``.

    All are float32 [targets, sources]; a row is NaN if its target was not followed back.
    """

    direct: FloatArray
    through: FloatArray
    total: FloatArray


@dataclass(frozen=True, kw_only=True)
class SpanTable:
    """Salience of source spans for target spans by one method: ``scores`` is float32 [targets, sources].

    ``exact``: each row comes from the whole target span's gradient, not from adding up its tokens' rows. ``ways`` has
    the shares by way, if targets were followed back through the model's own words.
    """

    method: Method
    targets: Sequence[Span]
    sources: Sequence[Span]
    scores: FloatArray
    exact: bool
    ways: WayShares | None = None

    def __repr__(self) -> str:
        return f"<SpanTable by {self.method}: {len(self.targets):,} targets, {len(self.sources):,} sources>"
