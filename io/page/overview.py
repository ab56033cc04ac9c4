"""What the table of all prompts says of each one, and what it needs to know beside them.

Strings are printable. Nothing here reads results: ``report`` brings what was measured and tried.
"""

# pyright: standard

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from promptlight.io.page.encoding import round_digits
from promptlight.salience.explain.explanation import Explanation
from promptlight.salience.explain.summary import GroupQuestion
from promptlight.salience.text.printable import printable
from promptlight.salience.types import Analysis, Cut, Granularity, SetAside, Span, StopReason

NOTEWORTHY = (StopReason.TOKEN_LIMIT, StopReason.CONTEXT_FULL, StopReason.GIVEN)  # ends that a reader should know of

Chance = Literal["clearly", "perhaps", "not", "few"]  # is an order better than chance? few: too few parts to tell


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """How a method's order did beside ``n_random`` random ones: it beats ``n_beaten`` of them.

    ``is_beaten_by_rule``: a simple rule does better. ``target_text`` is what was evaluated if that is not what the
    prompt opens with, and empty for the whole completion.
    """

    n_beaten: int
    n_random: int
    chance: Chance
    is_beaten_by_rule: bool
    target_text: str | None = None


@dataclass(frozen=True, kw_only=True)
class Tried:
    """What writing again showed: ``n_parts`` of the prompt were changed one by one; ``changing`` change the answer.

    These are given by line and text.
    """

    by: str
    n_parts: int
    changing: Sequence[tuple[int, str]]


@dataclass(frozen=True, kw_only=True)
class Rewritten:
    """What the model wrote in the place of ``target_text`` without each part of the prompt: its line, its text, and
    what was written instead (None: the same)."""

    by: str
    target_text: str
    parts: Sequence[tuple[int, str, str | None]]


@dataclass(frozen=True, kw_only=True)
class Checks:
    """What was measured and tried about the target that a prompt opens with; None if nothing was.

    ``rewritten`` is all that was tried, about whichever targets.
    """

    verdict: Verdict | None = None
    tried: Tried | None = None
    rewritten: Sequence[Rewritten] = ()


@dataclass(frozen=True, kw_only=True)
class AllPrompts:
    """What stands beside the table: the question that is summarised over all prompts, and what was skipped.

    Without a ``question`` there is no summary. ``folders`` are the names of the folders of results. ``skipped`` and the
    ``problems`` of damaged files may grow until the last prompt was listed.
    """

    question: GroupQuestion | None = None
    folders: Sequence[str] = ()
    skipped: Iterable[SetAside] = ()
    problems: Iterable[str] = ()


NOTHING = AllPrompts()


def outline(analysis: Analysis, explained: Explanation | None, checks: Checks, *, is_asked: bool) -> dict[str, Any]:
    """The last line written, how likely the text was, the strongest source, and what was checked.

    ``is_asked`` says that the question names a target: it is quoted, and missed where ``explained`` is None.
    """
    completion = analysis.completion
    lines = completion.completion_text.strip().split("\n")
    log_probs = [token.log_prob for token in completion.tokens if token.log_prob is not None]
    strongest = explained.strongest(1) if explained else []
    described: dict[str, Any] = {
        "written": printable(lines[-1].strip()),
        "lines": len(lines),
        "probability": round_digits(math.exp(sum(log_probs) / len(log_probs))) if log_probs else None,
        "strongest": _describe_source(explained, strongest[0]) if explained and strongest else None,
    }
    if completion.stop_reason in NOTEWORTHY:
        described["ended"] = completion.stop_reason
    if is_asked:
        described["asked"] = printable(explained.target_text.strip()) if explained else None
    return described | _describe_checks(checks)


def _describe_source(explained: Explanation, source: Span) -> dict[str, Any]:
    described = {
        "line": source.line,
        "share": round_digits(explained.shares[source.number]),
        "text": _strip(source.text),
    }
    if explained.by is Granularity.SECTION and source.section:
        described["section"] = printable(source.section)
    return described


def _describe_checks(checks: Checks) -> dict[str, Any]:
    described: dict[str, Any] = {}
    if verdict := checks.verdict:
        described["verdict"] = {
            "beaten": verdict.n_beaten,
            "random": verdict.n_random,
            "chance": verdict.chance,
            "rule": verdict.is_beaten_by_rule,
        }
        if verdict.target_text is not None:
            described["verdict"]["of"] = _strip(verdict.target_text)
    if tried := checks.tried:
        described["tried"] = {
            "by": name_cut(tried.by),
            "count": tried.n_parts,
            "changing": [{"line": line, "text": _strip(text)} for line, text in tried.changing],
        }
    return described


def describe_rewritten(rewritten: Rewritten) -> dict[str, Any]:
    """The same as the page's data."""
    parts = [
        {"line": line, "text": _strip(text), "written": None if written is None else _strip(written)}
        for line, text, written in rewritten.parts
    ]
    return {"by": name_cut(rewritten.by), "target": _strip(rewritten.target_text), "parts": parts}


def describe_everything(everything: AllPrompts) -> dict[str, Any]:
    """The folders' names; where each record that was skipped is, and why; damaged files last."""
    skipped = [
        {
            "id": printable(one.id),
            "file": printable(Path(one.path).name),
            "line": one.line,
            "reason": _strip(one.reason),
        }
        for one in everything.skipped
    ]
    damaged = [{"id": "", "file": "", "line": None, "reason": _strip(problem)} for problem in everything.problems]
    return {"folders": [printable(folder) for folder in everything.folders], "skipped": [*skipped, *damaged]}


def name_cut(cut: Cut | str) -> str:
    """A cut that the page has a word for; a pattern cuts into ``part``."""
    return str(cut) if cut in list(Granularity) else "part"


def _strip(text: str) -> str:
    return printable(text.strip())
