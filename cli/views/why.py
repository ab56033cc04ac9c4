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
    end_sentence,
    join_row,
    quote_text,
    say_answer,
    spell_answer,
)
from promptlight.cli.views.facts import describe_origin, describe_quantised, spell_facts
from promptlight.cli.views.output import View
from promptlight.cli.views.strongest import plural
from promptlight.cli.views.text import ASIDE
from promptlight.salience.options.sampling import Sampling
from promptlight.salience.regeneration.trials import Outcome, Regeneration
from promptlight.salience.text.printable import one_line
from promptlight.salience.types import Granularity, Span

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
    explanation = found.explanation
    return {
        "id": explanation.analysis.completion.prompt.id,
        "sentence": _say_why(found, width=None),
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


# ---- the sentence ---------------------------------------------------------------------------------------------------


def _say_why(found: Regeneration, width: int | None = QUOTED) -> str:
    """What was found, in a sentence or two; quoted texts have at most ``width`` characters (None: all)."""
    first, *others = found.tested
    wrote, name, change = quote_text(found.answer, width), _name(first, found, width), _say_change(first, width)
    if first.is_changed:
        said = (
            f"It wrote {wrote} most of all because of {name}: {_say_change(first, width)}, {say_answer(first, width)}"
        )
        return f"{end_sentence(said)}{_say_doubt(found, width)}"
    change = _say_change(first, width)
    said = f"The strongest {_unit(found)}, {name}, was not why it wrote {wrote}: {change}, it still writes that."
    changing = next((one for one in others if one.is_changed), None)
    if changing:
        said = end_sentence(f"{said} Without {_name(changing, found, width)}, {say_answer(changing, width)}")
    elif others:
        said += f" Nor was any other of the {len(found.tested)} strongest {plural(found.explanation.by)} alone."
    return said + _say_doubt(found, width)


def _say_doubt(found: Regeneration, width: int | None) -> str:
    """What it means that the control changes the answer, too."""
    control = found.control
    if control is None or not control.is_changed:
        return ""
    said = f" But without {_name(control, found, width)}, one of the weaker {plural(found.explanation.by)},"
    if any(one.is_changed for one in found.tested):
        return f"{said} {say_answer(control, width)}, so the answer depends on more than that."
    return end_sentence(f"{said} {say_answer(control, width)}")


def _say_change(outcome: Outcome, width: int | None) -> str:
    text = outcome.trial.replacement.strip()
    return f"with {quote_text(text, width)} in its place" if text else "without it"


def _name(outcome: Outcome, found: Regeneration, width: int | None) -> str:
    """A part of the prompt in a sentence: ``line 9 (10.9%), “Recommendation: ...”``."""
    return _name_part(outcome.trial.source, outcome.trial.share, found, width)


def _name_part(span: Span, share: float, found: Regeneration, width: int | None) -> str:
    cut = found.explanation.by
    if cut is Granularity.LINE:
        return f"line {span.line} ({share:.1%}), {quote_text(span.text, width)}"
    if cut is Granularity.SECTION and span.section:
        return f"section {one_line(span.section)} ({share:.1%})"
    return f"{quote_text(span.text, width)} in line {span.line} ({share:.1%})"


def _unit(found: Regeneration) -> str:
    return plural(found.explanation.by).removesuffix("s")


# ---- the picture ----------------------------------------------------------------------------------------------------


def _render_why(found: Regeneration, console: Console, remarks: Sequence[str] = ()) -> RenderableType:
    """The prompt, the sentence, the table of all trials, and how they were made."""
    completion = found.explanation.analysis.completion
    heading = Text(one_line(completion.prompt.id), BOLD)
    sentence = Text(_say_why(found)).wrap(console, console.width)
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
        named = _name_part(*found.own_words, found, QUOTED)
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
