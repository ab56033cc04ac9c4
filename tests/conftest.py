"""Settings and fixtures that every test shares."""

# pyright: standard

from __future__ import annotations

import gc
import logging
import os
import shutil
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

from tests.support.paths import EXAMPLES
from tests.support.real import require_real_gemma

if TYPE_CHECKING:
    from promptlight.salience import Model

os.environ["KERAS_BACKEND"] = "torch"  # read when keras is first imported, so set before any test module is
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the command does it; read when torch is first imported
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"  # where the tests' own servers are

gc.disable()  # while test modules are imported: a third of that time would go into collecting garbage

settings.register_profile("promptlight", derandomize=True, deadline=None, max_examples=50)
settings.load_profile("promptlight")


# As `python -m promptlight.cli` and the script do it, but that Ctrl-C and SIGHUP count even if the tests run in the
# background, where a shell or nohup has them ignored.
START = "import runpy, signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
START += "signal.signal(signal.SIGHUP, signal.SIG_DFL); {}"
START += "runpy.run_module('promptlight.cli', run_name='__main__', alter_sys=True)"


# The modules that take longest, which start first: else one of them would be alone at the end, and the other CPUs idle.
LONGEST = (
    "io/results/test_survival.py",
    "salience/run/test_cluster.py",
    "cli/commands/test_evaluate.py",
    "test_security.py",
    "salience/run/test_estimate.py",
    "cli/commands/test_run.py",
    "test_tutorial.py",
    "cli/commands/test_evaluate_stopped.py",
    "io/page/test_browser.py",
    "test_docs.py",
    "salience/benchmark/test_benchmark.py",
    "cli/work/test_progress.py",
    "cli/explorer/test_changing.py",
    "io/results/test_s3.py",
    "io/results/test_soak.py",
    "test_layout.py",
    "test_readme.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort by module; the tests of each keep their order."""
    places = {Path(__file__).parent / name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


def pytest_collection_finish() -> None:
    """Collect garbage again, from what the tests make: through all that is imported, it takes half a second each time.

    Keras does so for each layer that it quantises, and our own loading of models stays within what it makes.
    """
    gc.freeze()
    gc.enable()


@dataclass(frozen=True)
class Outcome:
    """What a command left behind."""

    exit_code: int
    stdout: str
    stderr: str


Command = Callable[..., Outcome]


@pytest.fixture(scope="session")
def real_gemma() -> Path:
    """The GGUF file of the real Gemma; tests that use it are marked ``real``."""
    return require_real_gemma()


@pytest.fixture
def promptlight(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """The real entry point, in this process: ``promptlight("run", path, "-o", folder)``. A bug raises."""
    from promptlight.cli.__main__ import main

    for name in ("tensorflow", "tensorflow_text"):
        monkeypatch.setitem(sys.modules, name, None)  # as main leaves it, and undone after the test
    monkeypatch.setenv("TQDM_DISABLE", "1")

    def invoke(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["promptlight", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main()
        code = left.value.code
        printed = capsys.readouterr()
        return Outcome(code if isinstance(code, int) else 0, printed.out, printed.err)

    return invoke


def unbind_logs() -> None:
    """huggingface_hub's log, made at its first import, may be bound to a test's stderr, which is closed by the next."""
    for handler in logging.getLogger("huggingface_hub").handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.stream = sys.__stderr__


@pytest.fixture(scope="session")
def demo_model() -> Model:
    from promptlight.salience import load_model

    return load_model("demo", device="cpu")


@pytest.fixture(scope="session")
def demo_results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of three prompts, all hostile ones and all broken ones. For reading only."""
    from typer.testing import CliRunner

    from promptlight.cli.app import app

    folder = tmp_path_factory.mktemp("demo_results")
    for name, exit_code in (("prompts", 0), ("hostile", 0), ("broken", 3)):
        arguments = [str(EXAMPLES / f"{name}.jsonl"), "-o", str(folder), "--max-new-tokens", "24", "--device", "cpu"]
        arguments += ["--limit", "3"] if name == "prompts" else []
        assert CliRunner().invoke(app, ["run", *arguments]).exit_code == exit_code
    return folder


@pytest.fixture(scope="session")
def tiny_preset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random Gemma 2 as a Keras preset, with the demo's vocabulary. For reading only."""
    return save_tiny_preset(tmp_path_factory.mktemp("tiny") / "preset")


def save_tiny_preset(folder: Path, **options: Any) -> Path:
    import keras_nlp

    from promptlight.salience.loading.handles import DEMO_FOLDER
    from promptlight.salience.text.tokenizer import Tokenizer
    from tests.oracles.tiny import build_backbone

    vocabulary = DEMO_FOLDER / "assets" / "tokenizer" / "vocabulary.spm"
    tokenizer = keras_nlp.models.GemmaTokenizer(proto=vocabulary.read_bytes())
    backbone = build_backbone("gemma2", vocabulary_size=len(Tokenizer.from_file(vocabulary)))
    preprocessor = keras_nlp.models.GemmaCausalLMPreprocessor(tokenizer, sequence_length=64)
    keras_nlp.models.GemmaCausalLM(backbone, preprocessor).save_to_preset(str(folder), **options)
    return folder


@dataclass(frozen=True)
class Offline:
    """A machine without network: kagglehub's empty cache, and what was tried to reach all the same."""

    cache: Path
    attempts: list[str]

    def lay_into_cache(self, preset: Path) -> Path:
        """Copy a preset to where kagglehub keeps gemma2_instruct_2b_en; returns the folder of its markers."""
        variant = self.cache / "models" / "keras" / "gemma2" / "keras" / "gemma2_instruct_2b_en"
        shutil.copytree(preset, variant / "2")
        markers = variant / ".complete" / "2"
        for path in (variant / "2").rglob("*"):
            if path.is_file():
                marker = markers / f"{path.relative_to(variant / '2')}.complete"
                marker.parent.mkdir(parents=True, exist_ok=True)
                marker.touch()
        return markers


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Offline:
    """No network, no login, empty caches."""
    attempts: list[str] = []

    def refuse(*arguments: Any, **_: Any) -> Any:
        attempts.append(repr(arguments))
        raise socket.gaierror("Name or service not known")

    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    for name in ("KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_API_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(tmp_path / "nothing"))
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("time.sleep", lambda _: None)  # the hubs try again and again
    return Offline(tmp_path / "cache", attempts)
