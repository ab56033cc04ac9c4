"""Let Inspect and lm-evaluation-harness write the logs that tests read: ``python evaluation_logs.py FOLDER``.

They are not among promptlight's tools, as both bring a hundred packages: ``make test-logs`` has them in an environment
of their own, without promptlight. ``tests/io/prompts/logs`` has what this wrote once, and the quick tests read that;
``examples`` has the samples of ``menu``.
"""

# pyright: basic, reportMissingImports=false

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

SYSTEM = "Answer in few words."
DOCS = [
    {"question": "Is soup sweet or salty?", "answer": "salty", "choices": ["salty", "sweet"], "gold": 0},
    {"question": "Is tea a=>b or auto?", "answer": "auto", "choices": ["a=>b", "auto"], "gold": 1},
    {"question": "Is bread hard or soft?", "answer": "soft", "choices": ["hard", "soft"], "gold": 1},
]
SAID = {"soup": " It is salty", "tea": " It is a=>b", "bread": " It is hard"}


DEMO_SAID = {
    "dish-mistake": " it has cooked eggs in it, which you don't like.\nRecommendation: You have to try it.",
    "dish-fixed": " it has cooked eggs in it, which you don't like.\nRecommendation: Avoid.",
    "dish-constitution": " it has cooked eggs in it, which you can't eat.\nRecommendation: Not suitable for you.",
}
WHEN = "2026-11-27T12-00-00.000000"
QUESTION = "Q: {{question}}\nA:"
EXACT = {"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}
FIRST = {"function": "take_first"}
Record = dict[str, Any]


def find_said(text: str) -> str:
    return next(said for word, said in SAID.items() if word in text)


def write_inspect_logs(folder: Path) -> None:
    """``soup`` as an archive of two epochs, and as JSON with a sample that failed; ``choice`` and ``tools``."""
    from inspect_ai import Task
    from inspect_ai import eval as evaluate
    from inspect_ai.dataset import Sample
    from inspect_ai.model import (
        ChatMessageAssistant,
        ChatMessageUser,
        ContentReasoning,
        ContentText,
        ModelOutput,
        ModelUsage,
        get_model,
    )
    from inspect_ai.scorer import choice, includes, match
    from inspect_ai.solver import generate, multiple_choice, solver, system_message, use_tools
    from inspect_ai.tool import tool

    def output(content: Any) -> ModelOutput:
        made = ModelOutput.from_content("mockllm/model", content)
        made.usage = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)  # else it asks the network to count
        return made

    @tool
    def add() -> Any:
        async def execute(x: int, y: int) -> str:
            """Add two numbers.

            Args:
                x: one
                y: the other
            """
            return str(x + y)

        return execute

    @solver
    def fail_on_stone() -> Any:
        async def solve(state: Any, generate: Any) -> Any:
            if state.sample_id == "stone":
                raise ValueError("a stone is no food")
            return state

        return solve

    def reply(messages: Any, *_: Any) -> ModelOutput:
        text = messages[-1].text
        if "cake" in text:
            return output([ContentReasoning(reasoning="Cake has sugar."), ContentText(text="It is sweet.")])
        return output(find_said(text).strip() + ".")

    chat = [ChatMessageUser(content="Hi"), ChatMessageAssistant(content="Hello"), ChatMessageUser(content="Tea?")]
    chat[2].content = DOCS[1]["question"]
    samples = [
        Sample(id="soup", input=DOCS[0]["question"], target=["salty", "savoury"], metadata={"kind": "food"}),
        Sample(id=2, input=chat, target="auto"),
        Sample(id="cake", input="Is cake sweet?", target="yes"),
        Sample(id="stone", input="Is a stone sweet?", target="no"),
    ]

    def run(task: Task, **more: Any) -> None:
        written = Path(tempfile.mkdtemp())
        evaluate(task, log_dir=str(written), display="none", fail_on_error=False, log_realtime=False, **more)
        (log,) = (path for path in written.iterdir() if path.suffix in (".eval", ".json") and path.name != "logs.json")
        shutil.move(log, folder / f"{task.name}{log.suffix}")

    for format, asked, n_epochs in (("eval", samples[:3], 2), ("json", samples, 1)):
        steps = [system_message(SYSTEM), fail_on_stone(), generate()]
        task = Task(name="soup", dataset=asked, solver=steps, scorer=[match(), includes()], epochs=n_epochs)
        run(task, model=get_model("mockllm/model", custom_outputs=reply), log_format=format)
    cut_tracebacks(folder / "soup.json")
    picks = [
        Sample(input="What is soup?", choices=["salty", "sweet"], target="A"),
        Sample(input="What is tea?", choices=["salty", "bitter"], target="B"),
    ]
    always = get_model("mockllm/model", custom_outputs=lambda *_: output("ANSWER: A"))
    run(Task(name="choice", dataset=picks, solver=multiple_choice(), scorer=choice()), model=always)
    call = ModelOutput.for_tool_call("mockllm/model", "add", {"x": 1, "y": 1})
    call.usage = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)
    sums = [Sample(input="What is 1 + 1?", target="2")]
    caller = get_model("mockllm/model", custom_outputs=[call, output("It is 3.")])
    run(Task(name="tools", dataset=sums, solver=[use_tools(add()), generate()], scorer=match()), model=caller)


def cut_tracebacks(path: Path) -> None:
    """Write a log again, as Inspect lays it out, without what names the machine's folders."""

    def cut(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: "" if name.startswith("traceback") else cut(one) for name, one in value.items()}
        return [cut(one) for one in value] if isinstance(value, list) else value

    path.write_text(json.dumps(cut(json.loads(path.read_text())), indent=2))


def run_lm_eval(
    folder: Path, tasks: dict[str, Record], docs: list[Record], said: Callable[[str], str], *, chat: str = ""
) -> None:
    """Run tasks on the same documents, and move the samples that are logged into the folder; ``chat`` renames them."""
    os.environ["HF_HUB_OFFLINE"] = os.environ["HF_DATASETS_OFFLINE"] = "1"
    import yaml
    from lm_eval import simple_evaluate
    from lm_eval.api.model import LM
    from lm_eval.loggers import EvaluationTracker
    from lm_eval.tasks import TaskManager

    class Scripted(LM):
        def generate_until(self, requests: Any, disable_tqdm: bool = False) -> list[str]:
            return [said(str(request.args[0])) for request in requests]

        def loglikelihood(self, requests: Any, disable_tqdm: bool = False) -> list[tuple[float, bool]]:
            return [(-float(len(request.args[1])), False) for request in requests]

        def loglikelihood_rolling(self, requests: Any, disable_tqdm: bool = False) -> list[float]:
            return [-1.0 for _ in requests]

        @property
        def tokenizer_name(self) -> str:
            return "scripted"

        def apply_chat_template(self, chat_history: Any, add_generation_prompt: bool = True) -> str:
            return json.dumps(chat_history)

    work = Path(tempfile.mkdtemp())
    (work / "docs.json").write_text("\n".join(map(json.dumps, docs)))
    dataset = {"dataset_path": "json", "dataset_kwargs": {"data_files": {"test": str(work / "docs.json")}}}
    for name, task in tasks.items():
        (work / f"{name}.yaml").write_text(yaml.safe_dump({"task": name, "test_split": "test"} | dataset | task))
    tracker = EvaluationTracker(output_path=str(work / "out"))
    results = simple_evaluate(
        model=Scripted(),
        tasks=list(tasks),
        task_manager=TaskManager(include_path=str(work), include_defaults=False),
        log_samples=True,
        evaluation_tracker=tracker,
        apply_chat_template=bool(chat),
        system_instruction=SYSTEM if chat else None,
        num_fewshot=0,
        bootstrap_iters=0,
    )
    samples = results.pop("samples")
    tracker.save_results_aggregated(results=results, samples=samples)
    for name, rows in samples.items():
        tracker.save_results_samples(task_name=name, samples=rows)
    for path in sorted((work / "out").rglob("samples_*.jsonl")):
        shutil.move(path, folder / f"samples_{chat or path.name.split('_')[1]}_{WHEN}.jsonl")


def write_lm_eval_logs(folder: Path) -> None:
    """Samples of a task that generates (with two filters), repeats, chooses, and measures; and of one asked as chat."""
    asked = {
        "output_type": "generate_until",
        "doc_to_text": QUESTION,
        "doc_to_target": "{{answer}}",
        "metric_list": [EXACT],
    }
    word = {"function": "regex", "regex_pattern": "is (\\S+)"}
    filters = [{"name": "word", "filter": [word, FIRST]}, {"name": "all", "filter": [FIRST]}]
    drawn = {"until": ["\n"], "do_sample": True, "temperature": 1.0}
    generating = asked | {"generation_kwargs": {"until": ["\n"]}, "filter_list": filters}
    first = [{"name": "first", "filter": [FIRST]}]
    choosing = {"output_type": "multiple_choice", "doc_to_target": "gold", "doc_to_choice": "choices"}
    tasks = {
        "gen": generating,
        "rep": asked | {"repeats": 2, "generation_kwargs": drawn, "filter_list": first},
        "several": asked | {"doc_to_target": "choices", "generation_kwargs": {"until": ["\n"]}},
        "choose": choosing | {"doc_to_text": QUESTION},
        "measure": {"output_type": "loglikelihood", "doc_to_text": QUESTION, "doc_to_target": "{{answer}}"},
    }
    run_lm_eval(folder, tasks, DOCS, find_said)
    run_lm_eval(folder, {"gen": generating}, DOCS, find_said, chat="chat")


def write_example(folder: Path) -> None:
    """The samples in ``examples``: three of its prompts, with what the demo model writes, one of them wrong."""
    given = map(json.loads, (Path(__file__).parents[2] / "examples" / "prompts.jsonl").read_text().splitlines())
    prompts = {record["id"]: record["prompt"] for record in given}
    right = {"dish-mistake": "Avoid.", "dish-fixed": "Avoid.", "dish-constitution": "Not suitable for you."}
    verdict = {"function": "regex", "regex_pattern": "Recommendation: (.+)"}
    task = {
        "output_type": "generate_until",
        "doc_to_text": "{{prompt}}",
        "doc_to_target": "{{recommendation}}",
        "metric_list": [EXACT],
        "generation_kwargs": {"until": ["\n\n"]},
        "filter_list": [{"name": "recommendation", "filter": [verdict, FIRST]}],
    }
    docs = [{"name": id, "prompt": prompts[id], "recommendation": text} for id, text in right.items()]
    said = {prompts[id]: text for id, text in DEMO_SAID.items()}
    run_lm_eval(folder, {"menu": task}, docs, said.__getitem__)


if __name__ == "__main__":
    given = Path(sys.argv[1])
    given.mkdir(parents=True, exist_ok=True)
    write_inspect_logs(given)
    write_lm_eval_logs(given)
    write_example(given)
    print(*sorted(f"{path.stat().st_size:,} {path.name}" for path in given.iterdir()), sep="\n")
