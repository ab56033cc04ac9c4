"""Take each part of a prompt away, or replace it, and let the model write again, for ``try --each``.

1. List the parts and their changed prompts: this needs no model.
2. Load the model, unless it wrote for all of them before.
3. Complete a batch of prompts, score the old completion after each, and keep both: a stopped run goes on from them.
4. Judge the parts, and write the table.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from promptlight.cli.options.parts import EachPart
from promptlight.cli.options.rerun import Rerun
from promptlight.cli.options.shared import Dtype
from promptlight.cli.views.estimate import count
from promptlight.cli.views.progress import Standing, spell_left
from promptlight.cli.views.strongest import plural
from promptlight.cli.work.live_model import LiveModel, build_live_model
from promptlight.cli.work.progress import Display, open_display
from promptlight.cli.work.signals import ending_in_order
from promptlight.cli.work.stored_results import SectionNames, refuse_given_completion, say_where_model_is
from promptlight.cli.work.tally import Tally
from promptlight.io.places import Place
from promptlight.io.prompts.replacements import read_replacements
from promptlight.io.results.facts import RunFacts, read_facts
from promptlight.io.results.folders import is_bundled
from promptlight.io.results.reader import read_settings
from promptlight.io.results.written import Written, WrittenStore
from promptlight.io.tables.formats import check_output
from promptlight.io.tables.parts import write_parts
from promptlight.salience.progress import Phase, Step
from promptlight.salience.regeneration.counterparts import find_target
from promptlight.salience.regeneration.parts import find_answer, judge_parts, list_old_ids, list_parts
from promptlight.salience.text.printable import one_line
from promptlight.salience.text.spans import parse_cut
from promptlight.salience.types import Analysis, Completion, Cut, Prompt

if TYPE_CHECKING:
    from promptlight.cli.views.output import View
    from promptlight.salience.regeneration.parts import PartsFound

LONG = 60.0  # seconds: a cost to know before one waits


@dataclass(frozen=True, kw_only=True)
class AskedTarget:
    """What is asked about in the completion: by default its last line."""

    choice: str | None
    cut: str | None


def try_parts(
    asked: Analysis | Prompt,
    folder: Place | None,
    parts: EachPart,
    target: AskedTarget,
    names: SectionNames,
    rerun: Rerun,
    *,
    n_top: int,
    overwrite: bool,
) -> View:
    """Try every part, and write the table if one is asked for.

    Raises UsageError if the completion was given in the record, or if the prompt has no such parts.
    """
    from promptlight.cli.views.parts import view_parts

    if parts.output:
        check_output(parts.output, parts.format, overwrite=overwrite)
    cut, target_cut = parse_cut(parts.cut), parse_cut(target.cut or "line")
    replacements = read_replacements(parts.replace_each) if parts.replace_each else None
    settings, missing = (read_settings(folder), say_where_model_is(folder)) if folder else ({}, "")
    live = build_live_model(settings, rerun, if_missing=missing)
    completion = _find_completion(asked, live, names, cut)
    kept_in = folder if folder and not is_bundled(folder) else None
    store = WrittenStore(kept_in, completion.prompt, _describe_writing(live), anew=parts.anew)
    if isinstance(asked, Prompt):
        store.add([Written(completion=completion, old_log_probs=live.score([asked], list_old_ids(completion))[0])])
    compat = live.options.compat
    chosen = find_target(completion, "-1" if target.choice is None else target.choice, target_cut, compat)
    found_parts = list_parts(completion, cut, compat, replacements)
    prompts = [completion.prompt, *(part.prompt for part in found_parts)]
    most = completion.prompt.max_new_tokens or live.options.max_new_tokens
    rewriting = _Rewriting(live=live, store=store, what=count(len(found_parts), _singular(cut)), most=most)
    written = rewriting.write(prompts)
    unchanged, *others = (one.completion for one in written)
    log_probs = np.array([one.old_log_probs for one in written])
    found = judge_parts(chosen, find_answer(chosen, unchanged), cut, found_parts, others, log_probs)
    facts = live.describe_run() if folder is None or rerun.model else _find_facts(folder, live, rerun)
    if parts.output:
        _write_table(found, parts, facts, overwrite=overwrite)
    return view_parts(found, live.options.sampling, facts, n_top=n_top)


def _find_facts(folder: Place, live: LiveModel, rerun: Rerun) -> RunFacts | None:
    """The folder's facts that hold for what its model writes now, or wrote before; without loading it."""
    stored = read_facts(folder)
    return stored and replace(
        stored,
        dtype=None if rerun.dtype is Dtype.AUTO else rerun.dtype or stored.dtype,
        adapter=rerun.adapter or stored.adapter,
        adapter_sha256=None if rerun.adapter else stored.adapter_sha256,
        device=None,
        started=None,
        finished=None,
        settings=live.options.describe(),
        versions={"promptlight": version("promptlight")},
    )


def _find_completion(asked: Analysis | Prompt, live: LiveModel, names: SectionNames, cut: Cut) -> Completion:
    """The completion that is asked about: the stored one, or what the model writes for a text."""
    if isinstance(asked, Prompt):
        (completion,) = live.complete(asked)
        asked = Analysis(completion=completion, segmentations={}, maps={})
    refuse_given_completion(asked.completion)
    return names.give(asked, cut).completion


def _write_table(found: PartsFound, parts: EachPart, facts: RunFacts | None, *, overwrite: bool) -> None:
    assert parts.output is not None
    n_rows = write_parts(parts.output, found.to_rows(), facts=facts, format=parts.format, overwrite=overwrite)
    print(f"{count(n_rows, 'row')} in {one_line(str(parts.output))}", file=sys.stderr)


def _describe_writing(live: LiveModel) -> dict[str, Any]:
    """All that changes what the model writes, apart from the prompts."""
    options = live.options.describe()
    names = ("max_new_tokens", "stop", "temperature", "top_k", "top_p", "seed")
    return {
        "model": live.model,
        "adapter": live.adapter,
        "dtype": live.dtype,
        "promptlight": version("promptlight"),
        **{name: options.get(name) for name in names},
    }


def _singular(cut: Cut) -> str:
    return plural(cut).removesuffix("s")


@dataclass(kw_only=True)
class _Rewriting:
    """Completes prompts and scores the old completion after them, the first prompt's; says how far it has come."""

    live: LiveModel
    store: WrittenStore
    what: str  # is tried
    most: int  # new tokens
    _n_done: int = 0
    _n_all: int = 0
    _started: float = field(default_factory=time.monotonic)
    _has_said: bool = False

    def write(self, prompts: Sequence[Prompt]) -> list[Written]:
        """What the model writes for each of these prompts, now or before."""
        missing = [prompt for prompt in prompts if self.store.find(prompt) is None]
        if missing:
            self._say_cost(len(prompts), len(missing))
            tally = Tally(total=len(prompts), n_already_done=len(prompts) - len(missing))
            with ending_in_order(tally) if self.store.path else nullcontext(), open_display() as display:
                self.live.load(display)
                self._write_missing(missing, prompts[0], tally, display)
        found = [self.store.find(prompt) for prompt in prompts]
        return [one for one in found if one is not None]

    def _say_cost(self, n_all: int, n_missing: int) -> None:
        before = f"; {n_all - n_missing:,} written before" if n_missing < n_all else ""
        print(
            f"{self.what} to try: the model writes {count(n_missing, 'completion')} of at most {self.most:,} tokens"
            f"{before}",
            file=sys.stderr,
            flush=True,
        )

    def _write_missing(self, missing: Sequence[Prompt], unchanged: Prompt, tally: Tally, display: Display) -> None:
        """Batch by batch; the unchanged prompt is in the first one unless it is kept."""
        self._n_all, self._started, size = len(missing), time.monotonic(), self.live.batch_size
        for start in range(0, len(missing), size):
            batch = missing[start : start + size]

            def hear(step: Step, n: int = len(batch)) -> None:
                share = step.done / max(1, step.total)
                display.show(Phase.WRITING, lambda: self._stand(share * n, display), begins=step.done == 0)

            completions = self.live.write(batch, hear)
            kept = self.store.find(unchanged)
            old_ids = list_old_ids(kept.completion if kept else completions[0])
            log_probs = self.live.score(batch, old_ids)
            self.store.add(
                Written(completion=completion, old_log_probs=row.tolist())
                for completion, row in zip(completions, log_probs, strict=True)
            )
            self._n_done += len(batch)
            for _ in batch:
                tally.written()

    def _stand(self, n_more: float, display: Display) -> Standing:
        """How far it has come, with this much of a batch."""
        share = (self._n_done + n_more) / max(1, self._n_all)
        text = f"writing again: {self._n_done:,} of {count(self._n_all, 'completion')}"
        if not share:
            return Standing(text=text, share=0.0)
        spent = time.monotonic() - self._started
        left = spent / share - spent
        if not self._has_said:
            self._has_said = True
            if left >= LONG:
                display.say(f"{count(self._n_all, 'completion')} take about {spell_left(spent + left)} here")
        return Standing(text=text, share=min(1.0, share), seconds_left=left)
