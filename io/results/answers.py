"""Keep what ``why`` found next to a folder's results, ``_evaluation/why.json``, so that other views can say it.

The file has the settings of the results: answers about other results than the present ones count as missing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from promptlight.io.files import writing
from promptlight.io.places import Place
from promptlight.io.results.reader import read_settings
from promptlight.io.results.shards import EVALUATION_FOLDER
from promptlight.salience.errors import OutputError
from promptlight.salience.text.printable import printable_json
from promptlight.salience.types import Analysis, Method

ANSWERS = Path(EVALUATION_FOLDER) / "why.json"
Answer = Mapping[str, Any]


def keep_answer(folder: Place, answer: Answer, analysis: Analysis) -> Place:
    """Keep an answer about a stored result; returns the file. It replaces an earlier one to the same question.

    ``answer`` is what the command prints as JSON. A damaged file is replaced.
    """
    stamped = dict(answer) | {"fingerprint": analysis.completion.prompt.fingerprint}
    try:
        before = read_answers(folder)
    except OutputError:
        before = []
    kept = [one for one in before if _key(one) != _key(stamped)]
    path = folder / ANSWERS
    with writing(path, durable=True) as temporary:
        content = printable_json({"results": read_settings(folder), "answers": [*kept, stamped]})
        temporary.write_text(content, encoding="utf-8")
    return path


def find_answers(answers: Iterable[Answer], analysis: Analysis, method: Method) -> list[Answer]:
    """Those about one method's scores of a stored result."""
    prompt = analysis.completion.prompt
    about = {"id": prompt.id, "method": method.value, "fingerprint": prompt.fingerprint}
    return [one for one in answers if about.items() <= one.items()]


def read_answers(folder: Place) -> list[Answer]:
    """All answers that are kept about a folder's present results. Raises OutputError for a damaged file."""
    path = folder / ANSWERS
    try:
        if not path.exists():
            return []
        found = json.loads(path.read_text(encoding="utf-8"))
        settings, answers = found["results"], list(found["answers"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OutputError(f"{path}: not readable ({error}); delete it, and ask `promptlight why` again") from error
    return answers if settings == json.loads(json.dumps(read_settings(folder))) else []


def _key(answer: Answer) -> tuple[Any, ...]:
    """What an answer is about; two answers to the same question have the same key."""
    trials = answer["trials"]
    replaced = trials[0]["replacement"] if trials else None
    return (*(answer[name] for name in ("id", "method", "target", "target_by", "by")), replaced)
