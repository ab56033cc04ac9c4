"""Secrets that were planted turn up nowhere, ids name no files, and no text of a prompt is obeyed by a terminal."""

# pyright: standard

from __future__ import annotations

import ast
import base64
import http.server
import json
import logging
import os
import re
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from fsspec.registry import _registry as loaded_systems

from promptlight.cli.commands.login import keep_token
from promptlight.salience.errors import ModelError
from promptlight.salience.text.printable import printable_json
from promptlight.salience.text.secrets import hide_secrets
from tests.conftest import Command, Outcome, unbind_logs
from tests.support.paths import ROOT
from tests.support.source_code import PACKAGES, modules_of

SECRET = "planted-5ecret/value+0123456789"
IN_ADDRESS = "planted-5ecret%2Fvalue%2B0123456789"
VARIABLES = (
    *("KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_API_TOKEN", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "OPENAI_API_KEY"),
    *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AZURE_STORAGE_KEY", "DB_PASSWORD"),
)
CPU = ("--device", "cpu", "--max-new-tokens", "3")


def forms(secret: str = SECRET) -> list[str]:
    """How a secret may be written."""
    return [secret, IN_ADDRESS, base64.b64encode(secret.encode()).decode(), "planted-5ecret"]


def assert_nowhere(text: str) -> None:
    for form in forms():
        assert form not in text


@pytest.fixture(autouse=True)
def planted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A secret in every variable that may hold one, and no home with other ones."""
    for name in VARIABLES:
        monkeypatch.setenv(name, SECRET)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(tmp_path / "home"))
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    (tmp_path / "home").mkdir()
    yield
    unbind_logs()


# ---- what is hidden -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://user:pw@x.org/p.jsonl?v=2#a", "https://***@x.org/p.jsonl?***"),
        ("https://x.org/p.jsonl#access_token=abc", "https://x.org/p.jsonl?***"),
        ("https:/user:pw@x.org/p: no folder", "https:/***@x.org/p: no folder"),
        ("https://token@x.org/p", "https://***@x.org/p"),
        ("https://user:p/w?@:w@x.org/p", "https://***@x.org/p"),
        ("a 'http://user:pw@x.org/p?sig=1', b", "a 'http://***@x.org/p?***', b"),
        ("url: /p?token=abc&v=1 (x)", "url: /p?token=***&v=1 (x)"),
        ("X-Amz-Signature: /p?X-Amz-Signature=abc&a=b", "X-Amz-Signature: /p?X-Amz-Signature=***&a=b"),
        ("Authorization: Bearer abc.def-123", "Authorization: Bearer ***"),
        ("Authorization: Basic dXNlcjpwdw==", "Authorization: Basic ***"),
        ("hf_abcdefghijklmnopqrstuvwx is wrong", "hf_*** is wrong"),
        ("KGAT_0123456789abcdef", "KGAT_***"),
        (f"x{SECRET}x", "x***x"),
    ],
)
def test_what_lets_one_in_is_hidden(text: str, shown: str) -> None:
    assert hide_secrets(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        *("http://localhost:8000/npm/pkg@1/p.jsonl", "hf://datasets/me/b@main/p.jsonl", "see https://x.org? yes"),
        *("mine:/data@2/p.jsonl", "me@x.org", "basic strategies", "The Basic Strategies, Bearer of news", "C:\\a@b"),
        *("expected a token, found none", "kaggle://keras/gemma2/keras/v/2", "results/: no row 3; it has 2 rows"),
    ],
)
def test_ordinary_words_stay(text: str) -> None:
    assert hide_secrets(text) == text


def test_short_values_of_the_environment_are_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DB_PASSWORD", "test")
    monkeypatch.setenv("MONKEY", "not-a-secret-of-anyone")  # its name only ends like one
    monkeypatch.setenv("MY_TOKEN", SECRET + "-longer")
    monkeypatch.setenv("PWD", "/home/me/prompts")  # the folder of the shell, no password
    assert hide_secrets("/home/me/prompts/a.jsonl: found nothing") == "/home/me/prompts/a.jsonl: found nothing"
    assert hide_secrets("test of not-a-secret-of-anyone") == "test of not-a-secret-of-anyone"
    assert hide_secrets(f"{SECRET}-longer") == "***"


# ---- prompts from an address with a login ---------------------------------------------------------------------------


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """An address with a login and a signature of a server on this machine; ``p.jsonl`` lies there."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            codes = {"/p.jsonl": 200, "/broken.jsonl": 200, "/refused.jsonl": 403, "/away.jsonl": 302}
            body = b'{"prompt": "Hello"}\n{"prompt": 1}\n' if path == "/p.jsonl" else b"\xff\n"
            self.send_response(codes.get(path, 404))
            if path == "/away.jsonl":
                self.send_header("Location", f"http://169.254.169.254/?token={IN_ADDRESS}")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://user:{IN_ADDRESS}@127.0.0.1:{server.server_port}/NAME.jsonl?token={IN_ADDRESS}&X-Amz-Signature=1"
        server.shutdown()
        thread.join()


def everything_in(folder: Path) -> str:
    """All that a results folder says: names, rows and metadata, unpacked, and other files as they are."""
    texts: list[str] = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        texts.append(str(path.relative_to(folder)))
        if path.suffix == ".parquet":
            table = pq.read_table(path)
            texts += [str(table.schema.metadata), str(table.schema), str(table.to_pylist())]
        texts.append(path.read_bytes().decode("utf-8", "replace"))
    return "\n".join(texts)


def test_a_login_in_an_address_is_used_and_forgotten(
    promptlight: Command, address: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    prompts, results = address.replace("NAME", "p"), tmp_path / "results"
    caplog.set_level(logging.DEBUG)
    ran = promptlight("run", prompts, "-o", results, *CPU)
    assert ran.exit_code == 3  # one of the two records can't be used
    host = prompts[prompts.index("127") :].partition("/")[0]
    assert f"http://***@{host}/p.jsonl?***:2: skipped" in ran.stderr
    outcomes = [
        ran,
        promptlight("run", prompts, "-o", results, *CPU),
        promptlight("run", prompts, "-o", tmp_path / "strict", "--strict", *CPU),
        promptlight("run", prompts, "-o", tmp_path / "absent", "--id", "nobody", *CPU),
        promptlight("show", results),
        promptlight("show", results, "--json"),
        promptlight("show", results, "--svg", tmp_path / "out" / "show.svg"),
        promptlight("show", results, "--html", tmp_path / "out" / "show.html"),
        promptlight("report", results, "-o", tmp_path / "out" / "report.html"),
        promptlight("export", results, "-o", tmp_path / "out" / "spans.csv"),
        promptlight("export", results, "-o", tmp_path / "out" / "spans.parquet"),
        promptlight("summarize", results, "--json"),
        promptlight("segment", prompts),
        promptlight("segment", prompts, "--json"),
        promptlight("doctor"),
        promptlight("doctor", "--json"),
    ]
    for outcome in outcomes:
        assert_nowhere(outcome.stdout + outcome.stderr)
    assert_nowhere(caplog.text)
    assert "p-1" in everything_in(results)
    assert_nowhere(everything_in(results))
    assert_nowhere(everything_in(tmp_path / "out"))


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("absent", "found nothing at that address"),
        ("refused", "the server answered 403"),
        ("away", "it redirects to 169.254.169.254 (169.254.169.254), which is not on the public internet"),
        ("broken", "expected UTF-8"),
    ],
)
def test_what_goes_wrong_at_an_address_is_said_without_its_login(
    promptlight: Command, address: str, tmp_path: Path, name: str, says: str
) -> None:
    outcome = promptlight("run", address.replace("NAME", name), "-o", tmp_path / "out", *CPU)
    assert outcome.exit_code == 3
    assert says in outcome.stderr
    assert_nowhere(outcome.stdout + outcome.stderr)
    assert_nowhere(everything_in(tmp_path))


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", f"ftp://user:{SECRET}@x.org/p.jsonl?token={SECRET}", "-o", "out"),
        ("run", f"zip://p.jsonl::https://user:{SECRET}@x.org/p.zip", "-o", "out"),
        ("run", f"s3://key:{SECRET}@bucket/p.jsonl", "-o", "out"),
        ("run", f"http://user:{SECRET}@127.0.0.1:1/p.jsonl", "-o", "out"),
        ("run", f"http://[user:{SECRET}@x/p.jsonl", "-o", "out"),
        ("run", "sample_prompts", "-o", "out", "--model", f"https://user:{SECRET}@x.org/gemma?token={SECRET}"),
        ("run", "sample_prompts", "-o", "out", "--model", f"mine:hf://user:{SECRET}@x/gemma"),
        ("run", "sample_prompts", "-o", "out", "--model", f"./https://user:{SECRET}@x/gemma"),
        ("show", f"https://user:{SECRET}@x.org/results"),
        ("show", "results", f"https://user:{SECRET}@x.org/results?token={SECRET}"),
        ("export", f"https://user:{SECRET}@x.org/results", "-o", "out.csv"),
        ("report", f"https://user:{SECRET}@x.org/results", "-o", "out.html"),
        ("run", "sample_prompts", "-o", f"/proc/https://user:{SECRET}@x.org"),
        ("run", "sample_prompts", "-o", "out", "--template", f"https://user:{SECRET}@x.org/t"),
        (f"https://user:{SECRET}@x.org",),
        ("--config", f"https://user:{SECRET}@x.org/c.toml", "doctor"),
    ],
)
def test_a_wrong_address_is_refused_without_its_login(
    promptlight: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.delitem(loaded_systems, "s3", raising=False)  # an earlier test may have loaded it
    outcome = promptlight(*arguments)
    assert outcome.exit_code in (2, 3, 4, 5)
    assert_nowhere(outcome.stdout + outcome.stderr)
    assert "***" in outcome.stderr


# ---- logins, tokens and tracebacks ----------------------------------------------------------------------------------


@pytest.fixture
def kaggle(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kagglehub that asks nobody on the net, and forgets what it was told after the test."""
    monkeypatch.setattr("kagglehub.config._kaggle_credentials", None)
    monkeypatch.setattr("kagglehub.auth._validate_credentials_helper", lambda **_: None)
    monkeypatch.setattr("getpass.getpass", lambda _: f" {SECRET}\n")
    monkeypatch.setattr("kagglehub.auth.get_username", lambda: "someone")


@pytest.mark.usefixtures("kaggle")
def test_a_token_is_kept_for_its_owner_alone(promptlight: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    from kagglesdk.kaggle_env import get_access_token_from_env

    outcome = promptlight("login")
    assert (outcome.exit_code, "Kept in ~/.kaggle/access_token" in outcome.stderr) == (0, True)
    assert_nowhere(outcome.stdout + outcome.stderr)
    path = Path("~/.kaggle/access_token").expanduser()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text(encoding="utf-8") == SECRET
    assert [one.name for one in path.parent.iterdir()] == [path.name]
    for name in VARIABLES:
        monkeypatch.delenv(name)
    assert get_access_token_from_env() == (SECRET, "access_token")  # where the next process finds it
    path.chmod(0o644)
    keep_token("another")
    assert (path.read_text(encoding="utf-8"), stat.S_IMODE(path.stat().st_mode)) == ("another", 0o600)


@pytest.mark.usefixtures("kaggle")
def test_a_token_that_kaggle_does_not_take_is_not_kept(promptlight: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kagglehub.auth.get_username", lambda: None)
    outcome = promptlight("login")
    assert (outcome.exit_code, "so it was not kept" in outcome.stderr) == (4, True)
    assert_nowhere(outcome.stdout + outcome.stderr)
    assert not Path("~/.kaggle").expanduser().exists()
    monkeypatch.setattr("getpass.getpass", lambda _: " ")
    assert promptlight("login").exit_code == 2


def test_a_token_that_can_not_be_kept_is_not_quoted(tmp_path: Path) -> None:
    (tmp_path / "home" / ".kaggle").touch()
    with pytest.raises(ModelError, match="set KAGGLE_API_TOKEN instead") as caught:
        keep_token(SECRET)
    assert_nowhere(str(caught.value))


@pytest.mark.parametrize("command", ["run", "doctor", "login"])
def test_a_traceback_quotes_no_secret(tmp_path: Path, command: str) -> None:
    """What a library raised may hold all that it was told; the rest of the traceback stays."""
    code = f"""
import sys, getpass, kagglehub, promptlight.io.prompts.reader, promptlight.cli.work.checks
def fail(*_, **__):
    raise ZeroDivisionError("https://user:{SECRET}@x.org/?token={SECRET} Bearer {SECRET}")
kagglehub.login = promptlight.io.prompts.reader.PromptReader.__iter__ = fail
promptlight.cli.work.checks.inspect_machine = fail
from promptlight.cli.__main__ import main
main()
"""
    options = ["sample_prompts", "-o", str(tmp_path / "out")] if command == "run" else []
    done = subprocess.run([sys.executable, "-c", code, command, *options], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "ZeroDivisionError: https://***@x.org/?*** Bearer ***"
    assert "Traceback (most recent call last)" in done.stderr
    assert f"cli/commands/{command}.py" in done.stderr
    assert_nowhere(done.stdout + done.stderr)


# ---- ids and files --------------------------------------------------------------------------------------------------

IDS = ("../../escaped", "/escaped", "a/b", "..", "CON", "-o", "x\x00y", "~", "part-00009.parquet", "$(touch escaped)")


@pytest.fixture
def hostile(promptlight: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Results of prompts whose ids would be paths, in a folder of their own, which is where we are."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    records = [{"id": id, "prompt": f"Dish: {id}", "source": id, id: id} for id in IDS]
    (work / "p.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in records), encoding="utf-8")
    assert promptlight("run", "p.jsonl", "-o", "results", *CPU).exit_code == 0
    return work


def files_below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_no_id_is_a_file_name(promptlight: Command, hostile: Path, tmp_path: Path) -> None:
    before = files_below(tmp_path)
    hidden = ["work/results/.huggingface.yaml", "work/results/.lock"]
    assert before == ["work/p.jsonl", *hidden, "work/results/part-00000.parquet"]
    for id in IDS:
        show = promptlight("show", "results", f"--id={id}", "--svg", "show.svg", "--html", "show.html", "--overwrite")
        assert show.exit_code == 0
        for command, file in (("export", "spans.csv"), ("report", "report.html")):
            done = promptlight(command, "results", f"--id={id}", "-o", file, "--overwrite")
            assert done.exit_code == 0, done.stderr
    named = ["report.html", "show.html", "show.svg", "spans.csv"]
    assert files_below(tmp_path) == sorted([*before, *(f"work/{name}" for name in named)])
    assert not Path("/escaped").exists()


# ---- what a terminal would obey -------------------------------------------------------------------------------------

ORDERS = "\x1b]0;title\x07 \x1b[31m \x9b31m \x7f \x08 \r \u202e \u2066 [bold]x[/bold] :smile: \x1b]8;;http://x\x1b\\"
OBEYED = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


@pytest.fixture
def orders(promptlight: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Results with orders for a terminal in everything that a record can hold."""
    monkeypatch.chdir(tmp_path)
    record = {"id": ORDERS, "prompt": f"Dish {ORDERS}\nAnalysis:", "source": ORDERS, "target": f" It {ORDERS}."}
    wrong = {"id": f"2{ORDERS}", ORDERS: ORDERS, "prompt": 1, "source": ORDERS}
    lines = [record, record | {"id": f"3{ORDERS}"}, wrong]
    (tmp_path / "p.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in lines), encoding="utf-8")
    ran = promptlight("run", "p.jsonl", "-o", "results", "--explain", "target", *CPU)
    assert ran.exit_code == 3
    assert not OBEYED.search(ran.stdout + ran.stderr)
    return tmp_path


@pytest.mark.parametrize(
    "arguments",
    [
        ("show", "results"),
        ("show", "results", "--json"),
        ("show", "results", "--by", "line", "--matrix"),
        ("show", "results", "--row", "2"),
        ("show", "results", "--id", f"4{ORDERS}"),
        ("show", "results", "--target", ORDERS),
        ("compare", "results", "--id", ORDERS, "--with", f"3{ORDERS}"),
        ("compare", "results", "--id", ORDERS, "--with", f"3{ORDERS}", "--json"),
        ("compare", "results", "results"),
        ("summarize", "results", "--by", "line"),
        ("summarize", "results", "--by", "line", "--json"),
        ("summarize", "results", "--where", f"source={ORDERS}"),
        ("export", "results", "-o", "spans.csv"),
        ("export", "results", "-o", f"{ORDERS.replace('/', '')}.csv"),
        ("report", "results", "-o", "page.html"),
        ("segment", "p.jsonl"),
        ("segment", "p.jsonl", "--json"),
        ("try", "results", "--id", ORDERS, "--replace", "Dish=>Soup", *CPU[:2]),
        ("try", "results", "--id", ORDERS, "--replace", f"{ORDERS}=>Soup", "--json", *CPU[:2]),
        ("evaluate", "results", "--each", *CPU[:2]),
        ("evaluate", "results", "--json", *CPU[:2]),
        (ORDERS,),
    ],
)
@pytest.mark.usefixtures("orders")
def test_no_text_of_a_record_is_an_order(promptlight: Command, arguments: tuple[str, ...]) -> None:
    shown: Outcome = promptlight(*arguments)
    assert not OBEYED.search(shown.stdout)
    assert not OBEYED.search(shown.stderr)


def test_json_says_the_same_to_a_program() -> None:
    value = {"id": ORDERS, "more": [ORDERS, 1.5, None]}
    assert json.loads(printable_json(value)) == value
    assert not OBEYED.search(printable_json(value))


@pytest.mark.usefixtures("orders")
def test_files_for_a_browser_hold_text_only(promptlight: Command, tmp_path: Path) -> None:
    from xml.etree import ElementTree

    hostile = "</text></svg></script><script>alert(1)</script><img src=x onerror=alert(1)>&\"'"
    (tmp_path / "q.jsonl").write_text(json.dumps({"id": hostile, "prompt": hostile}), encoding="utf-8")
    assert promptlight("run", "q.jsonl", "-o", "more", *CPU).exit_code == 0
    promptlight("show", "more", "--svg", "a.svg", "--html", "a.html")
    tags = {node.tag.rpartition("}")[2] for node in ElementTree.parse("a.svg").iter()}
    assert tags <= {"svg", "style", "defs", "clipPath", "rect", "g", "text", "circle"}
    page = Path("a.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "<img" not in page


# ---- our own code ---------------------------------------------------------------------------------------------------

RUNS_CODE = {
    *(
        "eval",
        "exec",
        "compile",
        "__import__",
        "os.system",
        "os.popen",
        "pickle",
        "marshal",
        "shelve",
        "dill",
        "joblib",
    ),
    *("torch.load", "yaml.load", "yaml.unsafe_load", "numpy.load", "np.load", "tempfile.mktemp", "runpy"),
    *("keras.config.enable_unsafe_deserialization", "keras.models.load_model", "code", "pdb"),
}


def names_used(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
        elif isinstance(node, ast.Call):
            yield ast.unparse(node.func)
            yield from (f"{word.arg}={ast.unparse(word.value)}" for word in node.keywords)


def test_our_code_runs_no_data() -> None:
    forbidden = RUNS_CODE | {
        "shell=True",
        "allow_pickle=True",
        "safe_mode=False",
        "trust_remote_code=True",
        "verify=False",
    }
    used = {(str(module.path), name) for module in modules_of(*PACKAGES) for name in names_used(module.tree)}
    # Ray's own processes hand each other prompts and results, in Ray's memory: nothing from outside is unpickled
    among_ourselves = {
        (f"salience/run/cluster/{name}.py", used)
        for name in ("actors", "cluster", "transport")
        for used in ("pickle", "pickle.loads")
    }
    assert {(path, name) for path, name in used if name in forbidden} - among_ourselves == set()


def test_only_the_users_editor_and_pager_are_started() -> None:
    starting = [str(module.path) for module in modules_of(*PACKAGES) if "subprocess" in set(module.imports)]
    assert starting == ["cli/views/_pager.py", "cli/work/editor.py"]


def test_the_page_runs_no_script_but_its_own(promptlight: Command, hostile: Path) -> None:
    promptlight("report", "results", "-o", "page.html")
    page = (hostile / "page.html").read_text(encoding="utf-8")
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert re.fullmatch(r"'sha256-[\w+/=]+'", rules["script-src"])
    assert (rules["base-uri"], rules["form-action"]) == ("'none'", "'none'")


def test_the_tree_holds_no_secret() -> None:
    """Nothing that looks like a real key, in any file that is kept."""
    real = re.compile(
        r"\b(hf_[A-Za-z0-9]{30,}|KGAT_[0-9a-f]{24,}|AKIA[0-9A-Z]{16}|ghp_\w{30,})\b|BEGIN \w* ?PRIVATE KEY"
    )
    kept = [
        path for path in ROOT.rglob("*.*") if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
    ]
    texts = [
        path for path in kept if path.is_file() and path.suffix in (".py", ".md", ".toml", ".json", ".jsonl", ".txt")
    ]
    assert [
        path.name for path in texts if path != Path(__file__) and real.search(path.read_text("utf-8", "replace"))
    ] == []
    assert os.environ["HF_TOKEN"] == SECRET
