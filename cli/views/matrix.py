"""All targets of a prompt at once: a row of blocks per target, a column per source.

    line             1        5    9
    Analysis: it     ▁   ▂    █    ▃
    Recommendation:      ▁    ▂    █

Each row has its own scale, because scores of different targets can't be compared: those of a confident token are all
small. The head of a column is the line of the text where its source begins, if it differs from the previous column's.
If there are more sources than cells, neighbours share a column, which shows the strongest of them.

By a way through the model's own words, each row is a target that is followed back by itself, and columns are the
prompt's sources alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from rich.style import Style
from rich.text import Text

from promptlight.cli.views.look import Marking
from promptlight.cli.views.palette import Look
from promptlight.cli.views.text import ASIDE
from promptlight.salience.explain.explanation import Explanation, Question, explain_spans
from promptlight.salience.explain.span_scores import pool_earlier, read_rows
from promptlight.salience.text.printable import one_line
from promptlight.salience.types import FloatArray, Role, Span, Way

WIDEST_LABEL = 32  # cells
LATER = "·"  # for a source that comes after a target, or is part of it


def render_matrix(explanation: Explanation, look: Look, width: int) -> Iterator[Text]:
    """A heading of line numbers, and a row for each of the explanation's targets."""
    targets = explanation.targets
    last = max(target.start for target in targets)
    left_out = {Role.SPECIAL} if explanation.way is Way.DIRECT else {Role.SPECIAL, Role.COMPLETION}
    sources = [span for span in explanation.spans if span.role not in left_out and span.start < last]
    if not sources:
        return
    labels = _render_labels(targets, width)
    size, cells = plan_columns(len(sources), width - len(labels[0].plain) - 2)
    groups = [sources[at : at + size] for at in range(0, len(sources), size)]
    yield from render_lines(groups, len(labels[0].plain), cells)
    scores = _score_targets(explanation)[:, [source.number for source in sources]]
    for target, label, row in zip(targets, labels, scores, strict=True):
        levels = strongest_of(row, size) / max(float(np.abs(row).max()), 1e-30)
        yield Text.assemble(label, "  ", *_render_cells(groups, target, levels, look, cells))


def _score_targets(explanation: Explanation) -> FloatArray:
    """The scores of all sources for each target by itself, by the explanation's way: [targets, S]."""
    analysis, cuts = explanation.analysis, (explanation.target_cut, explanation.source_cut)
    if explanation.way is Way.DIRECT:
        scores, _ = read_rows(explanation.salience, analysis.completion, explanation.target_cut, explanation.targets)
        return pool_earlier(scores, explanation.targets, explanation.source_cut, explanation.pooling)
    # all, because nothing that the model wrote comes before the first target
    question = Question(method=explanation.salience.method, way=Way.ALL, through_by=explanation.through_by)
    rows: list[FloatArray] = []
    for target in explanation.targets:
        found = explain_spans(analysis, question, [target], *cuts)
        assert found.through
        by_way = found.through.through if explanation.way is Way.THROUGH else found.through.total
        rows.append(by_way.astype(np.float32))
    return np.stack(rows)


def plan_columns(n_sources: int, room: int) -> tuple[int, int]:
    """How many sources share a column, and how many cells wide it is."""
    room = max(room, 1)
    size = -(-n_sources // room)
    return size, 2 if 2 * n_sources <= room else 1


def strongest_of(row: FloatArray, size: int) -> FloatArray:
    """The largest absolute score among each ``size`` neighbours, with its sign: [S] -> [ceil(S / size)]."""
    padded = np.zeros(-(-len(row) // size) * size, dtype=row.dtype)
    padded[: len(row)] = row
    groups = padded.reshape(-1, size)
    places: NDArray[np.intp] = np.abs(groups).argmax(axis=1)
    return groups[np.arange(len(groups)), places]


def _render_labels(targets: Sequence[Span], width: int) -> list[Text]:
    """The targets' texts, padded to the longest one, at most a third of the terminal."""
    labels = [Text(one_line(target.text.strip() or target.text)) for target in targets]
    room = max(4, min(WIDEST_LABEL, width // 3, max(label.cell_len for label in labels)))
    for label in labels:
        label.truncate(room, overflow="ellipsis", pad=True)
    return labels


def render_lines(groups: Sequence[Sequence[Span]], margin: int, cells: int) -> Iterator[Text]:
    """The numbers of the lines where columns begin, digits written from top to bottom."""
    lines = [group[0].line for group in groups]
    shown = ["" if at and line == lines[at - 1] else str(line) for at, line in enumerate(lines)]
    n_digits = max(map(len, shown))
    for digit in range(n_digits):
        heads = "".join(f"{number:>{n_digits}}"[digit].ljust(cells) for number in shown)
        yield Text(f"{'line' if digit == n_digits - 1 else '':<{margin}}"[:margin] + "  " + heads.rstrip(), ASIDE)


def _render_cells(
    groups: Sequence[Sequence[Span]], target: Span, levels: FloatArray, look: Look, cells: int
) -> Iterator[tuple[str, Style | str]]:
    """The blocks of one row: painted if there are enough colours, else as high as the level."""
    for group, level in zip(groups, levels.tolist(), strict=True):
        if group[0].stop > target.start:
            yield LATER + " " * (cells - 1), ASIDE
        elif look.color_system and look.marking is Marking.HIGHLIGHT:
            yield " " * cells, look.paint(look.strengthen(level)) or ""
        else:
            bar, ink = look.bar(level)
            yield bar * cells, ink or ""
