"""``promptlight serve``: the report's page with a model behind it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from promptlight.cli.options.groups import with_groups
from promptlight.cli.options.opening import PageOpening
from promptlight.cli.options.panels import SERVER
from promptlight.cli.options.rerun import Rerun
from promptlight.cli.options.shared import ResultsArgument
from promptlight.cli.work.live_model import build_live_model
from promptlight.cli.work.stored_results import say_where_model_is
from promptlight.io.results.folders import find_folder


@with_groups
def serve(
    results: ResultsArgument = None,
    *,
    keep: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Copy the results to this folder first, unless it has them already, and keep there what is tried:"
            " needed for results that come with promptlight or are on an object store.",
        ),
    ] = None,
    host: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            help="Address of this machine to listen on; 0.0.0.0: every one, so that other machines reach it.",
            rich_help_panel=SERVER,
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, metavar="N", help="Port; 0: any free one.", rich_help_panel=SERVER)
    ] = 8321,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Name under which browsers reach this server, such as that of a proxy before it; repeatable.",
            rich_help_panel=SERVER,
        ),
    ] = None,
    password_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="File with a password that lets in, too, not only the link (or set PROMPTLIGHT_PASSWORD).",
            rich_help_panel=SERVER,
        ),
    ] = None,
    opening: PageOpening,
    rerun: Rerun,
) -> None:
    """Open the page of `report` with a model behind it: everyone who has the link can try a change in the browser.

    Change a prompt and have it written again, take away each line in turn, add prompts. What is tried is kept in the
    results folder. Only this machine is let in, unless --host says otherwise; Ctrl-C stops it, and the next start goes
    on with what waits.
    """
    from promptlight.cli.server.foreground import (
        Address,
        check_opening,
        import_server,
        read_password,
        serve_until_stopped,
    )
    from promptlight.cli.server.keeping import choose_kept
    from promptlight.io.results.reader import read_settings

    import_server()
    address = Address(host=host, port=port, names=allow_host or (), password=read_password(password_file))
    named = find_folder(results)
    folder = choose_kept(named, keep)
    check_opening(folder, opening.start)
    live = build_live_model(read_settings(folder), rerun, if_missing=say_where_model_is(named))
    serve_until_stopped(folder, live, opening.question(), opening.describe(), address)
