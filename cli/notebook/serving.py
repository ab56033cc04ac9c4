"""The page with a model behind it, in a notebook's cell.

The server runs in a thread of the kernel, and listens on 127.0.0.1 alone. JupyterLab and VS Code show it in a frame, as
the browser is on the same machine; Colab, whose kernel is elsewhere, by its own proxy. Without a notebook there is a
link.
"""

# pyright: standard

from __future__ import annotations

import atexit
import html
import socket
import sys
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from promptlight.cli.notebook.results import Results
from promptlight.cli.options.rerun import Rerun
from promptlight.cli.options.shared import Device, Dtype
from promptlight.cli.work.live_model import LiveModel, build_live_model
from promptlight.cli.work.stored_results import say_where_model_is
from promptlight.io.places import Place
from promptlight.io.results.folders import find_folder
from promptlight.salience.errors import UsageError

if TYPE_CHECKING:
    from promptlight.cli.server.running import Serving
    from promptlight.cli.server.studio import Studio
    from promptlight.salience.model import Model

HEIGHT = 800  # pixels
NEARBY = ("http://localhost:*", "http://127.0.0.1:*", "https://localhost:*", "vscode-webview:", "vscode-file:")
COLAB = ("https://colab.research.google.com", "https://*.googleusercontent.com", "https://*.colab.dev")
_pages: dict[Path, ServedPage] = {}


@dataclass(kw_only=True, eq=False)
class ServedPage:
    """A page that is served until ``close``, or to the end of a ``with`` block. ``link`` opens it in a browser."""

    folder: Path
    model: str
    _studio: Studio = field(repr=False)
    _serving: Serving = field(repr=False)

    @property
    def link(self) -> str:
        """The address with the token: whoever has it may use the model."""
        return self._serving.link

    @property
    def is_open(self) -> bool:
        """Whether it is still served."""
        return _pages.get(self.folder) is self

    def show(self, *, height: int = HEIGHT) -> None:
        """Show it below this cell, ``height`` pixels high; without a notebook, print the link."""
        if not self.is_open:
            raise UsageError(f"{self.folder} is no longer served: call promptlight.serve again")
        address = urlsplit(self.link)
        if colab := _find_colab():
            path = f"{address.path}?{address.query}"
            colab.serve_kernel_port_as_iframe(address.port, path=path, width="100%", height=str(height))
        elif _is_notebook():
            from IPython.display import display

            display({"text/html": _frame(self.link, height), "text/plain": self.link}, raw=True)
        else:
            print(self.link, flush=True)

    def wait(self) -> None:
        """Wait until it is closed, as a script does that would end otherwise."""
        self._serving.wait()

    def close(self) -> None:
        """Stop serving; what waits goes on at the next start."""
        if self.is_open:
            del _pages[self.folder]
            self._serving.close()
            self._studio.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{self.folder.name} {'served' if self.is_open else 'no longer served'} with {self.model}>"


def serve(
    results: str | Place | Results | None = None,
    model: str | Model | None = None,
    *,
    adapter: str | None = None,
    device: str = "auto",
    dtype: str | None = None,
    keep: str | Path | None = None,
    port: int = 0,
    height: int = HEIGHT,
) -> ServedPage:
    """Show the report's page of a results folder with a model behind it: change a prompt, and have it written again.

    ``results`` are a folder, an address, or what ``read_results`` gives (None: ``results/``); what is tried is kept
    there, or with ``keep`` in a copy, which results in the package and on object stores need. The model is the one that
    made the results unless another is named, or given as ``load_model`` returns it. ``port`` 0 is any free one.

    A folder that is served already is shown again. Raises UsageError if that is with another model, or if the extra
    ``serve`` is not installed.
    """
    from promptlight.cli.server.foreground import import_server
    from promptlight.cli.server.keeping import choose_kept
    from promptlight.io.results.reader import read_settings

    import_server()
    named = results.folder if isinstance(results, Results) else find_folder(results)
    folder = choose_kept(named, None if keep is None else Path(keep)).resolve()
    name = model if isinstance(model, str) or model is None else model.facts.name
    rerun = Rerun(model=name, adapter=adapter, device=Device(device), dtype=Dtype(dtype) if dtype else None)
    live = build_live_model(read_settings(folder), rerun, if_missing=say_where_model_is(named))
    if not isinstance(model, str) and model is not None:
        live = live.holding(model)
    page = _pages.get(folder) or _start(folder, live, port)
    if page.model != live.model:
        raise UsageError(f"{folder} is served with {page.model} already, not with {live.model}: close that page first")
    page.show(height=height)
    return page


def _start(folder: Path, live: LiveModel, port: int) -> ServedPage:
    """Open the folder, and serve it on a port of this machine."""
    from promptlight.cli.server.running import start
    from promptlight.cli.server.studio import Studio
    from promptlight.io.page.write import Opening

    colab = _find_colab()
    names: list[str] = []
    if colab:
        port = port or _find_port()
        proxy = urlsplit(str(colab.eval_js(f"google.colab.kernel.proxyPort({port})")))
        names = [proxy.hostname] if proxy.hostname else []
    studio = Studio(folder, live)
    try:
        studio.__enter__()
        ancestors = COLAB if colab else NEARBY
        serving = start(studio, opening=Opening(), port=port, names=names, ancestors=ancestors)
    except BaseException:
        studio.close()
        raise
    page = ServedPage(folder=folder, model=live.model, _studio=studio, _serving=serving)
    _pages[folder] = page
    atexit.register(page.close)
    return page


def _find_colab() -> Any:
    """Colab's module of outputs; None elsewhere."""
    return import_module("google.colab.output") if "google.colab" in sys.modules else None


def _is_notebook() -> bool:
    """Whether a kernel runs this, not a script or IPython in a terminal."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return hasattr(shell, "kernel")


def _find_port() -> int:
    """A port of this machine that is free: Colab wants to know it before the server runs."""
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return trial.getsockname()[1]


def _frame(link: str, height: int) -> str:
    """The page in a frame, and a link for those whose browser shows none."""
    address = html.escape(link)
    return (
        f'<iframe src="{address}" title="promptlight" width="100%" height="{height:d}" style="border: 0"></iframe>'
        f'<p><a href="{address}" target="_blank" rel="noopener noreferrer">Open it in a tab of its own</a></p>'
    )
