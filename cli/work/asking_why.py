"""Find the strongest part of a prompt, change it, and let the model write again, for ``why``."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from promptlight.cli.options.prompt_text import STANDARD_INPUT, read_prompt_text
from promptlight.cli.options.rerun import Rerun
from promptlight.cli.work.live_model import build_live_model
from promptlight.cli.work.stored_results import SectionNames, find_stored, refuse_given_completion, say_where_model_is
from promptlight.io.places import Place, is_address
from promptlight.io.results.folders import BUNDLED, find_folder, is_bundled
from promptlight.salience.errors import UsageError
from promptlight.salience.types import Analysis, Cut, Granularity, Prompt

if TYPE_CHECKING:
    from promptlight.cli.views.output import View
    from promptlight.salience.explain.explanation import Explanation, Question


def find_asked(
    named: str | None, file: Path | None, id: str | None, *, chat: bool, thinking: bool
) -> tuple[Prompt | Analysis, Place | None]:
    """What is asked about: a stored prompt and its folder, or a new one made of a text.

    With an id, ``named`` is a folder; without one it is a text, unless there is such a folder: then its first prompt is
    meant. A ``file``, or ``-`` for standard input, holds a text. Raises UsageError for neither, or for both.
    """
    from promptlight.io.prompts.reader import prompt_from_text

    if file is not None or named == STANDARD_INPUT:
        if id is not None:
            raise UsageError("expected a text or the id of a stored prompt, found both", parameters=("id",))
        return prompt_from_text(read_prompt_text(named, file) or "", chat=chat, thinking=thinking), None
    if id is None and named is None:
        raise UsageError("expected the text of a prompt, or the id of a stored one, found neither", parameters=("id",))
    is_folder = id is not None or named in BUNDLED or is_address(named or "")
    is_folder = is_folder or os.path.isdir(named or "")  # a Path can't be as long as a text
    if named is not None and not is_folder:
        return prompt_from_text(named, chat=chat, thinking=thinking), None
    folder = find_folder(named)
    return find_stored(folder, id=id), folder


def ask_why(
    asked: Prompt | Analysis,
    folder: Place | None,
    question: Question,
    names: SectionNames,
    rerun: Rerun,
    *,
    by: Cut | None,
    n_top: int,
    replacement: str | None,
) -> View:
    """Explain a prompt unless it is explained already, test its strongest parts, and keep the answer in the folder.

    ``by`` None takes lines, or a finer cut of a prompt with only one. Raises UsageError if the completion was given in
    the record, or if the prompt has no part to take away.
    """
    from promptlight.cli.views.why import view_why
    from promptlight.io.results.answers import keep_answer
    from promptlight.io.results.reader import read_settings
    from promptlight.salience.regeneration.trials import choose_trials, judge_trials

    settings, missing = (read_settings(folder), say_where_model_is(folder)) if folder else ({}, "")
    live = build_live_model(settings, rerun, question.method, if_missing=missing)
    analysis = asked if isinstance(asked, Analysis) else live.explain(asked)[0]
    explanation = _explain_part(names.give(analysis, by), question, by)
    trials = choose_trials(explanation, n_top, replacement=replacement)
    unchanged, *changed = live.complete(analysis.completion.prompt, *(trial.prompt for trial in trials))
    found = judge_trials(explanation, trials, unchanged, changed)
    view = view_why(found, live.options.sampling, live.describe_run())
    if folder and rerun.is_as_stored and not is_bundled(folder):
        keep_answer(folder, view.describe(), analysis)
    return view


def _explain_part(analysis: Analysis, question: Question, by: Cut | None) -> Explanation:
    """Explain the part of the completion that is asked about: by default its last line."""
    from promptlight.salience.explain.explanation import explain_target
    from promptlight.salience.regeneration.trials import choose_cut

    refuse_given_completion(analysis.completion)
    target = "-1" if question.target is None else question.target
    target_by = question.target_by or Granularity.LINE
    return explain_target(
        analysis, replace(question, by=by or choose_cut(analysis), target=target, target_by=target_by)
    )
