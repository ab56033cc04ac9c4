"""What writing again showed about one prompt: each part was taken away alone, and some changed the answer.

A *cause* is a part whose removal changes the answer. Knows no model: these are stored, and read where no torch is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any


@dataclass(frozen=True, kw_only=True)
class TriedPart:
    """A part of the prompt that was taken away: its ``number`` among all spans of its cut, its line and section.

    ``answer`` is what the model then wrote in the target's place, stripped (None: nothing), in this ``completion``.
    ``distance`` is Levenshtein's from the old answer, in characters.
    """

    number: int
    line: int
    section: str | None
    text: str
    changed: bool
    answer: str | None
    distance: int
    completion: str


@dataclass(frozen=True, kw_only=True)
class PromptCauses:
    """All parts of a prompt, in order. ``answer`` is what the model writes for the unchanged prompt, stripped.

    ``target`` is as the user gave it, ``target_text`` what stood there in the stored completion.
    """

    id: str
    label: str | None
    fingerprint: str
    by: str
    target: str
    target_by: str
    target_text: str
    answer: str
    parts: Sequence[TriedPart]

    @property
    def causes(self) -> list[TriedPart]:
        """The parts whose removal changes the answer."""
        return [part for part in self.parts if part.changed]

    @property
    def can_judge(self) -> bool:
        """Whether an order of the parts can be right or wrong: some are causes, and some are not."""
        return 0 < len(self.causes) < len(self.parts)

    @property
    def is_reproduced(self) -> bool:
        """Whether the model still writes the stored target for the unchanged prompt."""
        return self.answer == self.target_text.strip()

    def to_rows(self) -> list[dict[str, Any]]:
        """A flat row for each part."""
        shared = {name: value for name, value in asdict(self).items() if name not in ("parts", "label", "answer")}
        shared |= {"source": self.label, "old_answer": self.answer}
        return [shared | asdict(part) for part in self.parts]

    @classmethod
    def from_rows(cls, rows: Iterable[Mapping[str, Any]]) -> PromptCauses:
        """Read the rows of one prompt and question; other columns are ignored."""
        ordered = sorted(rows, key=lambda row: row["number"])
        first, names = ordered[0], [field.name for field in fields(TriedPart)]
        return cls(
            id=first["id"],
            label=first["source"],
            fingerprint=first["fingerprint"],
            by=first["by"],
            target=first["target"],
            target_by=first["target_by"],
            target_text=first["target_text"],
            answer=first["old_answer"],
            parts=[TriedPart(**{name: row[name] for name in names}) for row in ordered],
        )

    @classmethod
    def list_from_rows(cls, rows: Iterable[Mapping[str, Any]], fingerprint: str) -> list[PromptCauses]:
        """The causes for each question about a prompt, in order of the rows; those of another record are left out."""
        by_question: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
        for row in rows:
            if row["fingerprint"] == fingerprint:
                by_question.setdefault((row["by"], row["target"], row["target_by"]), []).append(row)
        return [cls.from_rows(own) for own in by_question.values()]
