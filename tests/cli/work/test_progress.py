"""Progress on stderr: a bar that moves within a prompt on a terminal, few lines elsewhere, nothing for quick work."""

# pyright: standard

from __future__ import annotations

import io
import re
import threading
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from rich.console import Console
from rich.progress import Progress

from promptlight.cli.views.progress import Standing
from promptlight.cli.work import progress
from promptlight.cli.work.live_model import LiveModel
from promptlight.cli.work.progress import Bar, Following, Lines, open_display
from promptlight.cli.work.tally import Tally
from promptlight.salience.options.analysis import AnalysisOptions
from promptlight.salience.progress import Phase, Step, Unit
from promptlight.salience.run.time_left import Workload
from promptlight.salience.types import Prompt, SetAside, SetAsideCode
from tests.conftest import Command
from tests.support.terminal import run_on_terminal

SOUP = Prompt(id="soup", text="What is in it?\n\nSuggestion: Onion soup\nAnalysis:")
PLAN = Workload(tasks=(), n_prompts=4, spans_per_token={}, options=AnalysisOptions())


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Heard:
    """A display that keeps what it is given."""

    said: list[str] = field(default_factory=list[str])
    shown: list[tuple[Phase, Standing]] = field(default_factory=list[tuple[Phase, Standing]])

    def say(self, message: str) -> None:
        self.said.append(message)

    def show(self, phase: Phase, standing: Callable[[], Standing], *, begins: bool = False) -> None:
        self.shown.append((phase, standing()))

    @contextmanager
    def loading(self, model: str):
        self.said.append(f"loading {model}")
        yield


def test_lines_come_late_once_for_each_phase_and_every_half_a_minute(capsys: pytest.CaptureFixture[str]) -> None:
    clock, made = Clock(), 0
    lines = Lines(clock)

    def stand() -> Standing:
        nonlocal made
        made += 1
        return Standing(text=f"at {clock.now:.0f}", seconds_left=9)

    for phase, n_seconds in ((Phase.WRITING, 20), (Phase.EXPLAINING, 80), (Phase.WRITING, 20)):
        for _ in range(n_seconds):
            clock.now += 1
            lines.show(phase, stand)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.splitlines() == [f"at {at}, about 9 s left" for at in (105, 121, 151, 181, 211)]
    assert made == 5  # nothing is worked out that isn't shown


def test_quick_work_has_no_line_however_long_its_model_took_to_load(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    lines = Lines(clock)
    with lines.loading("demo"):
        clock.now += 60
    for _ in range(4):
        clock.now += 1
        lines.show(Phase.WRITING, lambda: Standing(text="writing"))
    assert capsys.readouterr().err == ""


def test_loading_that_takes_long_has_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "SECONDS_BEFORE_LINES", 0.01)
    said = threading.Event()

    class Watched(Lines):
        def say(self, message: str) -> None:
            super().say(message)
            said.set()

    with Watched().loading("demo"):
        assert said.wait(60)
    assert capsys.readouterr().err == "loading the model\n"


def draw(width: int) -> tuple[Bar, io.StringIO, Progress]:
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=width, color_system=None)
    live = Progress(console=console, auto_refresh=False)
    return Bar(live, Clock()), file, live


def test_the_bar_prints_messages_as_they_are() -> None:
    bar, file, live = draw(40)
    with live:
        tally = Tally(total=2, watchers=[lambda message: bar.say(message or "")])
        reason = "expected :smile: and much more text"
        tally.set_aside(SetAside(id="x", path="[red]x.jsonl", line=100, code=SetAsideCode.UNUSABLE, reason=reason))
    assert "[red]x.jsonl:100: skipped: expected :smile: and much more text\n" in file.getvalue()


def test_the_bar_follows_the_share_and_shows_at_once_what_begins() -> None:
    bar, _, live = draw(100)
    task = live.tasks[0]
    assert not task.visible
    for share, begins, shown in ((0.1, True, 0.1), (0.2, False, 0.1), (0.3, True, 0.3)):  # the clock stands still
        standing = Standing(text=f"at {share}", rate="2 tokens/s", share=share, seconds_left=5)
        bar.show(Phase.WRITING, lambda standing=standing: standing, begins=begins)
        assert (task.visible, task.completed, task.total) == (True, shown, 1)
    assert task.description == "at 0.3, 2 tokens/s"
    bar.show(Phase.EXPLAINING, lambda: Standing(text="other"))
    assert (task.description, task.fields["left"]) == ("other", None)
    with bar.loading("demo"):
        assert task.description == "loading the model"
    assert not task.visible


def test_a_hub_that_may_fetch_files_has_the_terminal_for_itself() -> None:
    """Its own bar would fight with ours for the last line."""
    bar, file, live = draw(100)
    with live:
        with bar.loading("hf://google/gemma-3-270m"):
            assert not live.live.is_started
        assert live.live.is_started
    assert file.getvalue().count("loading the model") == 1


def test_steps_become_words_with_prompts_counted_from_those_that_are_finished() -> None:
    heard = Heard()
    following = Following(heard, PLAN)
    step = Step(phase=Phase.EXPLAINING, done=1, total=2, unit=Unit.TARGETS, ids=("b",), share=0.5)
    following.hear(step)
    following.finish("b")
    following.hear(step)
    assert [standing.text for _, standing in heard.shown] == [
        "explaining prompt 1 of 4: 1/2 targets",
        "explaining prompt 2 of 4: 1/2 targets",
    ]


def test_of_actors_only_finished_prompts_are_known() -> None:
    heard = Heard()
    following = Following(heard, PLAN)
    assert list(following.count([SOUP], ["done"])) == ["done"]
    (shown,) = heard.shown
    assert shown[1].text == "explained 1 of 4 prompts"
    assert 0 < (shown[1].share or 0) < 1


def test_a_live_model_says_what_it_is_at(demo_model: object) -> None:
    heard = Heard()
    live = LiveModel(device="cpu", options=AnalysisOptions(max_new_tokens=5))
    (analysis,) = live.explain(SOUP, display=heard)
    n = analysis.completion.n_targets
    assert heard.said == ["loading demo"]
    texts = [standing.text for _, standing in heard.shown]
    assert texts[0] == "writing: 0/5 tokens"
    assert f"writing: {n}/{n} tokens" in texts
    assert texts[-1] == f"explaining: {n}/{n} targets"
    assert heard.shown[-1][1].seconds_left == pytest.approx(0)
    assert heard.shown[-1][1].share == pytest.approx(1)
    (completion,) = live.complete(SOUP, display=heard)
    assert completion.ids == analysis.completion.ids
    assert heard.said == ["loading demo"]  # it is kept
    assert (heard.shown[-1][0], heard.shown[-1][1].seconds_left) == (Phase.WRITING, 0)


def test_stderr_that_is_no_terminal_gets_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with open_display() as display:
        assert isinstance(display, Lines)


@pytest.mark.parametrize(
    "command",
    [
        ["run", "sample_prompts", "--limit", "1", "-o", "out"],
        ["show", "--prompt", SOUP.text],
        ["try", "--prompt", SOUP.text, "--replace", "Onion=>Cheese"],
    ],
    ids=lambda command: command[0],
)
def test_on_a_terminal_a_line_moves_within_a_prompt(tmp_path: Path, command: list[str]) -> None:
    printed, drawn = run_on_terminal([*command, "--max-new-tokens", "12", "--device", "cpu"], folder=tmp_path)
    assert "loading the model: " in drawn
    assert re.search(r"writing.*: \d+/\d+ tokens", drawn)
    assert re.search(r"explaining.*: \d+/\d+ targets.*about \d+ s left", drawn)
    assert not re.search("loading|writing|explaining prompt", printed)
    lines = re.split(r"[\r\n]", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", drawn))
    live = [line for line in lines if re.match("[⠀-⣿] ", line)]
    assert {len(line) for line in live} == {97}  # a bar, and room for the terminal's ^C


def test_a_dry_run_says_that_it_tries_prompts(tmp_path: Path) -> None:
    command = ["run", "sample_prompts", "--limit", "1", "-o", "out", "--dry-run", "--device", "cpu"]
    printed, drawn = run_on_terminal([*command, "--max-new-tokens", "2"], folder=tmp_path)
    assert "loading the model: " in drawn
    assert "trying a few prompts: " in drawn
    assert printed.startswith("model ")


def test_a_pipe_gets_the_result_alone(promptlight: Command) -> None:
    done = promptlight("show", "--prompt", SOUP.text, "--json", "--max-new-tokens", 4, "--device", "cpu")
    assert done.stdout.startswith("{")
    assert [line for line in done.stderr.splitlines() if not line.startswith(("loading ", "writing "))] == []
