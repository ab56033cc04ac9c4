"""Why a model wrote something, in one sentence that was tested, and what it wrote in each test.

It wrote “Recommendation: You have to try it.” most of all because of line 9 (10.9%), “Recommendation: You have
to try it.”: without it, it writes “Recommendation: Avoid.”

line   share  taken away                               then it writes
   9   10.9%  Recommendation: You have to try it.      Recommendation: Avoid.
  21    8.0%  Recommendation: ...                      the same
for comparison, one of the weaker lines:
   3    0.9%  Taste-likes: ...                         the same
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console, Group, RenderableType
from rich.style import Style
from rich.text import Text

from promptlight.cli.views._rewritten import (
    BOLD,
    NARROWEST,
    QUOTED,
    join_row,
    quote_text,
    spell_answer,
)
from promptlight.cli.views.facts import describe_origin, describe_quantised, spell_facts
from promptlight.cli.views.output import View
from promptlight.cli.views.strongest import plural
from promptlight.cli.views.text import ASIDE
from promptlight.cli.views.why_sentence import name_part, spell_why
from promptlight.io.page.words import Language
from promptlight.salience.options.sampling import Sampling
from promptlight.salience.regeneration.trials import Outcome, Regeneration
from promptlight.salience.text.printable import one_line

if TYPE_CHECKING:
    from promptlight.io.results.facts import RunFacts

TITLE = "promptlight why"


def view_why(found: Regeneration, sampling: Sampling, facts: RunFacts) -> View:
    """The sentence and the table; ``sampling`` is how the model wrote, ``facts`` which model did."""
    remarks = [*_list_remarks(found, sampling), *filter(None, [describe_quantised(facts)])]
    return View(
        paint=lambda console, _: _render_why(found, console, [*remarks, spell_facts(facts)]),
        describe=lambda: _describe_why(found) | {"remarks": remarks, "facts": describe_origin(facts)},
        signed=False,
        title=TITLE,
    )


def _describe_why(found: Regeneration) -> dict[str, Any]:
    """The sentence and the outcomes as plain data, with unchanged texts."""
    described = _describe_answer(found)
    return {"id": described["id"], "sentence": spell_why(described, width=None), **described}


def _describe_answer(found: Regeneration) -> dict[str, Any]:
    """The same without the sentence."""
    explanation = found.explanation
    return {
        "id": explanation.analysis.completion.prompt.id,
        "target": explanation.target_text,
        "target_by": str(explanation.target_by),
        "method": explanation.salience.method.value,
        "by": str(explanation.by),
        "answer": found.answer,
        "reproduced": found.is_reproduced,
        "trials": [_describe_outcome(outcome) for outcome in found.outcomes],
    }


def _describe_outcome(outcome: Outcome) -> dict[str, Any]:
    trial = outcome.trial
    return {
        "line": trial.source.line,
        "section": trial.source.section,
        "text": trial.source.text,
        "share": trial.share,
        "control": trial.is_control,
        "replacement": trial.replacement or None,
        "changed": outcome.is_changed,
        "answer": outcome.answer,
        "completion": outcome.completion,
    }


# ---- the picture ----------------------------------------------------------------------------------------------------


def _render_why(found: Regeneration, console: Console, remarks: Sequence[str] = ()) -> RenderableType:
    """The prompt, the sentence, the table of all trials, and how they were made."""
    completion = found.explanation.analysis.completion
    heading = Text(one_line(completion.prompt.id), BOLD)
    sentence = Text(spell_why(_describe_answer(found))).wrap(console, console.width)
    notes = (Text(note, ASIDE) for note in (_describe_test(found), *map(one_line, remarks)))
    shown = (line for note in notes for line in note.wrap(console, console.width))
    return Group(heading, *sentence, Text(), *_render_trials(found, console.width), Text(), *shown)


def _render_trials(found: Regeneration, width: int) -> Iterator[Text]:
    """A row per trial: the part's line, its share, its text, and what the model wrote without it."""
    replaced = any(one.trial.replacement for one in found.outcomes)
    room = max(NARROWEST, (width - len(" line   share  ") - 2) // 2)
    heading = join_row(" line   share  ", "replaced" if replaced else "taken away", "then it writes", room, BOLD)
    heading.stylize(BOLD)
    yield heading
    for one in found.tested:
        yield _render_trial(one, room)
    if found.control:
        yield Text(f"for comparison, one of the weaker {plural(found.explanation.by)}:", ASIDE)
        yield _render_trial(found.control, room)


def _render_trial(outcome: Outcome, room: int) -> Text:
    trial = outcome.trial
    return join_row(
        f"{trial.source.line:>5}  {trial.share:>6.1%}  ",
        one_line(trial.source.text.strip()),
        spell_answer(outcome),
        room,
        BOLD if outcome.is_changed else Style(),
    )


def _list_remarks(found: Regeneration, sampling: Sampling) -> Iterator[str]:
    """What to keep in mind about this answer."""
    explanation = found.explanation
    if found.own_words:
        span, share = found.own_words
        part = {"line": span.line, "section": span.section, "text": span.text, "share": share}
        named = name_part(Language.ENGLISH, part, by=str(explanation.by), width=QUOTED)
        yield f"stronger than any part of the prompt are the model's own words before: {named}"
    if not found.is_reproduced:
        target = quote_text(explanation.target_text, QUOTED)
        yield f"the stored completion has {target} there; the tests are compared with what the model writes now"
    if sampling.temperature:
        drawn = f"a temperature of {sampling.temperature:g}"
        yield f"the texts were drawn with {drawn}: they differ by chance, too; with --seed the run draws others"


def _describe_test(found: Regeneration) -> str:
    """How the table was made."""
    method, target = found.explanation.salience.method, quote_text(found.explanation.target_text, QUOTED)
    return (
        f"share: a part's share of all {method} scores for {target}; each part was changed alone, and the model wrote"
        " everything again"
    )
