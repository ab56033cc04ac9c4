"""The page's model, queue and results behind one face."""

# pyright: standard

from __future__ import annotations

import json
import re
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from promptlight.cli.server.studio import Busy, Studio
from promptlight.cli.work.live_model import LiveModel
from promptlight.io.page.write import Opening
from promptlight.io.places import Place
from promptlight.io.results.folders import BUNDLED
from promptlight.io.results.reader import find_result, list_ids
from promptlight.io.results.tried import describe_try, find_tried_folders
from promptlight.salience.errors import InputError, ModelError, OutputError, UsageError
from promptlight.salience.explain.explanation import Question
from promptlight.salience.model import Model
from promptlight.salience.types import Method
from tests.cli.server.conftest import Open, Watched
from tests.support.results import snapshot

CHANGED = "Alice likes eggs.\nBob loves cheese.\nShould Bob eat the quiche?\n"


def find(folder: Place, id: str) -> Any:
    """An analysis, with scores."""
    return find_result(folder, id=id)


# ---- records ---------------------------------------------------------------------------------------------------------


def test_records_are_those_of_the_page(serve: Open) -> None:
    with serve() as served:
        n_records = served.studio.describe()["n_records"]
        heads = [json.loads(served.studio.get_record(number).head) for number in range(n_records)]
        assert [head["id"] for head in heads] == ["dish", "windows", "chat"]
        for number in (-1, n_records):
            with pytest.raises(IndexError):
                served.studio.get_record(number)
        page = "".join(served.studio.render(Opening()))
        assert "data-served" in page
        assert all(served.studio.get_record(number).data in page for number in range(n_records))


def test_one_server_a_folder(folder: Path, live: LiveModel) -> None:
    with Studio(folder, live), pytest.raises(OutputError, match="another run is writing there"):
        Studio(folder, live)
    Studio(folder, live).close()


def test_results_of_the_package_are_refused(live: LiveModel) -> None:
    with pytest.raises(UsageError, match="part of promptlight: say where to keep it"):
        Studio(BUNDLED["gemma-tutorial"], live)


def test_a_method_that_the_results_lack_is_refused(folder: Path, live: LiveModel) -> None:
    with pytest.raises(UsageError, match="expected scores by occlusion, found grad_l2"):
        Studio(folder, live, question=Question(method=Method.OCCLUSION))
    Studio(folder, live).close()  # the folder is free again


def test_a_question_about_one_method_stands_beside_others(folder: Path, live: LiveModel, tmp_path: Path) -> None:
    with Studio(folder, live, question=Question(method=Method.GRAD_L2)) as studio:
        served = Watched(studio)
        job = served.do(kind="ask", id="dish", method="grad_dot_input")
        assert (job["state"], job["number"]) == ("done", 3)
        assert [one["name"] for one in served.read(3)["methods"]] == ["grad_dot_input"]
        studio.write_file("report", tmp_path / "report.html")
    with Studio(folder, live, question=Question(method=Method.GRAD_L2)) as studio:
        assert Watched(studio).read(3)["source"] == 1
        assert studio.summarize()["question"] is not None


def test_a_record_that_can_not_be_made_hides_itself_alone(
    folder: Path, live: LiveModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    from promptlight.cli.server import _shelf

    make = _shelf.to_record

    def fail(entry: Any, **options: Any) -> Any:
        if entry.name == "windows":
            raise ValueError("what a bug says")
        return make(entry, **options)

    monkeypatch.setattr(_shelf, "to_record", fail)
    with Studio(folder, live) as studio:
        (said,) = (one["reason"] for one in studio.summarize()["skipped"])
        assert said == "windows: ValueError: what a bug says"
        assert studio.describe()["n_records"] == 2
        assert json.loads(studio.get_record(1).head)["id"] == "chat"


# ---- a changed prompt ------------------------------------------------------------------------------------------------


def test_a_changed_prompt_is_a_row_of_the_folder(serve: Open, folder: Path) -> None:
    before = snapshot(folder)
    with serve() as served:
        job = served.do(kind="write", parent="dish", turn=0, text=CHANGED, note="why not", author="Ann")
        assert (job["state"], job["makes"], job["number"], job["error"]) == ("done", "dish~1", 3, None)
        assert served.read(3)["id"] == "dish~1"
        assert served.studio.describe()["n_records"] == 4
        kept = find(folder, "dish~1")
    how = describe_try(kept.completion.prompt)
    assert how is not None
    assert (how.parent, how.note, how.author) == ("dish", "why not", "Ann")
    assert kept.completion.prompt.text == CHANGED
    assert kept.completion.completion_text
    after = snapshot(folder)
    assert {name: after[name] for name in before} == before


def test_a_row_is_what_run_would_have_stored(serve: Open, folder: Path, promptlight: Any, tmp_path: Path) -> None:
    """Also where several prompts are written together."""
    texts = {"dish~1": CHANGED, "windows~1": "Write two words.\r\nThen stop.\r\n", "new~1": "Is it so?"}
    with serve() as served:
        jobs = served.studio.submit({"kind": "write", "parent": "dish", "text": CHANGED})
        jobs += served.studio.submit(
            {"kind": "write", "parent": "windows", "text": texts["windows~1"].replace("\r", "")}
        )
        jobs += served.studio.submit({"kind": "write", "parent": None, "text": texts["new~1"]})
        assert {job["state"] for job in served.finish(*jobs)} == {"done"}
    prompts = tmp_path / "prompts.jsonl"
    own = {"windows~1": {"max_new_tokens": 4, "stop": "\n"}}
    records = ({"id": id, "prompt": text, **own.get(id, {})} for id, text in texts.items())
    prompts.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    assert (
        promptlight("run", prompts, "-o", tmp_path / "run", "--max-new-tokens", "6", "--device", "cpu").exit_code == 0
    )
    for id in texts:
        expected = find(tmp_path / "run", id)
        found = find(folder, expected.completion.prompt.id)
        assert found.completion.tokens == expected.completion.tokens
        assert replace(found.completion, prompt=expected.completion.prompt) == expected.completion
        assert found.segmentations == expected.segmentations
        for method, salience in expected.maps.items():
            assert found.maps[method].scores.tobytes() == salience.scores.tobytes()
            for cut, rows in salience.span_scores.items():
                assert found.maps[method].span_scores[cut].tobytes() == rows.tobytes()


def test_a_chats_turn_and_its_sections(serve: Open, folder: Path) -> None:
    with serve() as served:
        job = served.do(kind="write", parent="chat", turns=[{"turn": 0, "text": "Be very brief.\nName a fruit."}])
        assert job["state"] == "done"
    prompt = find(folder, "chat~1").completion.prompt
    assert [prompt.text[turn.start : turn.stop] for turn in prompt.turns] == ["Be very brief.\nName a fruit."]
    assert prompt.text.startswith("user\n")
    assert [(one.name, prompt.text[one.start : one.stop]) for one in prompt.sections] == [("rule", "Be very brief.\n")]


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        ({"kind": "write", "parent": "dish", "text": " \n"}, "found none"),
        ({"kind": "write", "parent": "dish", "text": "x" * 300_000}, "at most 200,000 bytes"),
        ({"kind": "write", "parent": "dish", "text": "half \ud83c"}, "half of one"),
        ({"kind": "write", "parent": "dish", "text": 3}, "`text` to be text"),
        ({"kind": "write", "parent": "dish", "turn": 1, "text": "x"}, "a turn from 0 to 0, found 1"),
        ({"kind": "write", "parent": "nobody", "text": "x"}, "found 'nobody'"),
        ({"kind": "write", "parent": "windows", "text": "Write one word.\nThen stop.\n"}, "as it was"),
        ({"kind": "write", "parent": None, "text": "x", "id": "a\nb"}, "one line"),
        ({"kind": "write", "parent": "dish", "text": "x", "path": "/etc"}, "found `path`"),
        ({"kind": "steal"}, "found 'steal'"),
        ({"kind": "file", "name": "x.csv", "text": "a"}, "JSONL file"),
        ({"kind": "each", "id": "dish", "by": "regex:.*"}, "found 'regex:"),
        ({"kind": "ask", "id": "dish"}, "found none"),
        ({"kind": "ask", "id": "dish", "method": "magic"}, "found 'magic'"),
        ({"kind": "ask", "id": "dish", "method": "grad_l2"}, "have that already"),
        ({"kind": "ask", "id": "dish", "method": "occlusion", "objective": "kl"}, "another objective than kl"),
    ],
)
def test_what_can_not_be_taken_is_refused(folder: Path, live: LiveModel, request_: Any, reason: str) -> None:
    studio = Studio(folder, live)
    try:
        with pytest.raises(UsageError, match=reason):
            studio.submit(request_)
        assert studio.describe()["jobs"] == []
    finally:
        studio.close()


def test_a_prompt_too_long_for_the_model_fails_alone(serve: Open) -> None:
    with serve() as served:
        jobs = served.studio.submit({"kind": "write", "parent": None, "text": "long " * 30_000})
        jobs += served.studio.submit({"kind": "write", "parent": None, "text": "Short."})
        long, short = served.finish(*jobs)
        assert (long["state"], short["state"]) == ("failed", "done")
        assert "tokens" in long["error"]


# ---- files -----------------------------------------------------------------------------------------------------------


def test_a_file_is_a_job_for_each_record(serve: Open, folder: Path) -> None:
    text = '{"prompt": "One?"}\r\n\r\n{"id": "dish", "prompt": "Two?", "source": "menu", "stop": "."}\r\n'
    with serve() as served:
        jobs = served.finish(
            *served.studio.submit({"kind": "file", "name": "../../x.jsonl", "text": text, "author": "Bo"})
        )
        assert [(job["makes"], job["state"]) for job in jobs] == [("x-1", "done"), ("dish~1", "done")]
    prompt = find(folder, "dish~1").completion.prompt
    assert (prompt.label, prompt.fields["label"], prompt.fields["stop"]) == ("tried", "menu", ".")


def test_a_file_with_a_bad_record_is_not_taken(folder: Path, live: LiveModel) -> None:
    studio = Studio(folder, live)
    with pytest.raises(InputError, match=r"x\.jsonl:2: expected `prompt` to be text"):
        studio.submit({"kind": "file", "name": "x.jsonl", "text": '{"prompt": "One?"}\n{"prompt": 3}\n'})
    assert studio.describe()["jobs"] == []
    studio.close()


# ---- the queue -------------------------------------------------------------------------------------------------------


def test_the_same_request_is_taken_once(folder: Path, live: LiveModel) -> None:
    studio = Studio(folder, live)
    first = studio.submit({"kind": "write", "parent": "dish", "text": CHANGED})
    assert studio.submit({"kind": "write", "parent": "dish", "text": CHANGED}) == first
    other = studio.submit({"kind": "write", "parent": "dish", "text": CHANGED, "note": "again"})
    assert [job["makes"] for job in (*first, *other)] == ["dish~1", "dish~2"]
    assert [job["place"] for job in studio.describe()["jobs"]] == [1, 2]
    studio.close()


def test_a_full_queue_is_said(folder: Path, live: LiveModel) -> None:
    from promptlight.cli.server.studio import Limits

    studio = Studio(folder, live, limits=Limits(waiting=2))
    studio.submit({"kind": "write", "parent": None, "text": "One?"})
    with pytest.raises(Busy, match="at most 2"):
        studio.submit({"kind": "file", "name": "x.jsonl", "text": '{"prompt": "A"}\n{"prompt": "B"}'})
    assert len(studio.describe()["jobs"]) == 1
    studio.close()


def test_a_queue_that_cannot_be_written(serve: Open, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What can't be kept is not taken; what is under way goes on, and so does the worker."""
    with serve() as served:
        (job,) = served.studio.submit({"kind": "write", "parent": None, "text": "first"})
        with monkeypatch.context() as full:

            def refuse(path: Path, **_: Any) -> Any:
                raise OutputError(f"{path}: could not be written (no space left on device)")

            full.setattr("promptlight.cli.server._board.writing", refuse)
            with pytest.raises(OutputError, match="no space left"):
                served.studio.submit({"kind": "write", "parent": None, "text": "second"})
            assert [one["state"] for one in served.finish(job)] == ["done"]
        assert len(served.studio.describe()["jobs"]) == 1
        assert served.do(kind="write", parent=None, text="third")["state"] == "done"


def test_a_file_of_more_prompts_than_may_wait(serve: Open) -> None:
    """A file is taken whole while nothing waits: its own limit says how many."""
    text = "".join(f'{{"prompt": "{number}"}}\n' for number in range(3))
    with serve(waiting=2, records=3) as served:
        jobs = served.studio.submit({"kind": "file", "name": "a.jsonl", "text": text})
        assert len(jobs) == 3
        with pytest.raises(Busy, match="found 3 and 1 more"):
            served.studio.submit({"kind": "write", "parent": None, "text": "one more"})
        for job in jobs:
            served.studio.cancel(job["id"])


def test_a_question_keeps_the_notes_of_its_prompt(serve: Open, folder: Path) -> None:
    with serve() as served:
        served.do(kind="write", parent="dish", text=CHANGED, note="why not", author="Ann")
        assert served.do(kind="ask", id="dish~1", method="grad_dot_input")["state"] == "done"
    (inside,) = find_tried_folders(folder)
    fields = find(inside, "dish~1").completion.prompt.fields
    assert (fields["note"], fields["author"]) == ("why not", "Ann")


def test_a_file_keeps_the_notes_of_its_records(serve: Open, folder: Path) -> None:
    text = '{"prompt": "A", "id": "own", "note": "see 5", "author": "Ann"}\n{"prompt": "B", "id": "plain", "note": 5}'
    with serve() as served:
        served.finish(*served.studio.submit({"kind": "file", "name": "x.jsonl", "text": text, "author": "Kim"}))
    said = [describe_try(find(folder, id).completion.prompt) for id in ("own", "plain")]
    assert [(one.note, one.author) for one in said if one] == [("see 5", "Ann"), ("", "Kim")]


def test_what_waits_is_found_again(folder: Path, live: LiveModel, serve: Open) -> None:
    """A server that was killed leaves the queue as it is; a row that it had stored is not stored again."""
    studio = Studio(folder, live)
    done, waiting = (
        studio.submit({"kind": "write", "parent": "dish", "text": f"{n}?", "note": "é"})[0] for n in (1, 2)
    )
    queue = folder / "_evaluation" / "queue.json"
    left = queue.read_bytes()
    studio.cancel(waiting["id"])
    studio.close()
    with serve() as served:
        assert [job["makes"] for job in served.finish(*served.studio.describe()["jobs"])] == ["dish~1"]
    queue.write_bytes(left)
    with serve() as served:
        jobs = served.finish(*served.studio.describe()["jobs"])
        assert [(job["id"], job["makes"], job["state"], job["note"]) for job in jobs] == [
            (done["id"], "dish~1", "done", "é"),
            (waiting["id"], "dish~2", "done", "é"),
        ]
    assert sorted(list_ids(folder)) == ["chat", "dish", "dish~1", "dish~2", "windows"]
    assert json.loads(queue.read_text())["jobs"] == []


NO_PROMPT = dict.fromkeys(("id", "key", "created", "author", "note"), "x") | {"kind": "write", "prompt": None}


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"[]",
        b'{"version": 9, "jobs": []}',
        b'{"version": 1, "jobs": [{}]}',
        b"\xff",
        json.dumps({"version": 1, "jobs": [NO_PROMPT]}).encode(),
    ],
)
def test_a_damaged_queue_is_set_aside(folder: Path, live: LiveModel, content: bytes) -> None:
    (folder / "_evaluation").mkdir(exist_ok=True)
    (folder / "_evaluation" / "queue.json").write_bytes(content)
    studio = Studio(folder, live)
    (notice,) = studio.notices
    assert "queue.json: could not be read" in notice
    assert (folder / "_evaluation" / "queue.damaged-1.json").read_bytes() == content
    assert studio.submit({"kind": "write", "parent": None, "text": "One?"})
    studio.close()


def test_cancel(serve: Open, folder: Path, live: LiveModel) -> None:
    studio = Studio(folder, live)
    first, second = (studio.submit({"kind": "write", "parent": None, "text": f"{n}?"})[0] for n in (1, 2))
    studio.cancel(second["id"])
    with pytest.raises(KeyError):
        studio.cancel("nothing")
    assert [(job["state"], job["place"]) for job in studio.describe()["jobs"]] == [("waiting", 1), ("cancelled", 0)]
    studio.close()
    with serve() as served:
        assert [job["id"] for job in served.finish(*served.studio.describe()["jobs"])] == [first["id"]]
    assert "new~2" not in list_ids(folder)


def test_a_running_job_stops_at_its_next_step(serve: Open, folder: Path) -> None:
    cancelled = threading.Event()
    with serve() as served:

        def hear(event: str, about: dict[str, Any]) -> None:
            running = [job for job in about.get("jobs", ()) if job["state"] == "running" and job["phase"] == "writing"]
            if running and not cancelled.is_set():
                cancelled.set()
                served.studio.cancel(running[0]["id"])

        served.studio.subscribe(hear)
        job = served.do(kind="write", parent="dish", text=CHANGED)
        assert job["state"] == "cancelled"
        assert served.do(kind="write", parent="dish", text="Others go on?")["state"] == "done"
    assert "dish~1" not in list_ids(folder)


def test_a_cancelled_one_of_a_batch_is_dropped_alone(serve: Open, folder: Path) -> None:
    seen: set[str] = set()
    with serve() as served:

        def hear(event: str, about: dict[str, Any]) -> None:
            for job in about.get("jobs", ()):
                if job["state"] == "running" and job["makes"] == "b" and not seen:
                    seen.add(job["id"])
                    served.studio.cancel(job["id"])

        served.studio.subscribe(hear)
        lines = "".join(json.dumps({"id": id, "prompt": f"{id}?"}) + "\n" for id in "abc")
        jobs = served.finish(*served.studio.submit({"kind": "file", "name": "x.jsonl", "text": lines}))
        assert [job["state"] for job in jobs] == ["done", "cancelled", "done"]
    assert sorted(list_ids(folder)) == ["a", "c", "chat", "dish", "windows"]


def test_an_error_ends_the_job_and_not_the_server(serve: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("out of luck")

    with serve() as served:
        with monkeypatch.context() as patched:
            patched.setattr("promptlight.salience.run.pipeline.explain_or_set_aside", fail)
            job = served.do(kind="write", parent="dish", text=CHANGED)
            assert (job["state"], job["error"]) == ("failed", "RuntimeError: out of luck")
        assert served.do(kind="write", parent="dish", text=CHANGED)["state"] == "done"


def test_a_prompt_that_breaks_a_batch_fails_alone(serve: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    from promptlight.salience.run import batches

    write = batches.take_prompt

    def fail(prompt: Any, *others: Any) -> Any:
        if prompt.id == "b":
            raise ModelError("no marks of a chat")
        return write(prompt, *others)

    monkeypatch.setattr(batches, "take_prompt", fail)
    monkeypatch.setattr("promptlight.salience.run.dry_run.take_prompt", fail)
    lines = "".join(json.dumps({"id": id, "prompt": f"{id}?"}) + "\n" for id in "abc")
    with serve() as served:
        jobs = served.finish(*served.studio.submit({"kind": "file", "name": "x.jsonl", "text": lines}))
        assert [job["error"] for job in jobs] == [None, "no marks of a chat", None]
        assert [job["state"] for job in jobs] == ["done", "failed", "done"]


def test_a_full_disk_ends_the_job_and_leaves_no_row(serve: Open, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OutputError("part-00001.parquet: could not be written (no space left)")

    with serve() as served:
        with monkeypatch.context() as patched:
            patched.setattr("promptlight.io.results.writer.write_table", fail)
            job = served.do(kind="write", parent="dish", text=CHANGED)
            assert (job["state"], "no space left" in job["error"]) == ("failed", True)
        with monkeypatch.context() as patched:
            patched.setattr("promptlight.cli.server._board.writing", fail)
            with pytest.raises(OutputError, match="no space left"):
                served.studio.submit({"kind": "write", "parent": "dish", "text": "Is there room?"})
        assert served.do(kind="write", parent="dish", text="Is there room now?")["state"] == "done"
    texts = [find(folder, id).completion.prompt.text for id in list_ids(folder)[3:]]
    assert texts == ["Is there room now?"]


def test_a_model_that_is_missing_is_said(folder: Path) -> None:
    with Studio(folder, LiveModel(model=str(folder / "nothing"))) as studio:
        while studio.describe()["model"]["status"] == "loading":
            pass
        state = studio.describe()["model"]
        assert state["status"] == "failed"
        assert "nothing" in state["error"]
        with pytest.raises(UsageError, match="nothing can be tried"):
            studio.submit({"kind": "write", "parent": "dish", "text": CHANGED})
        assert json.loads(studio.get_record(0).head)["id"] == "dish"


def test_readers_see_no_signature_in_an_error(serve: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError("https://example.org/model?token=hunter2 is gone")

    with serve() as served:
        monkeypatch.setattr("promptlight.salience.run.pipeline.explain_or_set_aside", fail)
        job = served.do(kind="write", parent="dish", text=CHANGED)
        assert job["error"] == "OSError: https://example.org/model?*** is gone"


# ---- readers ---------------------------------------------------------------------------------------------------------


def test_every_reader_hears_the_words_as_they_come(serve: Open) -> None:
    with serve() as served:
        heard: list[list[tuple[str, Any]]] = [[], []]

        def is_done(own: list[tuple[str, Any]]) -> bool:
            return any(one["state"] == "done" for event, about in own if event == "state" for one in about["jobs"])

        ends = [served.studio.subscribe(lambda *event, own=own: own.append(event)) for own in heard]
        job = served.do(kind="write", parent="dish", text=CHANGED)
        served.wait(lambda _: all(is_done(own) for own in heard))  # it is told just after it is so
        for end in ends:
            end()
        served.do(kind="write", parent="dish", text="Nobody hears?")
        assert heard[0] == heard[1]
        jobs = [one for event, about in heard[0] if event == "state" for one in about["jobs"] if one["id"] == job["id"]]
        states = [one["state"] for one in jobs]
        assert states[-1] == "done"
        assert "running" in states  # it may be taken before anyone is told that it waits
        texts = [one["text"] for one in jobs if one["text"]]
        assert texts
        assert served.read(job["number"])["words"]
        assert ("record", {"number": job["number"], "id": "dish~1", "job": job["id"]}) in heard[0]


def test_a_reader_that_fails_ends_nobodys_work(serve: Open) -> None:
    def fail(*_: object) -> None:
        raise OSError("gone")

    with serve() as served:
        served.studio.subscribe(fail)
        assert served.do(kind="write", parent="dish", text=CHANGED)["state"] == "done"


def test_many_readers_ask_at_once(serve: Open, folder: Path) -> None:
    with serve() as served:
        jobs: list[dict[str, Any]] = []

        def ask(n: int) -> None:
            jobs.extend(served.studio.submit({"kind": "write", "parent": "dish", "text": f"Number {n % 4}?"}))

        threads = [threading.Thread(target=ask, args=(n,)) for n in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        served.finish(*jobs)
        ids = list_ids(folder)
        assert len(ids) == len(set(ids))
        texts = {find(folder, id).completion.prompt.text for id in ids if "~" in id}
        assert texts == {f"Number {n}?" for n in range(4)}


# ---- notes, parts, questions -----------------------------------------------------------------------------------------


def test_a_note_can_be_changed(serve: Open, folder: Path) -> None:
    with serve() as served:
        served.do(kind="write", parent="dish", text=CHANGED, note="first", author="Ann")
        before = find(folder, "dish~1")
        version = served.studio.describe()["version"]
        served.studio.annotate("dish~1", "second ≠ first", "Bo")
        assert served.studio.describe()["version"] > version
        for id in ("dish", "nobody"):
            with pytest.raises(UsageError, match="expected the id of a prompt"):
                served.studio.annotate(id, "x", "")
        with pytest.raises(UsageError, match="at most 10,000 bytes"):
            served.studio.annotate("dish~1", "x" * 10_001, "")
        assert served.do(kind="write", parent="dish", text="Still writing?")["state"] == "done"
    after = find(folder, "dish~1")
    how = describe_try(after.completion.prompt)
    assert how is not None
    assert (how.note, how.author) == ("second ≠ first", "Bo")
    assert after.completion.tokens == before.completion.tokens
    assert after.maps["grad_l2"].scores.tobytes() == before.maps["grad_l2"].scores.tobytes()


def test_each_part_is_taken_away_and_the_page_says_it(serve: Open, folder: Path) -> None:
    with serve() as served:
        job = served.do(kind="each", id="dish", by="line")
        assert (job["state"], job["number"], job["makes"]) == ("done", 0, None)
        head = json.loads(served.studio.get_record(0).head)
        assert (head["tried"]["by"], head["tried"]["count"]) == ("line", 3)
        other = served.do(kind="each", id="dish", by="sentence", target=1, target_by="word")
        assert other["state"] == "done"
        again = served.do(kind="each", id="dish", by="line", target="-1", target_by="line")
        assert again["state"] == "done"
        trust = json.dumps(served.read(0)["methods"])
        assert trust.count("without") >= 1
    from promptlight.io.results.regenerations import read_regenerated

    assert {row["by"] for row in read_regenerated(folder)["dish"]} == {"line", "sentence"}


def test_each_finds_what_evaluate_finds_and_keeps_its_rows(serve: Open, folder: Path, promptlight: Any) -> None:
    from promptlight.io.results.regenerations import read_regenerated

    with serve() as served:
        served.do(kind="each", id="dish", by="line")
        tried = read_regenerated(folder)["dish"]
    assert promptlight("evaluate", folder, "--regenerate", "--by", "sentence", "--id", "dish").exit_code == 0
    with serve() as served:
        served.do(kind="each", id="chat", by="sentence")
        rows = read_regenerated(folder)
        assert [row for row in rows["dish"] if row["by"] == "line"] == tried
        assert {row["by"] for row in rows["dish"]} == {"line", "sentence"}
        assert {row["by"] for row in rows["chat"]} == {"sentence"}
    assert promptlight("evaluate", folder, "--regenerate", "--by", "line", "--id", "dish").exit_code == 0
    own = [row for row in read_regenerated(folder)["dish"] if row["by"] == "line"]
    assert own == tried


def test_readers_see_the_models_name_without_its_folders(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "gemma.gguf"
    file.touch()
    for model, shown in ((str(file), "gemma.gguf"), ("hf://google/gemma-3-270m", "hf://google/gemma-3-270m")):
        studio = Studio(folder, LiveModel(model=model))  # not entered: nothing is loaded
        assert studio.describe()["model"]["name"] == shown
        studio.close()


def test_the_same_completion_asked_otherwise(serve: Open, folder: Path, promptlight: Any, tmp_path: Path) -> None:
    with serve() as served:
        job = served.do(kind="ask", id="dish", method="grad_dot_input", objective="margin", author="Ann")
        assert (job["state"], job["number"], job["makes"]) == ("done", 3, "dish")
        (tried,) = find_tried_folders(folder)
        assert served.read(3)["id"] == "dish (grad_dot_input, margin)"
        assert served.do(kind="ask", id="dish", method="grad_dot_input", objective="margin")["number"] == 3
        assert served.do(kind="ask", id="chat", method="grad_dot_input", objective="margin")["number"] == 4
        assert served.do(kind="each", id="dish (grad_dot_input, margin)")["state"] == "done"
        assert "tried" in json.loads(served.studio.get_record(3).head)
        assert "tried" not in json.loads(served.studio.get_record(0).head)
        assert list(find_tried_folders(folder)) == [tried]
        assert served.do(kind="ask", id="dish", foil="auto")["state"] == "done"
        assert [len(names) for names in map(served.studio.summarize().get, ("folders", "sources"))] == [3, 3]
        served.studio.write_file("report", tmp_path / "report.html")
        served.studio.write_file("table", tmp_path / "table.csv")
    prompts = Path(folder).parent / "again.jsonl"
    stored, asked = find(folder, "dish"), find(tried, "dish")
    prompts.write_text(json.dumps({"id": "dish", "prompt": stored.completion.prompt.text}), encoding="utf-8")
    options = ("--method", "grad_dot_input", "--objective", "margin", "--max-new-tokens", "6", "--device", "cpu")
    assert promptlight("run", prompts, "-o", tmp_path / "run", *options).exit_code == 0
    expected = find(tmp_path / "run", "dish")
    assert asked.completion.tokens == expected.completion.tokens == stored.completion.tokens
    (found,), (wanted,) = asked.maps.values(), expected.maps.values()
    assert found.scores.tobytes() == wanted.scores.tobytes()
    folders = re.search(r'"folders":(\[[^]]*\])', (tmp_path / "report.html").read_text("utf-8"))
    assert folders
    assert json.loads(folders[1])[1:] == ["grad_dot_input, margin", "grad_l2 against “auto”"]
    assert "dish" in (tmp_path / "table.csv").read_text("utf-8")


def test_what_was_tried_is_there_after_a_restart_in_its_order(serve: Open) -> None:
    with serve() as served:
        served.do(kind="ask", id="dish", objective="margin")
        served.do(kind="write", parent="dish", text=CHANGED)
        before = [served.read(number)["id"] for number in range(served.studio.describe()["n_records"])]
    with serve() as served:
        assert sorted(served.read(number)["id"] for number in range(len(before))) == sorted(before)
        assert served.studio.describe()["n_records"] == len(before)


def test_other_settings_are_kept_apart(serve: Open, folder: Path, live: LiveModel, demo_model: Model) -> None:
    """A longer completion than the folder's run allowed is none of its rows."""
    other = replace(live, options=replace(live.options, max_new_tokens=3)).holding(demo_model)
    with serve(other) as served:
        assert served.do(kind="write", parent="dish", text=CHANGED)["state"] == "done"
        same = find(folder, "dish").completion.prompt.text  # the other settings are the change
        assert served.do(kind="write", parent="dish", text=same)["makes"] == "dish~2"
    assert not {"dish~1", "dish~2"} & set(list_ids(folder))
    (tried,) = find_tried_folders(folder)
    assert list_ids(tried) == ["dish~1", "dish~2"]
