"""A completion with a thought, from the run to every command: how much of the answer hangs on the thought."""

# pyright: standard

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from promptlight.cli.explorer.scene import open_scene
from promptlight.io import ResultsWriter, read_prompts, read_results
from promptlight.io.page.record import ReportEntry, to_record
from promptlight.salience import Analysis, AnalysisOptions, Model, Prompt, analyze
from promptlight.salience.explain.explanation import Question
from promptlight.salience.run.provenance import describe_provenance, describe_settings
from promptlight.salience.text.sections import sections_of
from promptlight.salience.types import Explain, Granularity, Method
from tests.conftest import Command
from tests.support.gemma4_vocabulary import replace_marks

SAID = "<|channel>thought\nSoup has no eggs.\nSo yes.\n<channel|>You can eat it."
RECORDS = [
    {"id": "thought", "target": SAID},
    {"id": "plain", "target": "You can eat it."},
]
MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "I hate eggs.\nCan I eat soup?"}]


@pytest.fixture(scope="module")
def model(demo_model: Model) -> Model:
    return replace_marks(demo_model)


@pytest.fixture(scope="module")
def folder(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of a completion with a thought and of one without. For reading only."""
    folder = tmp_path_factory.mktemp("thoughts")
    path = folder / "chats.jsonl"
    path.write_text("\n".join(json.dumps({**one, "messages": MESSAGES}) for one in RECORDS), encoding="utf-8")
    options = AnalysisOptions(
        explain=Explain.TARGET, thinking=True, methods=(Method.GRAD_L2, Method.OCCLUSION, Method.GRAD_DOT_INPUT)
    )
    settings, provenance = describe_settings(model.facts, options), describe_provenance(model.facts)
    with ResultsWriter(folder / "out", settings, provenance) as writer:
        prompts = [one for one in read_prompts(path, explain=Explain.TARGET) if isinstance(one, Prompt)]
        for result in analyze(prompts, model, options):
            assert isinstance(result, Analysis)
            writer.add(result)
    return folder / "out"


def test_sections_are_there_when_the_results_are_read(folder: Path) -> None:
    thought, plain = read_results(folder)
    assert isinstance(thought, Analysis)
    assert isinstance(plain, Analysis)
    assert [one.name for one in sections_of(thought.completion)] == ["system", "user", "thought", "answer"]
    assert [one.name for one in sections_of(plain.completion)] == ["system", "user"]
    assert thought.completion.completion_text == "thought\nSoup has no eggs.\nSo yes.\nYou can eat it."


def test_show_says_how_much_of_the_answer_hangs_on_the_thought(promptlight: Command, folder: Path) -> None:
    shown = promptlight("show", folder, "--by", "section", "--target", "answer", "--json")
    assert shown.exit_code == 0, shown.stderr
    found = json.loads(shown.stdout)
    shares = {one["section"]: one["share"] for one in found["sources"] if one["section"]}
    assert shares.keys() >= {"system", "user", "thought"}
    assert shares["thought"] > 0
    (analysis, _) = read_results(folder)
    assert isinstance(analysis, Analysis)
    rows = analysis.maps[Method.GRAD_L2].span_scores[Granularity.SECTION]
    tokens = analysis.completion.tokens
    first = next(n for n, token in enumerate(tokens) if token.piece == "<channel|>") + 1
    bounds = analysis.segmentations[Granularity.SECTION].bounds
    row = rows[bounds.index(first) - bounds.index(analysis.completion.n_prompt_tokens)]
    start = analysis.completion.n_prompt_tokens + 1
    visible = [n for n, token in enumerate(tokens[:first]) if token.role != "special"]
    expected = row[start : first - 1].sum() / row[visible].sum()  # the answer's exact row, between the channel's marks
    assert shares["thought"] == pytest.approx(float(expected), abs=1e-5)
    text = promptlight("show", folder, "--by", "section", "--target", "answer")
    assert "thought" in text.stdout


def test_the_thought_hangs_on_the_prompt_and_the_answer_does_through_it(promptlight: Command, folder: Path) -> None:
    thought = promptlight("show", folder, "--by", "section", "--target", "thought", "--json")
    shares = {one["section"]: one["share"] for one in json.loads(thought.stdout)["sources"] if one["section"]}
    assert shares["system"] + shares["user"] == pytest.approx(1, abs=1e-4)
    ways = ("--way", "through", "--by", "section", "--target", "answer")
    through = promptlight("show", folder, *ways, "--json")
    assert through.exit_code == 0, through.stderr
    sources = {one["section"]: one for one in json.loads(through.stdout)["sources"] if one["section"]}
    assert 0 < sources["user"]["share"] < 1
    drawn = promptlight("show", folder, *ways)
    assert "thought" in drawn.stdout


def test_a_record_without_a_thought_has_no_such_target(promptlight: Command, folder: Path) -> None:
    refused = promptlight("show", folder, "--id", "plain", "--target", "thought")
    assert refused.exit_code == 2
    assert "target 'thought'" in refused.stderr


def test_tables_name_the_sections(promptlight: Command, folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    exported = promptlight("export", folder, "-o", path, "--by", "section", "--target", "answer", "--id", "thought")
    assert exported.exit_code == 0, exported.stderr
    table = pd.read_csv(path)
    assert {"system", "user", "thought"} <= set(table["source_section"].dropna())
    summary = promptlight("summarize", folder, "--by", "section", "--group", "section", "--target", "answer", "--json")
    assert summary.exit_code == 0, summary.stderr
    names = {group["name"] for group in json.loads(summary.stdout)["groups"]}
    assert {"system", "user", "thought"} <= names


def test_the_page_offers_the_sections(promptlight: Command, folder: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    assert promptlight("report", folder, "-o", page).exit_code == 0
    analysis = next(iter(read_results(folder)))
    assert isinstance(analysis, Analysis)
    record = json.loads(to_record(ReportEntry(analysis=analysis, name="thought")).data)
    assert "section" in record["offered"]
    assert {"system", "user", "thought", "answer"} == set(record["cuts"]["section"]["names"].values())


def test_the_explorer_cuts_targets_by_section_too(folder: Path) -> None:
    scenes = [open_scene(one, Question()) for one in read_results(folder) if isinstance(one, Analysis)]
    paragraphs = [replace(scene, target_by=Granularity.PARAGRAPH) for scene in scenes]
    coarser = [scene.cut_targets(1, Granularity.LINE) for scene in paragraphs]
    assert [scene.target_by for scene in coarser] == [Granularity.SECTION, Granularity.TOKEN]
    assert [span.section for span in coarser[0].targets] == ["thought", "answer"]
