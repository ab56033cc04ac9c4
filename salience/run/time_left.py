"""How much time a run still takes: from the work that is left, and from how long the work until now took.

1. The work of each prompt is known beforehand, from its tokens (``Workload``): new tokens to write, and token passes
   to explain them (``workload.count_passes``). Of many prompts, a sample stands for all.
2. Each step says how much of it is done, and the clock how long that took. So seconds for a new token and for a token
   pass are measured all the time, and for each token of a text those before its first new token or target is due.
3. What is left takes that long. Before the first explanation, a step of writing counts as ``PASSES_PER_STEP``.
4. Completions that end early let expect the same of others: ``fill`` is the share of the allowed tokens that they used.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from promptlight.salience.options.analysis import AnalysisOptions
from promptlight.salience.progress import Phase, Step
from promptlight.salience.run.workload import count_passes
from promptlight.salience.types import Granularity

PASSES_PER_STEP = 36  # a guess until both are measured: as for one prompt of Gemma 3 270M on two CPU cores


@dataclass(frozen=True, kw_only=True)
class Task:
    """A prompt to do: its tokens, and how many more it has or may get."""

    id: str
    n_prompt: int
    n_new: int
    is_given: bool


@dataclass(frozen=True, kw_only=True)
class Workload:
    """The prompts to do; if they are many, ``tasks`` is a sample that stands for all ``n_prompts``."""

    tasks: Sequence[Task]
    n_prompts: int
    spans_per_token: Mapping[Granularity, float]
    options: AnalysisOptions
    explains: bool = True  # or only writes

    def count_passes(self, n_prompt: int, n_new: float) -> float:
        """The token passes to explain a completion."""
        return count_passes(n_prompt, n_new, self.spans_per_token, self.options) if self.explains else 0.0


@dataclass
class _Mean:
    """So much for each, as measured so far: seconds for a unit of work."""

    total: float = 0.0
    n: float = 0.0

    def add(self, total: float, n: float) -> None:
        self.total, self.n = self.total + total, self.n + n

    @property
    def value(self) -> float | None:
        return self.total / self.n if self.n > 0 else None


@dataclass
class TimeLeft:
    """Hears each step and each finished prompt, and says how much time is left."""

    workload: Workload
    clock: Callable[[], float] = time.monotonic
    n_finished: int = 0
    _left: dict[str, Task] = field(init=False)
    _step: Step | None = None  # the last one
    _at: float = 0.0  # when it came
    _done: float = 0.0  # and what it said is done
    _costs: dict[Phase, _Mean] = field(init=False)  # seconds for a new token, and for a token pass
    _stepping: _Mean = field(default_factory=_Mean)  # seconds for a step of writing, a token for each prompt
    _starts: dict[Phase, _Mean] = field(init=False)  # seconds for a token of a text before the first unit is due
    _written: set[str] = field(default_factory=set[str])  # prompts whose completion is there
    _n_allowed: int = 0  # units of the present prompts when they began
    _has_started: bool = False  # the present explanation: its first target is due
    _fill: _Mean = field(default_factory=_Mean)  # the share of the allowed tokens that was used
    _n_explained: float = 0.0  # targets of finished prompts
    _share: float = 0.0

    def __post_init__(self) -> None:
        self._left = {task.id: task for task in self.workload.tasks}
        self._costs, self._starts = ({phase: _Mean() for phase in (Phase.WRITING, Phase.EXPLAINING)} for _ in range(2))
        self._started = self.clock()

    def see(self, step: Step) -> None:
        """Take a step into account; cheap, as there are many."""
        now, last = self.clock(), self._step
        done = self._measure(step)
        if last is not None and (last.phase, last.ids) == (step.phase, step.ids) and (more := done - self._done) >= 0:
            self._add_cost(step, now - self._at, more)
        else:
            self._n_allowed, self._has_started = step.total, False
        if step.phase is Phase.WRITING and step.done == step.total:
            self._written.update(step.ids)
            self._fill.add(step.done, self._n_allowed)
        self._step, self._at, self._done = step, now, done

    def finish(self, id: str) -> None:
        """A prompt is explained, or was skipped."""
        if self._step is not None and self._step.phase is Phase.EXPLAINING and self._step.ids == (id,):
            self._n_explained += self._step.n_new
            self._step = None
        self.n_finished += 1
        self._left.pop(id, None)
        self._written.discard(id)

    @property
    def targets_per_second(self) -> float:
        """Target tokens explained so far, per second since the start."""
        return (self._n_explained + self._count_current()) / max(self.clock() - self._started, 1e-9)

    @property
    def seconds(self) -> float | None:
        """The time left; None before anything is known."""
        writing, explaining = (self._costs[phase].value for phase in (Phase.WRITING, Phase.EXPLAINING))
        spent = self.clock() - self._started
        n_left = max(0, self.workload.n_prompts - self.n_finished)
        if writing is None and explaining is None:  # others work, and say only what is finished
            return spent / self.n_finished * n_left if self.n_finished else None
        writing = writing if writing is not None else (explaining or 0.0) * PASSES_PER_STEP
        explaining = explaining if explaining is not None else (self._stepping.value or 0.0) / PASSES_PER_STEP
        tokens, passes, unread, unexplained = self._count_left(n_left)
        reading, starting = (self._starts[phase].value or 0.0 for phase in (Phase.WRITING, Phase.EXPLAINING))
        return tokens * writing + passes * explaining + unread * reading + unexplained * starting

    @property
    def share(self) -> float:
        """The share of the run that is done, from 0 to 1; never falls."""
        left, spent = self.seconds, self.clock() - self._started
        if left is not None and spent + left > 0:
            self._share = max(self._share, spent / (spent + left))
        return self._share

    def _add_cost(self, step: Step, seconds: float, more: float) -> None:
        self._has_started = True
        if step.done == 0 and step.share == 0:
            self._starts[step.phase].add(seconds, step.n_prompt + step.n_new)
            return
        self._costs[step.phase].add(seconds, more)
        if step.phase is Phase.WRITING:
            self._stepping.add(seconds, 1)

    def _measure(self, step: Step) -> float:
        """What is done of the step's prompts: new tokens, or token passes."""
        if step.phase is Phase.WRITING:
            return step.done
        return step.share * self.workload.count_passes(step.n_prompt, step.n_new)

    def _count_current(self) -> float:
        """Targets of the present prompt that are explained, or their share if it runs several methods."""
        step = self._step
        return step.share * step.n_new if step is not None and step.phase is Phase.EXPLAINING else 0.0

    def _count_left(self, n_left: int) -> tuple[float, float, float, float]:
        """New tokens to write, token passes to explain, and the tokens of texts for which either has not begun."""
        step = self._step
        busy = step.ids if step is not None else ()
        fill = 1.0 if self._fill.value is None else self._fill.value
        tokens = passes = unread = unexplained = 0.0
        for task in self._left.values():
            n_new = task.n_new if task.is_given else task.n_new * fill
            waits = not (task.is_given or task.id in self._written or task.id in busy)
            tokens += n_new if waits else 0.0
            unread += task.n_prompt if waits else 0.0
            is_explained = step is not None and step.phase is Phase.EXPLAINING and task.id in busy
            passes += 0.0 if is_explained else self.workload.count_passes(task.n_prompt, n_new)
            unexplained += 0.0 if is_explained or not self.workload.explains else task.n_prompt + n_new
        scale = n_left / len(self._left) if self._left else 0.0
        tokens, passes, unread, unexplained = (one * scale for one in (tokens, passes, unread, unexplained))
        if step is not None and step.phase is Phase.WRITING:
            tokens += step.total - step.done
            unread += 0 if self._has_started else step.n_prompt
        elif step is not None:
            passes += (1 - step.share) * self.workload.count_passes(step.n_prompt, step.n_new)
            unexplained += 0 if self._has_started else step.n_prompt + step.n_new
        return tokens, passes, unread, unexplained
