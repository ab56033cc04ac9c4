"""The one thread that has the model: it takes jobs from the board, a batch of writing at a time, and keeps the results.

1. Load the model, and run it once: the first reader does not wait for what only the first use needs.
2. See whether the model is the one that made the results, with their settings. If not, what it writes goes into a
   folder of its own in ``_tried``.
3. Write all prompts at the front of the queue together, explain one after the other, and store each when it is ready.
"""

# pyright: standard

from __future__ import annotations

import json
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from promptlight.cli.server._board import Board
from promptlight.cli.server._jobs import Job, Kind, State
from promptlight.cli.server._questions import build_question, change_question
from promptlight.cli.server._shelf import Shelf, Stopped
from promptlight.cli.server._sources import Source
from promptlight.cli.views.progress import Standing
from promptlight.cli.work.live_model import LiveModel
from promptlight.io.results.regenerations import TakenAwayStore, read_regenerated
from promptlight.io.results.tried import Try
from promptlight.salience.errors import PromptlightError, UsageError
from promptlight.salience.options.analysis import AnalysisOptions
from promptlight.salience.progress import Phase, Step
from promptlight.salience.regeneration.finding_causes import find_causes, plan_parts
from promptlight.salience.regeneration.prompt_causes import PromptCauses
from promptlight.salience.text.secrets import hide_secrets
from promptlight.salience.types import Analysis, Completion, Explain, Prompt, SetAside

if TYPE_CHECKING:
    from promptlight.salience.model import Model

_SAME_MODEL = ("config_hash", "file_sha256", "adapter_sha256", "dtype", "quantised")
_NAMES = ("model", "adapter")  # where a model is may change; its hashes say which one it is
_WARMING = "Hello."
WRITING = 0.5  # of a job's share


class Worker:
    """Does the jobs of a board. ``progressed`` is called at each step, and told if readers have waited for it.

    ``made`` is called with each record that is new or changed.
    """

    def __init__(
        self,
        shelf: Shelf,
        board: Board,
        live: LiveModel,
        *,
        now: Callable[[], str],
        progressed: Callable[[bool], None],
        made: Callable[[int, str, Job], None],
        ready: Callable[[], None],
    ) -> None:
        self._shelf, self._board, self._live = shelf, board, live
        self._now, self._progressed, self._made, self._ready = now, progressed, made, ready
        self.status, self.error = "loading", None
        self._is_own = True  # whether what it writes belongs in the folder itself; known once it is loaded
        self.options = replace(live.options, explain=AnalysisOptions.from_settings(shelf.sources[0].settings).explain)

    def work(self) -> None:
        """Load the model, and do what is asked until the board closes."""
        try:
            model = self._live.load(_Silent())
            self._warm(model)
        except Exception as error:  # the server goes on: readers can read, and see the reason
            self.status, self.error = "failed", _spell_error(error)
            self._ready()
            return
        self._is_own = self._find_is_own(model)
        self.status = "ready"
        self._ready()
        while jobs := self._board.take(self._live.batch_size):
            self._do(model, jobs)

    @property
    def repeats(self) -> bool:
        """Whether it writes the same again for a prompt of the folder."""
        return self._is_own and not self.options.sampling.temperature

    def _warm(self, model: Model) -> None:
        """Write and explain a little, to pay for what only the first time costs."""
        from promptlight.salience.run.pipeline import analyze

        options = replace(self.options, explain=Explain.RESPONSE, max_new_tokens=2, foil=None, stop=())
        for _ in analyze([Prompt(id="warm", text=_WARMING)], model, options):
            pass

    def _do(self, model: Model, jobs: Sequence[Job]) -> None:
        """Do jobs that belong together; whatever goes wrong ends the one that it is about, not the server."""
        work = {Kind.WRITE: self._write, Kind.EACH: self._take_away, Kind.ASK: self._ask}[jobs[0].kind]
        started = time.monotonic()
        try:
            work(model, jobs)
        except Stopped:
            return
        except Exception as error:
            for job in jobs if len(jobs) > 1 else ():  # one prompt may be the reason: each on its own
                if not job.state.is_over:
                    self._do(model, [job])
            if len(jobs) == 1:
                self._board.end(jobs[0], State.FAILED, error=_spell_error(error))
        else:
            self._board.note_seconds(jobs[0].kind, (time.monotonic() - started) / len(jobs))

    # ---- new prompts -------------------------------------------------------------------------------------------------

    def _write(self, model: Model, jobs: Sequence[Job]) -> None:
        """Complete prompts together, and explain and store each."""
        from promptlight.salience.run.batches import complete_in_order
        from promptlight.salience.run.dry_run import measure_texts, plan_workload
        from promptlight.salience.run.pipeline import explain_or_set_aside
        from promptlight.salience.run.time_left import TimeLeft

        home = self._open_home(model)
        by_id = {str(job.makes): job for job in jobs if not self._end_done(home, job)}
        prompts = [job.prompt for job in by_id.values() if job.prompt]
        if not prompts:
            return
        texts = measure_texts(prompts, len(prompts), model, self.options)
        left = TimeLeft(plan_workload(texts, self.options))

        def hear(step: Step) -> None:
            self._require_open([by_id[id] for id in step.ids])
            left.see(step)
            begins = False
            for id, written in zip(step.ids, step.written or [None] * len(step.ids), strict=True):
                text = None if written is None else _spell(model, written)
                begins = begins or bool(text and not by_id[id].text)  # the first words
                self._board.report(by_id[id], _measure(step), left.seconds, step.phase, text)
            self._progressed(begins)

        completions = complete_in_order(prompts, model, self.options, len(prompts), on_step=hear)
        for prompt, completion in zip(prompts, completions, strict=True):
            job = by_id[prompt.id]
            try:
                self._require_open([job])
                result = explain_or_set_aside(prompt, completion, model, self.options, hear)
                self._keep(home, job, result)
            except Stopped:
                if self._board.is_closed:
                    raise
            left.finish(prompt.id)

    def _keep(self, home: Source, job: Job, result: Analysis | SetAside) -> None:
        """Store what was tried, with how it came about."""
        if isinstance(result, SetAside):
            self._board.end(job, State.FAILED, error=result.reason)
            return
        how = Try(parent=job.parent, tried=self._now(), note=job.note, author=job.author)
        self._store(home, job, _with_fields(result, how.describe()))

    def _store(self, home: Source, job: Job, analysis: Analysis) -> None:
        self._require_open([job])
        number = self._shelf.add(home, analysis)
        self._made(number, analysis.completion.prompt.id, job)
        self._board.end(job, State.DONE, number=number)

    def _end_done(self, home: Source, job: Job) -> bool:
        """Whether a job's row is there already, as after a restart; then it is over."""
        if str(job.makes) not in home.writer.done:
            return False
        number = self._shelf.find_number(home.number, str(job.makes))
        if number is not None:
            self._made(number, str(job.makes), job)
        self._board.end(job, State.DONE, number=number)
        return True

    def _open_home(self, model: Model) -> Source:
        """Where new rows go: into the folder itself if its settings would make them, else into one of their own."""
        from promptlight.salience.run.provenance import describe_provenance

        base = self._shelf.sources[0]
        if self._is_own:
            base.writer.come_from(describe_provenance(model.facts))
            return base
        settings = _describe(model, self.options, self._live.chat, base)
        return self._shelf.sources.open_tried(settings, describe_provenance(model.facts))

    def _find_is_own(self, model: Model) -> bool:
        """Whether the settings that change what it writes are those of the folder."""
        base = self._shelf.sources[0]
        settings = _describe(model, self.options, self._live.chat, base)
        names = {name for name in {*settings, *base.settings} if settings.get(name) != base.settings.get(name)}
        return names <= set(_NAMES)

    # ---- questions about what is stored ------------------------------------------------------------------------------

    def _take_away(self, model: Model, jobs: Sequence[Job]) -> None:
        """Take each part of a prompt away, let the model write again, and keep what changes the answer."""
        (job,) = jobs
        source, analysis = self._fetch(job)
        plan = plan_parts(analysis, build_question(job.asked))
        prompt = analysis.completion.prompt
        kept = PromptCauses.list_from_rows(read_regenerated(source.folder).get(prompt.id, ()), prompt.fingerprint)
        known = (str(plan.by), plan.choice, str(plan.target.cut))
        if not any(plan.is_of(one) and (one.by, one.target, one.target_by) == known for one in kept):
            _require_same_model(model, source)
            options = replace(AnalysisOptions.from_settings(source.settings), explain=Explain.RESPONSE)
            causes = find_causes(plan, lambda prompts: self._complete(model, prompts, options, job))
            self._require_open([job])
            store = TakenAwayStore(source.folder)
            store.add(causes.to_rows())
            store.flush()
        number = self._shelf.look_again(source, prompt.id)
        if number is not None:
            self._made(number, prompt.id, job)
        self._board.end(job, State.DONE, number=number)

    def _complete(
        self, model: Model, prompts: Sequence[Prompt], options: AnalysisOptions, job: Job
    ) -> list[Completion]:
        """Write all changed prompts, as many together as fit. Raises UsageError for the first that can't be written."""
        from promptlight.salience.run.batches import complete

        started, n_done = time.monotonic(), 0

        def hear(step: Step) -> None:
            nonlocal n_done
            self._require_open([job])
            share = min(1.0, (n_done + len(step.ids) * step.done / max(1, step.total)) / len(prompts))
            n_done += len(step.ids) if step.done == step.total else 0
            spent = time.monotonic() - started
            self._board.report(job, share, spent / share - spent if share else None, Phase.WRITING)
            self._progressed(False)

        found: list[Completion] = []
        for result in complete(prompts, model, options, on_step=hear):
            if isinstance(result, SetAside):
                raise UsageError(f"{result.id}: {result.reason}", parameters=result.parameters)
            found.append(result)
        return found

    def _ask(self, model: Model, jobs: Sequence[Job]) -> None:
        """Explain a stored completion by another method, objective or foil, and keep that in a folder of its own."""
        from promptlight.salience.run.pipeline import explain_or_set_aside
        from promptlight.salience.run.provenance import describe_provenance

        (job,) = jobs
        source, analysis = self._fetch(job)
        _require_same_model(model, source)
        options = change_question(AnalysisOptions.from_settings(source.settings), job.asked)
        settings = _describe(model, options, bool(source.settings.get("chat")), source)
        home = self._shelf.sources.open_tried(settings, describe_provenance(model.facts))
        if self._end_done(home, job):
            return
        prompt = analysis.completion.prompt
        if job.asked["foil"]:  # before that of the record
            fields = {name: value for name, value in prompt.fields.items() if not name.startswith("foil")}
            prompt = replace(prompt, fields=fields)
        started = time.monotonic()

        def hear(step: Step) -> None:
            self._require_open([job])
            spent = time.monotonic() - started
            left = spent / step.share - spent if step.share else None
            self._board.report(job, step.share, left, step.phase)
            self._progressed(False)

        completion = replace(analysis.completion, prompt=prompt)
        result = explain_or_set_aside(prompt, completion, model, options, hear)
        if isinstance(result, SetAside):
            self._board.end(job, State.FAILED, error=result.reason)
            return
        said = {"author": job.author, "note": job.note}
        asked = {"tried": self._now()} | {name: text for name, text in said.items() if text}  # else its own stay
        self._store(home, job, _with_fields(result, asked))

    def _fetch(self, job: Job) -> tuple[Source, Analysis]:
        """The result that a job asks about, and where it is."""
        source = self._shelf.sources.find(job.asked["folder"])
        number = self._shelf.find_number(source.number, str(job.parent))
        if number is None:
            raise UsageError(f"expected {job.parent} among these results, found it no longer there")
        return source, self._shelf.fetch_number(number)

    def _require_open(self, jobs: Sequence[Job]) -> None:
        """Raise Stopped if all of these jobs are over, or the server stops."""
        if self._board.is_closed or all(job.state.is_over for job in jobs):
            raise Stopped


class _Silent:
    """Shows nothing of how a model is loaded."""

    def say(self, message: str) -> None:
        """Nothing is printed."""

    def show(self, phase: Phase, standing: Callable[[], Standing], *, begins: bool = False) -> None:
        """Nothing is drawn."""

    @contextmanager
    def loading(self, model: str) -> Generator[None]:
        """The state says that it is loaded."""
        yield


def _measure(step: Step) -> float:
    """How much of a prompt is done: writing counts as the first half, explaining as the second."""
    if step.phase is Phase.WRITING:
        return WRITING * step.done / max(1, step.total)
    return WRITING + (1 - WRITING) * step.share


def _spell_error(error: Exception) -> str:
    """A sentence for readers; a bug, or an error of torch, has its type in front."""
    return hide_secrets(str(error) if isinstance(error, PromptlightError) else f"{type(error).__name__}: {error}")


def _spell(model: Model, ids: Sequence[int]) -> str:
    from promptlight.salience.text.completion import spell_written

    return spell_written(model.tokenizer, ids)


def _describe(model: Model, options: AnalysisOptions, chat: bool, source: Source) -> dict[str, Any]:
    """The settings that a row has, as a folder stores them; how exact scores are is the source's."""
    from promptlight.salience.run.provenance import describe_settings

    settings = describe_settings(model.facts, options, chat=chat)
    scores = {"scores": source.settings["scores"]} if "scores" in source.settings else {}
    return json.loads(json.dumps(settings | scores))


def _require_same_model(model: Model, source: Source) -> None:
    """Raise UsageError unless this is the model that made a source's results, in their precision."""
    now = _describe(model, AnalysisOptions(), False, source)
    other = [name for name in _SAME_MODEL if now.get(name) != source.settings.get(name)]
    if other:
        raise UsageError(
            f"expected the model that made these results, {source.settings.get('model')}, found another one"
            f" ({', '.join(other)} differs): serve them with their own model to ask about what it wrote"
        )


def _with_fields(analysis: Analysis, fields: Mapping[str, Any]) -> Analysis:
    """The analysis with more fields of its record."""
    completion = analysis.completion
    prompt = replace(completion.prompt, fields={**completion.prompt.fields, **fields})
    return replace(analysis, completion=replace(completion, prompt=prompt))
