"""The page with a model behind it, in a notebook: how it is shown where, and that it is served once and ends."""

# pyright: standard

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from urllib.error import URLError
from urllib.parse import parse_qs, urlsplit
from urllib.request import Request, urlopen

import IPython
import IPython.display
import pytest

import promptlight
from promptlight.cli.notebook import serving
from promptlight.cli.notebook.results import Results
from promptlight.salience.errors import OutputError, UsageError
from tests.support.results import analysis, write

PROXY = "https://abc-colab.googleusercontent.com/"


@pytest.fixture(autouse=True)
def _end_all() -> Iterator[None]:
    yield
    for page in list(serving._pages.values()):
        page.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path / "results", analysis("a"))


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    """What a notebook's cell shows."""
    bundles: list[dict[str, str]] = []
    monkeypatch.setattr(IPython, "get_ipython", lambda: SimpleNamespace(kernel=object()))
    monkeypatch.setattr(IPython.display, "display", lambda bundle, raw: bundles.append(bundle))
    return bundles


@pytest.fixture
def colab(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """A module like Colab's; what it was asked."""
    asked: list[Any] = []

    def evaluate(script: str) -> str:
        asked.append(script)
        return PROXY

    output: Any = ModuleType("google.colab.output")
    output.eval_js = evaluate
    output.serve_kernel_port_as_iframe = lambda port, **options: asked.append((port, options))
    for name in ("google", "google.colab"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, "google.colab.output", output)
    return asked


def fetch(url: str, **headers: str) -> Any:
    """The answer to a request, whether it is an error or not."""
    return urlopen(Request(url, headers={name.replace("_", "-"): value for name, value in headers.items()}))


def test_a_cell_shows_the_page_in_a_frame_and_says_in_a_few_words_what_it_is(
    folder: Path, shown: list[dict[str, str]], capsys: pytest.CaptureFixture[str]
) -> None:
    page = promptlight.serve(folder)
    (bundle,) = shown
    frame = re.match(r'<iframe src="([^"]+)" title="promptlight" width="100%" height="800"', bundle["text/html"])
    assert frame
    assert frame[1] == page.link == bundle["text/plain"]
    assert urlsplit(page.link).hostname == "127.0.0.1"
    assert repr(page) == "<results served with tiny>"
    assert "token" not in repr(page)
    assert capsys.readouterr().out == ""


def test_the_notebooks_page_may_show_it_in_a_frame_and_no_other_sites(
    folder: Path, shown: list[dict[str, str]]
) -> None:
    page = promptlight.serve(folder)
    answer = fetch(page.link, Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate", Sec_Fetch_Dest="iframe")
    policy = answer.headers["content-security-policy"]
    assert answer.status == 200
    assert policy.endswith(f"frame-ancestors {' '.join(serving.NEARBY)}")
    assert answer.headers["x-frame-options"] is None
    assert answer.headers["set-cookie"] is None


def test_colab_shows_it_by_its_own_proxy_whose_name_is_let_in(folder: Path, colab: list[Any]) -> None:
    page = promptlight.serve(folder, height=400)
    asked, (port, options) = colab
    assert asked == f"google.colab.kernel.proxyPort({port})"
    token = parse_qs(urlsplit(page.link).query)["token"][0]
    assert options == {"path": f"/?token={token}", "width": "100%", "height": "400"}
    by_proxy = {"Host": urlsplit(PROXY).netloc, "Origin": PROXY.rstrip("/")}
    answer = fetch(f"http://127.0.0.1:{port}/state", **by_proxy, Authorization=f"Bearer {token}")
    assert answer.status == 200
    policy = fetch(page.link).headers["content-security-policy"]
    assert policy.endswith(f"frame-ancestors {' '.join(serving.COLAB)}")
    with pytest.raises(URLError, match="421"):
        fetch(f"http://127.0.0.1:{port}/state", Host="evil.example", Authorization=f"Bearer {token}")


def test_without_a_notebook_the_link_is_printed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = promptlight.serve(folder)
    assert capsys.readouterr().out == f"{page.link}\n"


def test_a_folder_is_served_once_and_shown_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = promptlight.serve(folder)
    monkeypatch.chdir(folder.parent)
    assert promptlight.serve("results") is page
    assert promptlight.serve() is page
    assert promptlight.serve(Results(folder)) is page
    with pytest.raises(UsageError, match=r"served with tiny already, not with demo: close that page first"):
        promptlight.serve(folder, "demo")


def test_after_the_block_nothing_is_served_and_the_folder_is_free(folder: Path) -> None:
    with promptlight.serve(folder) as page:
        assert fetch(page.link).status == 200
    assert repr(page) == "<results no longer served with tiny>"
    with pytest.raises(URLError):
        fetch(page.link)
    with pytest.raises(UsageError, match="no longer served"):
        page.show()
    page.close()
    assert promptlight.serve(folder) is not page


def test_a_server_that_can_not_start_leaves_the_folder_free(folder: Path, tmp_path: Path) -> None:
    other = write(tmp_path / "other", analysis("a"))
    port = urlsplit(promptlight.serve(other).link).port
    assert port
    with pytest.raises(UsageError, match=f"port {port} of 127.0.0.1 is taken"):
        promptlight.serve(folder, port=port)
    assert promptlight.serve(folder).is_open


def test_results_of_the_package_are_kept_in_a_copy(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="gemma_tutorial") as raised:
        promptlight.serve("gemma-tutorial")
    assert raised.value.parameters == ("keep",)
    page = promptlight.serve("gemma-tutorial", keep=tmp_path / "kept")
    assert page.folder == tmp_path / "kept"


def test_no_results_are_no_page(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="no such results folder"):
        promptlight.serve(tmp_path / "missing")


@pytest.mark.slow
def test_a_notebook_runs_it(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import nbformat
    from nbclient import NotebookClient

    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    lines = (
        "import promptlight, urllib.request\npage = promptlight.serve('results')",
        "print(urllib.request.urlopen(page.link).status)\npage.close()\npage",
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(line) for line in lines])
    NotebookClient(
        notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(folder.parent)}}
    ).execute()
    (frame,), (status, ended) = (cell.outputs for cell in notebook.cells)
    assert frame["data"]["text/html"].startswith('<iframe src="http://127.0.0.1:')
    assert (status["text"], ended["data"]["text/plain"]) == ("200\n", "<results no longer served with tiny>")
